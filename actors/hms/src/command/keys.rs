//! `hms keys`: the keys that agents and cores sign with.

use clap::{Args, Subcommand};
use schemas::AgentId;
use serde_json::{Value, json};

use crate::{bus::DirArgs, exit::Outcome, keystore::Key, output};

/// Make and show the keys that agents and cores sign with
///
/// A key is an Ed25519 NKey in a file of its own, DIR/keys/NAME.nk, which only its owner can read. The Python package
/// uses the same files. Whoever has the file is the agent: only public keys are ever printed.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  hms keys new kenya")]
pub enum Keys {
    New(New),
    Show(Show),
}

/// Make a key; one that is there is never replaced
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms keys new kenya --dir .hms")]
pub struct New {
    /// The agent
    name: AgentId,
    #[command(flatten)]
    dir: DirArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show public keys
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms keys show\n  hms keys show kenya --json")]
pub struct Show {
    /// The agent; left out, everybody who has a key here
    name: Option<AgentId>,
    #[command(flatten)]
    dir: DirArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub fn run(self) -> Outcome {
        match self {
            Self::New(New { name, dir, json }) => print(vec![(name.clone(), dir.keys().make(&name)?)], json),
            Self::Show(Show { name, dir, json }) => {
                let keys = dir.keys();
                let names = match name {
                    Some(name) => vec![name],
                    None => keys.names()?,
                };
                let found = names.into_iter().map(|name| keys.find(&name).map(|key| (name, key)));
                print(found.collect::<Result<_, _>>()?, json)
            }
        }
    }
}

fn print(keys: Vec<(AgentId, Key)>, json: bool) -> Outcome {
    if json {
        return keys.iter().try_for_each(|(name, key)| output::json(&shown(name, key)));
    }
    let rows =
        keys.into_iter().map(|(name, key)| [name.to_string(), key.public.to_string(), key.path.display().to_string()]);
    output::table(["NAME", "PUBLIC KEY", "FILE"], rows.collect(), "no keys")
}

fn shown(name: &AgentId, key: &Key) -> Value {
    json!({ "name": name, "key": key.public, "file": key.path.display().to_string() })
}
