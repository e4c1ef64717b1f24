//! `hms backup` and `hms restore`: the bus's streams as folders, each as `nats stream backup` writes it.

use std::path::{Path, PathBuf};

use clap::Args;
use runtime::port::{BackupError, Port, StreamState};
use schemas::stream;
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    command::provision::specifications,
    exit::{Exit, Outcome, Stop},
    output,
};

/// Back up the bus's streams and buckets, each into a folder of its own
///
/// The folders are what `nats stream backup` writes, so either program restores them. A stream is saved as it is at one
/// moment; the streams are saved one after another, the log of deals last, so that whatever an inbox tells of is in the
/// log's backup.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms backup backup-monday
  hms deal verify --all --from backup-monday
  hms restore backup-monday --nats nats://new-broker:4222 --replicas 1")]
pub struct Backup {
    /// The folder to make
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a stream
    #[arg(long)]
    json: bool,
}

/// Make the streams and buckets that a backup holds, on a bus that has none of them
///
/// Start the cores afterwards, with the key folder that the bus was made with.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms restore backup-monday --nats nats://new-broker:4222
  hms restore backup-monday --nats nats://new-broker:4222 --replicas 1    on one broker, from a cluster's")]
pub struct Restore {
    /// What `hms backup` or `nats stream backup` wrote
    #[arg(value_name = "FOLDER")]
    from: PathBuf,
    #[command(flatten)]
    bus: BusArgs,
    /// Copies of each stream [default: as many as there were]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: Option<u8>,
    /// Print JSON, one object a stream
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        // Sources first, in the specifications' order; hence the log last.
        for spec in specifications(1).iter().rev() {
            let name = spec.get("name").and_then(Value::as_str).unwrap_or_default();
            // What was cut off of the log is in its archive, if there is one.
            if let Some(archive) = stream::archive_of(name)
                && port.stream_state(archive).await.is_ok()
            {
                self.save(port.as_ref(), archive).await?;
            }
            self.save(port.as_ref(), name).await?;
        }
        Ok(())
    }

    async fn save(&self, port: &dyn Port, name: &str) -> Outcome {
        let saved = port.save_stream(name, &self.to.join(name)).await;
        say(name, &saved.map_err(|error| Stop::from(error).while_doing(name))?, "saved", self.json)
    }
}

impl Restore {
    pub async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        for (name, state) in load(port.as_ref(), &self.from, self.replicas).await? {
            say(&name, &state, "restored", self.json)?;
        }
        Ok(())
    }
}

fn say(name: &str, state: &StreamState, done: &str, json: bool) -> Outcome {
    let StreamState { messages, first_seq, last_seq, .. } = state;
    if json {
        output::json(&json!({
            "stream": name, "outcome": done, "messages": messages, "first_sequence": first_seq, "last_sequence": last_seq,
        }))
    } else {
        output::line(format_args!("{name}: {done}, {messages} messages up to sequence {last_seq}"))
    }
}

/// Restores every stream that a folder holds: one, or several in folders of their own, in so many copies, or as many as
/// there were. Those that others take from come first.
///
/// # Errors
/// When the folder holds none, or one cannot be restored.
pub async fn load(port: &dyn Port, from: &Path, replicas: Option<u8>) -> Outcome<Vec<(String, StreamState)>> {
    let is_one = |folder: &Path| folder.join("backup.json").is_file();
    let mut folders = Vec::new();
    if is_one(from) {
        folders.push(from.to_owned());
    } else {
        let order: Vec<String> = specifications(1)
            .iter()
            .filter_map(|spec| spec.get("name").and_then(Value::as_str).map(str::to_owned))
            .chain([stream::ARCHIVE.to_owned()])
            .collect();
        folders.extend(order.iter().map(|name| from.join(name)).filter(|folder| is_one(folder)));
    }
    if folders.is_empty() {
        return Err(Stop::say(Exit::Input, format_args!("{}: no backup of a stream", from.display())));
    }
    let mut loaded = Vec::new();
    for folder in folders {
        let made = port.load_stream(&folder, replicas).await;
        loaded.push(made.map_err(|error| Stop::from(error).while_doing(folder.display()))?);
    }
    Ok(loaded)
}

impl From<BackupError> for Stop {
    fn from(error: BackupError) -> Self {
        let exit = match error {
            BackupError::Folder { .. } | BackupError::Taken(_) | BackupError::Malformed(_) => Exit::Input,
            BackupError::Refused(_) | BackupError::NoStore => Exit::Bad,
            BackupError::Unavailable => Exit::NoBus,
        };
        Self::new(exit, error)
    }
}
