//! How the page gets onto the bus: where the broker's websockets are, and the credential that opens them.

use std::{fmt, fs, net::SocketAddr, path::Path};

use nkeys::KeyPair;
use runtime::broker::{Window, WindowUsers};
use schemas::subject;
use serde::Serialize;

use crate::exit::{Exit, OrExit, Outcome, Stop};

/// The way in for onlookers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Where.
    pub websocket: Websocket,
    /// With what.
    pub credential: Credential,
}

/// Where the broker's websockets are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Websocket {
    /// At the host that serves the page, on this port, in the clear.
    Port(u16),
    /// Elsewhere.
    Url(String),
}

impl Websocket {
    /// Their address, for a page that was asked for under this name.
    #[must_use]
    pub fn under(&self, host: &str) -> String {
        match self {
            Self::Port(port) => format!("ws://{host}:{port}"),
            Self::Url(url) => url.clone(),
        }
    }
}

/// What the page says of itself. Whoever may fetch the page gets it, so it must open nothing but looking on.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Credential {
    /// Nothing.
    None,
    /// The seed of a user key.
    Nkey {
        /// The seed.
        seed: String,
    },
    /// What a credentials file holds.
    Creds {
        /// Its text.
        text: String,
    },
    /// A name and a password.
    User {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Nkey { .. } => "Nkey",
            Self::Creds { .. } => "Creds",
            Self::User { .. } => "User",
        })
    }
}

/// The keys of a window that is made for one run: the broker learns the public halves, only the page the seed.
pub struct Keys {
    users: WindowUsers,
    seed: String,
}

impl Keys {
    /// New ones.
    ///
    /// # Errors
    /// Never: a pair that was just made has a seed.
    pub fn make() -> Outcome<Self> {
        let onlooker = KeyPair::new_user();
        let stranger = || KeyPair::new_user().public_key();
        let users = WindowUsers { anyone: stranger(), nobody: stranger(), onlooker: onlooker.public_key() };
        Ok(Self { users, seed: onlooker.seed().or_exit(Exit::Bad)? })
    }

    /// The window of a broker of our own, for a page that is served at an address.
    #[must_use]
    pub fn window(&self, page: SocketAddr) -> Window {
        // Elsewhere it is not known by which names the page is reached: there the key alone decides.
        let origins = if page.ip().is_loopback() {
            ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:{}", page.port())).to_vec()
        } else {
            Vec::new()
        };
        let subjects = subject::for_onlookers().to_vec();
        Window { host: page.ip(), port: 0, origins, subjects, users: self.users.clone() }
    }

    /// The door that this window is.
    #[must_use]
    pub fn door(&self, window_port: u16) -> Door {
        Door { websocket: Websocket::Port(window_port), credential: Credential::Nkey { seed: self.seed.clone() } }
    }
}

impl Door {
    /// The door of a broker that runs elsewhere: `wss://bus.example:8443`, `ws://user:password@127.0.0.1:8080`, and a
    /// credentials file if it wants one.
    ///
    /// # Errors
    /// When it is no such address, or the file cannot be read or holds no credential.
    pub fn elsewhere(url: &str, credentials: Option<&Path>) -> Outcome<Self> {
        let bad = |why: &str| Stop::say(Exit::Usage, format_args!("--websocket: {why}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("a URL such as wss://bus.example:8443"))?;
        if !matches!(scheme, "ws" | "wss") {
            return Err(bad("its scheme is ws or wss"));
        }
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]/_".contains(c);
        if place.is_empty() || !place.chars().all(is_plain) {
            return Err(bad("a host, a port and a path, without anything else"));
        }
        let credential = match (login, credentials) {
            (Some(_), Some(_)) => return Err(bad("a login, or a credentials file, not both")),
            (Some(login), None) => {
                let (user, password) = login.split_once(':').ok_or_else(|| bad("a login is user:password"))?;
                Credential::User { user: user.to_owned(), password: password.to_owned() }
            }
            (None, Some(file)) => {
                let text = fs::read_to_string(file)
                    .or_exit(Exit::Input)
                    .map_err(|stop| stop.while_doing(format_args!("reading {}", file.display())))?;
                if !(text.contains("BEGIN NATS USER JWT") && text.contains("SEED")) {
                    return Err(Stop::say(Exit::Input, format_args!("{} is no credentials file", file.display())));
                }
                Credential::Creds { text }
            }
            (None, None) => Credential::None,
        };
        Ok(Self { websocket: Websocket::Url(format!("{scheme}://{place}")), credential })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_elsewhere_is_an_address_and_perhaps_a_login() {
        let door = Door::elsewhere("ws://eye:pa:ss@bus.example:8080/hms", None).unwrap();
        assert_eq!(door.websocket.under("ignored"), "ws://bus.example:8080/hms");
        assert_eq!(door.credential, Credential::User { user: "eye".into(), password: "pa:ss".into() });
        assert_eq!(Door::elsewhere("wss://bus.example", None).unwrap().credential, Credential::None);
        for url in ["", "bus:1", "nats://bus:1", "ws://", "ws://a b", "ws://a;b", "ws://name@bus", "ws://a'b"] {
            assert_eq!(Door::elsewhere(url, None).unwrap_err().exit, Exit::Usage, "{url}");
        }
    }

    #[test]
    fn the_guarded_brokers_onlooker_may_hear_what_ours_may() {
        let config = include_str!("../../../../nats/watched.conf");
        let subjects = subject::for_onlookers();
        let listed = subjects.each_ref().map(|subject| format!("\"{subject}\"")).join(", ");
        assert!(config.contains(&format!("subscribe {{ allow: [{listed}] }}")), "{listed}");
        assert!(config.contains(&format!("--allow-sub '{}'", subjects.join(","))));
        assert!(config.contains("publish { deny: \">\" }") && config.contains("--deny-pub '>'"));
    }

    #[test]
    fn credentials_come_from_a_file_that_holds_some() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("a"), folder.path().join("b"));
        let text =
            "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\ny\n";
        fs::write(&good, text).unwrap();
        fs::write(&bad, "SUAB").unwrap();
        let at = |file: &Path, url: &str| Door::elsewhere(url, Some(file));
        assert_eq!(at(&good, "wss://bus").unwrap().credential, Credential::Creds { text: text.into() });
        assert_eq!(at(&bad, "wss://bus").unwrap_err().exit, Exit::Input);
        assert_eq!(at(&folder.path().join("c"), "wss://bus").unwrap_err().exit, Exit::Input);
        assert_eq!(at(&good, "wss://a:b@bus").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_window_on_the_loopback_is_for_its_own_page_alone() {
        let keys = Keys::make().unwrap();
        let window = keys.window("127.0.0.1:8280".parse().unwrap());
        assert!(window.origins.contains(&"http://localhost:8280".to_owned()));
        assert!(keys.window("0.0.0.0:8280".parse().unwrap()).origins.is_empty());
        let users = &window.users;
        assert!(users.anyone != users.nobody && users.nobody != users.onlooker && users.onlooker != users.anyone);
        let Credential::Nkey { seed } = keys.door(7).credential else { panic!("no key") };
        assert_eq!(KeyPair::from_seed(&seed).unwrap().public_key(), users.onlooker);
        assert!(!format!("{:?}", keys.door(7)).contains(&seed));
    }
}
