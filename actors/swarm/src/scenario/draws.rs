//! Drawing lots: the same seed and the same label give the same draws, whatever else is drawn.

use nkeys::{KeyPair, KeyPairType};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{AgentId, Hash};

/// A source of draws.
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The draws for one purpose. Purposes don't disturb each other: one more agent changes no other agent.
    #[must_use]
    pub fn of(seed: u64, purpose: &str) -> Self {
        let hash = Hash::of_parts(&[b"hms-swarm", &seed.to_be_bytes(), purpose.as_bytes()]);
        Self(ChaCha8Rng::from_seed(*hash.as_bytes()))
    }

    /// A whole number from `lo` to `hi`, both included, each as likely; `lo` where `hi` is less.
    pub fn between(&mut self, lo: i64, hi: i64) -> i64 {
        if hi <= lo { lo } else { self.0.random_range(lo..=hi) }
    }

    /// Puts things in a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        things.shuffle(&mut self.0);
    }

    /// So many of these, in a random order; all where there are fewer.
    pub fn pick<T>(&mut self, count: usize, mut from: Vec<T>) -> Vec<T> {
        self.shuffle(&mut from);
        from.truncate(count);
        from
    }
}

/// The seed of an agent's key. From the scenario's seed, so that the same agents come back with the same keys to a bus
/// that knows them: fit for simulated agents, and for nothing else.
#[must_use]
pub fn key_seed(seed: u64, agent: &AgentId) -> Option<String> {
    let hash = Hash::of_parts(&[b"hms-swarm-key", &seed.to_be_bytes(), agent.as_str().as_bytes()]);
    KeyPair::new_from_raw(KeyPairType::User, *hash.as_bytes()).ok()?.seed().ok()
}
