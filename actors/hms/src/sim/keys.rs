//! Keys that are the same each time: a simulated bus has nothing to keep secret.

use nkeys::{KeyPair, KeyPairType};
use schemas::{
    AgentId, Hash,
    signature::{BadKey, PublicKey, Signer},
};

use crate::keystore::{KeyError, Keyholder};

/// The keys of a simulated bus, made from names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys;

fn pair(kind: KeyPairType, name: &str) -> Result<KeyPair, BadKey> {
    KeyPair::new_from_raw(kind, *Hash::of(name.as_bytes()).as_bytes()).map_err(|_| BadKey)
}

/// The seed of an agent's or a core's key (`SU…`).
///
/// # Errors
/// Never: every hash makes a key.
pub fn seed_of(name: &str) -> Result<String, BadKey> {
    pair(KeyPairType::User, name)?.seed().map_err(|_| BadKey)
}

/// The account of the bus.
///
/// # Errors
/// Never, as above.
pub fn account() -> Result<PublicKey, BadKey> {
    PublicKey::parse(&pair(KeyPairType::Account, "account")?.public_key())
}

/// Signs as `name`.
///
/// # Errors
/// Never, as above.
pub fn signer(name: &str) -> Result<Signer, BadKey> {
    Signer::from_seed(&seed_of(name)?, account()?, name)
}

impl Keyholder for Keys {
    fn account(&self) -> Result<PublicKey, KeyError> {
        account().map_err(|_| missing("account"))
    }

    fn signer(&self, name: &AgentId) -> Result<Signer, KeyError> {
        signer(name.as_str()).map_err(|_| missing(name.as_str()))
    }
}

fn missing(name: &str) -> KeyError {
    KeyError::Missing { path: name.into() }
}
