"""A library of theorems, true and false, and what the prover makes of it.

`library/` holds the theorems as data, chosen by merit and source before any of them was tried; `test_library.py` checks
the library itself, without the prover. `run.py` tries the prover on all of it and z3 beside it; `evolution.py` measures
whether evolution helps. Both write their tables into `docs/proofs.md`.
"""
