"""Every limit of the wire: generated from the crate `schemas`, do not edit."""

from typing import Final

MAX_BODY_BYTES: Final = 1048576
"""Largest body that an endpoint reads unless it says otherwise, in bytes: NATS' own default."""
MAX_CLEARING_BODY_BYTES: Final = 8388608
"""Largest body of a clearing, in bytes: the `max_payload` that our brokers are configured with."""
MAX_DEPTH: Final = 32
"""Deepest nesting of a body; the root is depth 1."""
MAX_ENTRIES: Final = 1000000
"""Most entries in one map or array."""
MAX_TOKEN_CHARS: Final = 63
"""Longest token (agent, good, market), in characters."""
MAX_MOVE_ID_CHARS: Final = 64
"""Longest move id, in characters."""
MAX_PARTIES: Final = 64
"""Most parties in a deal."""
MAX_TRANSFERS: Final = 256
"""Most transfers in a deal."""
MAX_CLAIMS: Final = 32
"""Most claims that a deal may require."""
MAX_DEAL_CLAIMS: Final = 512
"""Most claims that a deal raises, and most that one request to a prover brings."""
MAX_VARIABLES: Final = 64
"""Most variables of a claim."""
MAX_HYPOTHESES: Final = 256
"""Most hypotheses of a claim."""
MAX_POLY_TERMS: Final = 2048
"""Most terms of a polynomial on the wire."""
MAX_DEGREE: Final = 32
"""Highest degree of a polynomial on the wire."""
MAX_EXPANDED_DEGREE: Final = 64
"""Highest degree of a product that a checker expands."""
MAX_COEFFICIENT_BITS: Final = 4096
"""Most bits of a coefficient's numerator, and of its denominator."""
MAX_CERTIFICATE_NODES: Final = 1024
"""Most nodes of a certificate's tree."""
MAX_LEAF_TERMS: Final = 4096
"""Most squares and equalities in one leaf."""
MAX_FACTORS: Final = 64
"""Most constraints multiplied in one summand of a leaf."""
MAX_EXPANDED_BITS: Final = 65536
"""Most bits of a coefficient while a checker expands."""
MAX_EXPANSION: Final = 20000000
"""Most products of terms that a checker expands for one certificate, each counted as often as its coefficient has
words of 64 bits.
"""
MAX_CLAIM_CHARS: Final = 65536
"""Longest claim in infix form, in characters."""
MAX_INFIX_NESTING: Final = 64
"""Deepest parentheses of a claim in infix form."""
MAX_INFIX_EXPANSION: Final = 1000000
"""Most products of terms that reading one claim in infix form expands."""
MAX_DEAL_EVIDENCE_BYTES: Final = 1048576
"""Most that all evidence for a deal's claims may take together, in bytes: it stands in two events of its log."""
MAX_GOODS: Final = 1024
"""Most goods that an intent gives, wants, or a declaration names."""
MAX_ALTERNATIVES: Final = 4096
"""Most alternatives in one `any_of`."""
MAX_INTENTS: Final = 100000
"""Most intents in one clearing."""
MAX_OBLIGATIONS: Final = 100000
"""Most obligations in one netting."""
MAX_ISSUES: Final = 32
"""Most issues that one negotiation is about."""
MAX_CHOICES: Final = 65536
"""Most choices of one issue."""
MAX_ROUNDS: Final = 10000
"""Most rounds of alternating offers."""
MAX_TALK_BYTES: Final = 65536
"""Largest word of a talk, in bytes."""
MAX_STEPS: Final = 1024
"""Most steps in one roadmap."""
MAX_RUNS: Final = 1000000
"""Most runs of a simulation."""
MAX_LINKS: Final = 100000
"""Most links in one network."""
MAX_CLAIMANTS: Final = 10000
"""Most parties that a pot is divided among."""
MAX_GAME_PLAYERS: Final = 128
"""Most players of a game."""
MAX_EXACT_PLAYERS: Final = 16
"""Most players of a game of which every coalition is looked at."""
MAX_COALITIONS: Final = 65536
"""Most coalitions that a game lists: all of 16 players."""
MAX_SAMPLES: Final = 250000
"""Most orders of players that a Shapley value is sampled from."""
MAX_PERIODS: Final = 10000
"""Most periods of a path of balances."""
MAX_PATH_POINTS: Final = 250000
"""Most points of all paths in one answer: parties and pairs times periods."""
MAX_LOTS: Final = 1024
"""Most lots of import certificates that one certificate outlives."""
MAX_TEXT_BYTES: Final = 1024
"""Longest free text (a reason, a memo), in bytes."""
MAX_SENDER_BYTES: Final = 2048
"""Longest `Agent-Sender` header, in bytes, as the Synadia Agent Protocol fixes it."""
REPLAY_WINDOW_MS: Final = 30000
"""How far the time in a live signature may be from the reader's clock, in milliseconds."""
MAX_LEASE_MS: Final = 86400000
"""Longest life of an agent's lease without renewal, in milliseconds."""
DEFAULT_LEASE_MS: Final = 60000
"""Lease that an agent gets when it asks for none, in milliseconds."""
MAX_EXPIRY_MS: Final = 31622400000
"""How far ahead terms may expire, in milliseconds (a year)."""
MAX_DUE_MS: Final = 316224000000
"""How far ahead a transfer may be due, in milliseconds (ten years)."""
MAX_BATCH_MESSAGES: Final = 1000
"""Most messages that one atomic batch of the broker takes."""
MAX_SNAPSHOT_CHUNKS: Final = 65536
"""Most chunks of one snapshot."""
MAX_INBOX_PAGE: Final = 256
"""Most messages that one read of an inbox returns."""
MAX_EVALUATIONS: Final = 1000000000
"""Most evaluations of one search."""
MAX_GENERATIONS: Final = 100000
"""Most generations of one island."""
MAX_POPULATION: Final = 2000
"""Most members of an island's population."""
MAX_ISLANDS: Final = 64
"""Most islands of one search."""
MAX_GENE: Final = 9007199254740992
"""Most lots that one transfer of a search may move: what a float holds exactly."""
PROGRESS_EVERY_MS: Final = 100
"""How often a job may tell of its progress: at least this long apart, in milliseconds."""
PPM: Final = 1000000
"""Parts in a million: the whole."""
MAX_TASKS: Final = 1024
"""Most tasks of a job."""
MAX_NEEDS: Final = 32
"""Most tasks that one task needs."""
MAX_SKILLS: Final = 16
"""Most skills that a task wants or a bid names."""
MAX_CREW: Final = 256
"""Most verifiers, and most gatekeepers, of a job."""
MAX_PANEL: Final = 16
"""Most verifiers that are asked at first."""
MAX_BRIEF_BYTES: Final = 4096
"""Longest brief of a task, in bytes."""
MAX_RESULT_BYTES: Final = 16384
"""Largest result that travels with its move, in bytes; larger ones are kept as objects."""
MAX_BUDGET_MINOR: Final = 1000000000000000
"""Highest budget of a task, in minor units of account: so that sums over a job, and shares in billionths, fit."""
MAX_ATTEMPTS: Final = 1000
"""How often a task may come to nothing at most."""
MIN_TASK_MS: Final = 10
"""Shortest time that a job's rules may set, in milliseconds."""
MAX_BIDS: Final = 256
"""Most bids that one announcement takes."""
PPB: Final = 1000000000
"""Parts in a billion: the whole."""
MAX_DIGEST_ITEMS: Final = 1000
"""Most events, and most offers, of one digest for onlookers."""
DIGEST_EVERY_MS: Final = 500
"""How often onlookers are told what happened meanwhile, in milliseconds."""
