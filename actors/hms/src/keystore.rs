//! The keys of a local bus: files in one folder, made on first use.
//!
//! `DIR/account.nk` is the account that every signature names; `DIR/keys/NAME.nk` is the key of an agent or a
//! core. Each file holds one NKey seed and a line break, and only its owner can read it. The Python package
//! reads and makes the very same files, so an agent keeps its name whichever language it is written in.
//!
//! Seeds never leave this module: not into logs, not onto a terminal. Whoever wants one reads the file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nkeys::{KeyPair, KeyPairType};
use schemas::{
    AgentId,
    signature::{PublicKey, Signer},
};
use swarm::keys;

/// Where keys and the rest of a local bus's state are kept unless told otherwise.
pub const DEFAULT_DIR: &str = ".hms";

/// The variable that names another folder than [`DEFAULT_DIR`].
pub const DIR_VARIABLE: &str = "HMS_HOME";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file or folder cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The file holds something else than the seed it should.
    #[error("{}: not the seed of an NKey of {kind}", path.display())]
    NoSeed {
        /// The file.
        path: PathBuf,
        /// Of what it should be: an account (`SA…`) or a user (`SU…`).
        kind: &'static str,
    },
    /// There is no such key, and none was to be made.
    #[error("there is no key {}", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// There is one already, and a new one was asked for.
    #[error("there is a key already: {}", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
}

/// The keys in one folder.
#[derive(Debug, Clone)]
pub struct KeyStore {
    dir: PathBuf,
}

/// Whoever has the keys that cores sign with.
pub trait Keyholder: Send + Sync {
    /// The account that signatures name.
    ///
    /// # Errors
    /// [`KeyError`].
    fn account(&self) -> Result<PublicKey, KeyError>;

    /// Signs as `name`.
    ///
    /// # Errors
    /// [`KeyError`].
    fn signer(&self, name: &AgentId) -> Result<Signer, KeyError>;
}

impl Keyholder for KeyStore {
    fn account(&self) -> Result<PublicKey, KeyError> {
        Self::account(self)
    }

    fn signer(&self, name: &AgentId) -> Result<Signer, KeyError> {
        Self::signer(self, name)
    }
}

/// A key that was found or made.
pub struct Key {
    /// The file that keeps it.
    pub path: PathBuf,
    /// What everybody may know.
    pub public: PublicKey,
    seed: String,
}

impl KeyStore {
    /// The keys under `dir`. Nothing is read or made yet.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The account that signatures name; made on first use.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn account(&self) -> Result<PublicKey, KeyError> {
        found_or_made(self.dir.join("account.nk"), Kind::Account).map(|key| key.public)
    }

    /// Signs as `name`, an agent or a core of this bus; the key is made on first use.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn signer(&self, name: &AgentId) -> Result<Signer, KeyError> {
        self.signer_in(name, self.account()?)
    }

    /// Signs as `name` on a bus whose account is another's.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn signer_in(&self, name: &AgentId, account: PublicKey) -> Result<Signer, KeyError> {
        let Key { path, seed, .. } = found_or_made(self.path(name), Kind::User)?;
        Signer::from_seed(&seed, account, name.as_str())
            .map_err(|_| KeyError::NoSeed { path, kind: Kind::User.words() })
    }

    /// The key of `name`, which must be there.
    ///
    /// # Errors
    /// [`KeyError::Missing`] and the others.
    pub fn find(&self, name: &AgentId) -> Result<Key, KeyError> {
        let path = self.path(name);
        if path.exists() { read(path, Kind::User) } else { Err(KeyError::Missing { path }) }
    }

    /// A new key for `name`, which must not have one.
    ///
    /// # Errors
    /// [`KeyError::Exists`] and the others.
    pub fn make(&self, name: &AgentId) -> Result<Key, KeyError> {
        let path = self.path(name);
        if make(&path, Kind::User)? { read(path, Kind::User) } else { Err(KeyError::Exists { path }) }
    }

    /// Whoever has a key here, by name. Files of other kinds are passed over.
    ///
    /// # Errors
    /// [`KeyError::File`]; a folder that is not there has no keys.
    pub fn names(&self) -> Result<Vec<AgentId>, KeyError> {
        let folder = self.dir.join("keys");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(KeyError::File { path: folder, source }),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(|source| KeyError::File { path: folder.clone(), source })?.file_name();
            names.extend(file.to_str().and_then(|file| file.strip_suffix(".nk")).and_then(|name| name.parse().ok()));
        }
        names.sort();
        Ok(names)
    }

    fn path(&self, name: &AgentId) -> PathBuf {
        self.dir.join("keys").join(format!("{name}.nk"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Account,
    User,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Account => "an account (SA…)",
            Self::User => "a user (SU…)",
        }
    }

    const fn key_type(self) -> KeyPairType {
        match self {
            Self::Account => KeyPairType::Account,
            Self::User => KeyPairType::User,
        }
    }
}

fn found_or_made(path: PathBuf, kind: Kind) -> Result<Key, KeyError> {
    if !path.exists() {
        make(&path, kind)?;
    }
    read(path, kind)
}

fn read(path: PathBuf, kind: Kind) -> Result<Key, KeyError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(KeyError::File { path, source }),
    };
    let seed = text.trim();
    let public = KeyPair::from_seed(seed)
        .ok()
        .filter(|pair| pair.key_pair_type() == kind.key_type())
        .and_then(|pair| PublicKey::parse(&pair.public_key()).ok());
    match public {
        Some(public) => {
            warn_if_open(&path);
            Ok(Key { path, public, seed: seed.to_owned() })
        }
        None => Err(KeyError::NoSeed { path, kind: kind.words() }),
    }
}

fn make(path: &Path, kind: Kind) -> Result<bool, KeyError> {
    keys::make(path, kind.key_type()).map_err(|source| KeyError::File { path: path.to_owned(), source })
}

#[cfg(unix)]
fn warn_if_open(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!(key = %path.display(), "others can read this key: chmod 600 it");
    }
}

#[cfg(not(unix))]
fn warn_if_open(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AgentId {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_signs_under_the_store_s_account() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::new(folder.path().join("bus"));
        assert!(keys.names().unwrap().is_empty());
        let (first, second) = (keys.signer(&name("deal")).unwrap(), keys.signer(&name("deal")).unwrap());
        assert_eq!(first.key(), second.key());
        assert_eq!(keys.find(&name("deal")).unwrap().public, *first.key());
        let header = first.sign("a.b", b"body", 0, "n").unwrap();
        let sender = schemas::signature::Sender::parse(&header).unwrap();
        assert_eq!((sender.account, sender.name.as_deref()), (keys.account().unwrap(), Some("deal")));
        assert_eq!(keys.names().unwrap(), [name("deal")]);
        let left: Vec<_> = fs::read_dir(keys.dir().join("keys")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["deal.nk"], "no draft is left behind");
    }

    #[test]
    fn a_new_key_never_replaces_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::new(folder.path());
        assert!(matches!(keys.find(&name("ken")), Err(KeyError::Missing { .. })));
        let made = keys.make(&name("ken")).unwrap();
        assert!(matches!(keys.make(&name("ken")), Err(KeyError::Exists { path }) if path == made.path));
        assert_eq!(keys.find(&name("ken")).unwrap().public, made.public);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_a_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::new(folder.path().join("bus"));
        let made = keys.make(&name("ken")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&made.path), mode(made.path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn what_is_no_seed_of_the_right_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::new(folder.path());
        let made = keys.make(&name("ken")).unwrap();
        let account = KeyPair::new_account().seed().unwrap();
        let seed = fs::read_to_string(&made.path).unwrap();
        let (kept, last) = seed.trim().split_at(57);
        let damaged = format!("{kept}{}", if last == "A" { "B" } else { "A" });
        for bad in ["", "hello", &made.public.to_string(), &account, &damaged] {
            fs::write(&made.path, bad).unwrap();
            assert!(matches!(keys.signer(&name("ken")), Err(KeyError::NoSeed { .. })), "{bad}");
        }
    }
}
