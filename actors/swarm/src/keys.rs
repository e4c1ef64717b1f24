//! Where an agent keeps the key that it signs with: the same file that the Python package and `hms keys` use, so that it
//! is the same agent next time, in whatever language it is then written.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nkeys::{KeyPair, KeyPairType};
use schemas::AgentId;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read, or not be made.
    #[error("the key {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// What is there is no key of an agent's.
    #[error("{place} holds no seed of a user (SU…)")]
    NoSeed {
        /// The file, or `HMS_KEY`.
        place: String,
    },
}

/// The seed (`SU…`) of an agent's key: what is in `file`, if one is named, else what `HMS_KEY` says (a seed, or the file of
/// one), else what is in `keys/<agent>.nk` in the folder `HMS_HOME`, or in `.hms` here. The file is made where there is none.
///
/// # Errors
/// [`KeyError`].
pub fn seed(agent: &AgentId, file: Option<&Path>) -> Result<String, KeyError> {
    match file {
        Some(file) => kept(file),
        None => found(agent, |name| std::env::var(name).ok()),
    }
}

fn found(agent: &AgentId, variable: impl Fn(&str) -> Option<String>) -> Result<String, KeyError> {
    let said = |name| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match said("HMS_KEY") {
        Some(seed) if seed.starts_with("SU") => checked(&seed, || "HMS_KEY".to_owned()),
        Some(file) => kept(Path::new(&file)),
        None => {
            let home = PathBuf::from(said("HMS_HOME").unwrap_or_else(|| ".hms".to_owned()));
            kept(&home.join("keys").join(format!("{agent}.nk")))
        }
    }
}

fn kept(path: &Path) -> Result<String, KeyError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path, KeyPairType::User).and_then(|_| fs::read_to_string(path))
        }
        read => read,
    };
    let text = text.map_err(|reason| KeyError::File { path: path.to_owned(), reason })?;
    checked(text.trim(), || path.display().to_string())
}

fn checked(seed: &str, place: impl FnOnce() -> String) -> Result<String, KeyError> {
    match KeyPair::from_seed(seed) {
        Ok(pair) if pair.key_pair_type() == KeyPairType::User => Ok(seed.to_owned()),
        _ => Err(KeyError::NoSeed { place: place() }),
    }
}

/// Makes a key's file that nobody else can read, whole from its first moment, since another process may be about to read or
/// to make it. Says whether it was this call that made it.
///
/// # Errors
/// Where it can't be written.
pub fn make(path: &Path, kind: KeyPairType) -> io::Result<bool> {
    let pair = KeyPair::new(kind);
    let seed = pair.seed().map_err(io::Error::other)?;
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    // The public key makes a name that nobody else drafts under.
    let draft = path.with_extension(format!("{}.draft", pair.public_key()));
    let written = write_private(&draft, &format!("{seed}\n")).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => removed.map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::agent;

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/ann.nk");
        let made = seed(&agent("ann"), Some(&file)).unwrap();
        assert!(made.starts_with("SU"), "{made}");
        assert_eq!(seed(&agent("ann"), Some(&file)).unwrap(), made);
        assert_ne!(seed(&agent("bob"), Some(&folder.path().join("bob.nk"))).unwrap(), made);
    }

    #[test]
    fn the_environment_says_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        let file = folder.path().join("keys/ann.nk");
        let variable = |key: &str| {
            let key = key.to_owned();
            let home = home.clone();
            move |name: &str| match name {
                "HMS_KEY" => Some(key.clone()),
                "HMS_HOME" => Some(home.clone()),
                _ => None,
            }
        };
        let ann = found(&agent("ann"), variable("")).unwrap();
        assert_eq!(seed(&agent("ann"), Some(&file)).unwrap(), ann);
        assert_eq!(found(&agent("bob"), variable(file.to_str().unwrap())).unwrap(), ann);
        assert_eq!(found(&agent("bob"), variable(&format!("{ann}\n"))).unwrap(), ann);
        let error = found(&agent("bob"), variable("SUspicious")).unwrap_err();
        assert!(matches!(&error, KeyError::NoSeed { place } if place == "HMS_KEY"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_named_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ann.nk");
        let account = KeyPair::new(KeyPairType::Account).seed().unwrap();
        for text in ["", "hello\n", &account] {
            fs::write(&file, text).unwrap();
            let error = seed(&agent("ann"), Some(&file)).unwrap_err();
            assert!(matches!(&error, KeyError::NoSeed { place } if *place == file.display().to_string()), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let error = seed(&agent("ann"), Some(folder.path())).unwrap_err();
        assert!(matches!(&error, KeyError::File { path, .. } if path == folder.path()), "{error}");
    }
}
