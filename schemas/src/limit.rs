//! Every limit of the wire, written down once.

/// Largest body that an endpoint reads unless it says otherwise, in bytes: NATS' own default.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Largest body of a clearing, in bytes: the `max_payload` that our brokers are configured with.
pub const MAX_CLEARING_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Deepest nesting of a body; the root is depth 1.
pub const MAX_DEPTH: usize = 32;
/// Most entries in one map or array.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Longest token (agent, good, market), in characters.
pub const MAX_TOKEN_CHARS: usize = 63;
/// Longest move id, in characters.
pub const MAX_MOVE_ID_CHARS: usize = 64;
/// Most parties in a deal.
pub const MAX_PARTIES: usize = 64;
/// Most transfers in a deal.
pub const MAX_TRANSFERS: usize = 256;
/// Most claims that a deal may require.
pub const MAX_CLAIMS: usize = 32;
/// Most claims that a deal raises, and most that one request to a prover brings.
pub const MAX_DEAL_CLAIMS: usize = 512;
/// Most variables of a claim.
pub const MAX_VARIABLES: usize = 64;
/// Most hypotheses of a claim.
pub const MAX_HYPOTHESES: usize = 256;
/// Most terms of a polynomial on the wire.
pub const MAX_POLY_TERMS: usize = 2_048;
/// Highest degree of a polynomial on the wire.
pub const MAX_DEGREE: u32 = 32;
/// Highest degree of a product that a checker expands.
pub const MAX_EXPANDED_DEGREE: u32 = 64;
/// Most bits of a coefficient's numerator, and of its denominator.
pub const MAX_COEFFICIENT_BITS: u32 = 4_096;
/// Most nodes of a certificate's tree.
pub const MAX_CERTIFICATE_NODES: usize = 1_024;
/// Most squares and equalities in one leaf.
pub const MAX_LEAF_TERMS: usize = 4_096;
/// Most constraints multiplied in one summand of a leaf.
pub const MAX_FACTORS: usize = 64;
/// Most bits of a coefficient while a checker expands.
pub const MAX_EXPANDED_BITS: u64 = 65_536;
/// Most products of terms that a checker expands for one certificate, each counted as often as its coefficient has words
/// of 64 bits.
pub const MAX_EXPANSION: u64 = 20_000_000;
/// Longest claim in infix form, in characters.
pub const MAX_CLAIM_CHARS: usize = 65_536;
/// Deepest parentheses of a claim in infix form.
pub const MAX_INFIX_NESTING: usize = 64;
/// Most products of terms that reading one claim in infix form expands.
pub const MAX_INFIX_EXPANSION: u64 = 1_000_000;
/// Most that all evidence for a deal's claims may take together, in bytes: it stands in two events of its log.
pub const MAX_DEAL_EVIDENCE_BYTES: usize = MAX_BODY_BYTES;
/// Most goods that an intent gives, wants, or a declaration names.
pub const MAX_GOODS: usize = 1024;
/// Most alternatives in one `any_of`.
pub const MAX_ALTERNATIVES: usize = 4096;
/// Most intents in one clearing.
pub const MAX_INTENTS: usize = 100_000;
/// Most obligations in one netting.
pub const MAX_OBLIGATIONS: usize = 100_000;
/// Most issues that one negotiation is about.
pub const MAX_ISSUES: usize = 32;
/// Most choices of one issue.
pub const MAX_CHOICES: u32 = 65_536;
/// Most rounds of alternating offers.
pub const MAX_ROUNDS: u32 = 10_000;
/// Largest word of a talk, in bytes.
pub const MAX_TALK_BYTES: usize = 64 * 1024;
/// Most steps in one roadmap.
pub const MAX_STEPS: usize = 1_024;
/// Most runs of a simulation.
pub const MAX_RUNS: u32 = 1_000_000;
/// Most links in one network.
pub const MAX_LINKS: usize = 100_000;
/// Most parties that a pot is divided among.
pub const MAX_CLAIMANTS: usize = 10_000;
/// Most players of a game.
pub const MAX_GAME_PLAYERS: usize = 128;
/// Most players of a game of which every coalition is looked at.
pub const MAX_EXACT_PLAYERS: usize = 16;
/// Most coalitions that a game lists: all of 16 players.
pub const MAX_COALITIONS: usize = 65_536;
/// Most orders of players that a Shapley value is sampled from.
pub const MAX_SAMPLES: u32 = 250_000;
/// Most periods of a path of balances.
pub const MAX_PERIODS: u32 = 10_000;
/// Most points of all paths in one answer: parties and pairs times periods.
pub const MAX_PATH_POINTS: usize = 250_000;
/// Most lots of import certificates that one certificate outlives.
pub const MAX_LOTS: i64 = 1_024;
/// Longest free text (a reason, a memo), in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;
/// Longest `Agent-Sender` header, in bytes, as the Synadia Agent Protocol fixes it.
pub const MAX_SENDER_BYTES: usize = 2048;
/// How far the time in a live signature may be from the reader's clock, in milliseconds.
pub const REPLAY_WINDOW_MS: i64 = 30_000;
/// Longest life of an agent's lease without renewal, in milliseconds.
pub const MAX_LEASE_MS: i64 = 24 * 60 * 60 * 1000;
/// Lease that an agent gets when it asks for none, in milliseconds.
pub const DEFAULT_LEASE_MS: i64 = 60_000;
/// How far ahead terms may expire, in milliseconds (a year).
pub const MAX_EXPIRY_MS: i64 = 366 * 24 * 60 * 60 * 1000;
/// How far ahead a transfer may be due, in milliseconds (ten years).
pub const MAX_DUE_MS: i64 = 10 * MAX_EXPIRY_MS;
/// Most messages that one atomic batch of the broker takes.
pub const MAX_BATCH_MESSAGES: usize = 1_000;
/// Most chunks of one snapshot.
pub const MAX_SNAPSHOT_CHUNKS: u32 = 65_536;
/// Most messages that one read of an inbox returns.
pub const MAX_INBOX_PAGE: u32 = 256;
/// Largest numerator or denominator on the wire fits `i64`.
pub const MAX_RATIONAL_PART: i128 = i64::MAX as i128;
/// Most evaluations of one search.
pub const MAX_EVALUATIONS: u64 = 1_000_000_000;
/// Most generations of one island.
pub const MAX_GENERATIONS: u32 = 100_000;
/// Most members of an island's population.
pub const MAX_POPULATION: u32 = 2_000;
/// Most islands of one search.
pub const MAX_ISLANDS: u32 = 64;
/// Most lots that one transfer of a search may move: what a float holds exactly.
pub const MAX_GENE: i64 = 1 << 53;
/// How often a job may tell of its progress: at least this long apart, in milliseconds.
pub const PROGRESS_EVERY_MS: i64 = 100;
/// Parts in a million: the whole.
pub const PPM: i64 = 1_000_000;
/// Most tasks of a job.
pub const MAX_TASKS: usize = 1_024;
/// Most tasks that one task needs.
pub const MAX_NEEDS: usize = 32;
/// Most skills that a task wants or a bid names.
pub const MAX_SKILLS: usize = 16;
/// Most verifiers, and most gatekeepers, of a job.
pub const MAX_CREW: usize = 256;
/// Most verifiers that are asked at first.
pub const MAX_PANEL: u32 = 16;
/// Longest brief of a task, in bytes.
pub const MAX_BRIEF_BYTES: usize = 4_096;
/// Largest result that travels with its move, in bytes; larger ones are kept as objects.
pub const MAX_RESULT_BYTES: usize = 16_384;
/// Highest budget of a task, in minor units of account: so that sums over a job, and shares in billionths, fit.
pub const MAX_BUDGET_MINOR: i64 = 1_000_000_000_000_000;
/// How often a task may come to nothing at most.
pub const MAX_ATTEMPTS: u32 = 1_000;
/// Shortest time that a job's rules may set, in milliseconds.
pub const MIN_TASK_MS: u32 = 10;
/// Most bids that one announcement takes.
pub const MAX_BIDS: usize = 256;
/// Parts in a billion: the whole.
pub const PPB: i64 = 1_000_000_000;
/// Most events, and most offers, of one digest for onlookers.
pub const MAX_DIGEST_ITEMS: usize = 1_000;
/// How often onlookers are told what happened meanwhile, in milliseconds.
pub const DIGEST_EVERY_MS: u64 = 500;
