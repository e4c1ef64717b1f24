//! Backups of streams, in the form that `nats stream backup` writes and `nats stream restore` reads: a folder with
//! `backup.json`, the stream's configuration and state, and `stream.tar.s2`, its store as the server packs it. Either
//! program reads what the other wrote.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    time::Duration,
};

use async_nats::{HeaderMap, Message, Request, RequestErrorKind};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};

use super::Nats;
use crate::port::{BackupError, StreamState};

const META: &str = "backup.json";
const DATA: &str = "stream.tar.s2";
/// Bytes sent at a time, either way.
const CHUNK_BYTES: usize = 128 * 1024;
/// How long a restored stream may take until it is there, in milliseconds: the server reads all of it.
const RESTORE_MS: u64 = 120_000;
/// How long until it is looked again whether brokers know of each other's.
const LEARNS: Duration = Duration::from_millis(20);

impl Nats {
    pub(super) async fn save(&self, stream: &str, folder: &Path) -> Result<StreamState, BackupError> {
        let at = |source| BackupError::Folder { path: folder.to_owned(), source };
        if folder.join(META).exists() {
            return Err(BackupError::Taken(folder.to_owned()));
        }
        fs::create_dir_all(folder).map_err(at)?;
        let inbox = self.client.new_inbox();
        let mut chunks = self.client.subscribe(inbox.clone()).await.map_err(|_| BackupError::Unavailable)?;
        let ask = json!({ "deliver_subject": inbox, "no_consumers": true, "chunk_size": CHUNK_BYTES, "jsck": true });
        let meta = self.admin(&format!("STREAM.SNAPSHOT.{stream}"), &ask, self.timeout_ms).await?;
        let state = state_in(&meta)?;
        let mut data = File::create(folder.join(DATA)).map_err(at)?;
        loop {
            let chunk = tokio::time::timeout(Duration::from_millis(self.timeout_ms), chunks.next()).await;
            let chunk = chunk.ok().flatten().ok_or(BackupError::Unavailable)?;
            if chunk.payload.is_empty() {
                match chunk.status {
                    Some(status) if status.as_u16() >= 300 => {
                        return Err(BackupError::Refused(chunk.description.unwrap_or_else(|| status.to_string())));
                    }
                    _ => break,
                }
            }
            data.write_all(&chunk.payload).map_err(at)?;
            if let Some(reply) = chunk.reply {
                self.client.publish(reply, Bytes::new()).await.map_err(|_| BackupError::Unavailable)?;
            }
        }
        data.sync_all().map_err(at)?;
        // Last, so that a folder without it is no backup.
        fs::write(folder.join(META), meta.to_string()).map_err(at)?;
        Ok(state)
    }

    pub(super) async fn load(&self, folder: &Path, replicas: Option<u8>) -> Result<(String, StreamState), BackupError> {
        let at = |source| BackupError::Folder { path: folder.to_owned(), source };
        let meta: Value = serde_json::from_slice(&fs::read(folder.join(META)).map_err(at)?)
            .map_err(|error| BackupError::Malformed(format!("{META}: {error}")))?;
        let mut config = meta.get("config").cloned().unwrap_or_default();
        let name = config.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if name.is_empty() || name.contains(['.', ' ', '*', '>']) {
            return Err(BackupError::Malformed(format!("{META} names no stream")));
        }
        if let (Some(replicas), Some(config)) = (replicas, config.as_object_mut()) {
            config.insert("num_replicas".to_owned(), replicas.into());
        }
        let state = meta.get("state").cloned().unwrap_or_default();
        let mut data = File::open(folder.join(DATA)).map_err(at)?;
        let ask = json!({ "config": config, "state": state });
        let begun = self.admin(&format!("STREAM.RESTORE.{name}"), &ask, self.timeout_ms).await?;
        let to = begun.get("deliver_subject").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = data.read(&mut chunk).map_err(at)?;
            let is_last = read == 0;
            let body = Bytes::copy_from_slice(chunk.get(..read).unwrap_or_default());
            let timeout = Duration::from_millis(if is_last { RESTORE_MS } else { self.timeout_ms });
            let answer = tokio::time::timeout(timeout, self.hand_over(&to, body)).await;
            let answer = answer.ok().flatten().ok_or(BackupError::Unavailable)?;
            if is_last || answer.payload.starts_with(b"{") {
                let answer = refused(serde_json::from_slice(&answer.payload).unwrap_or_default())?;
                self.all_have_it(&name).await?;
                return Ok((name, state_in(&answer)?));
            }
        }
    }

    /// Sends a chunk of a stream that is being restored. In a cluster, whoever takes it may listen on another broker, which
    /// ours learns some milliseconds after it was told where to send.
    async fn hand_over(&self, to: &str, chunk: Bytes) -> Option<Message> {
        loop {
            let request = Request::new().payload(chunk.clone()).headers(HeaderMap::new()).timeout(None);
            match self.client.send_request(to.to_owned(), request).await {
                Err(error) if error.kind() == RequestErrorKind::NoResponders => tokio::time::sleep(LEARNS).await,
                answer => return answer.ok(),
            }
        }
    }

    /// Waits until each broker that keeps a copy of a stream, and is there, is said to be as far as the leader. It may lack
    /// entries even then, for a moment: see `follow`.
    async fn all_have_it(&self, stream: &str) -> Result<(), BackupError> {
        let copied = async {
            loop {
                let info = self.info(stream).await.map_err(|_| BackupError::Unavailable)?;
                let copies = info.pointer("/cluster/replicas").and_then(Value::as_array).cloned().unwrap_or_default();
                let says = |copy: &Value, what: &str| copy.get(what).and_then(Value::as_bool).unwrap_or(false);
                if copies.iter().all(|copy| says(copy, "current") || says(copy, "offline")) {
                    return Ok(());
                }
                tokio::time::sleep(LEARNS).await;
            }
        };
        tokio::time::timeout(Duration::from_millis(RESTORE_MS), copied).await.unwrap_or(Err(BackupError::Unavailable))
    }

    async fn admin(&self, subject: &str, ask: &Value, timeout_ms: u64) -> Result<Value, BackupError> {
        let asked = self.jetstream.request::<_, _, Value>(subject.to_owned(), ask);
        let answer = tokio::time::timeout(Duration::from_millis(timeout_ms), asked).await;
        refused(answer.ok().and_then(Result::ok).ok_or(BackupError::Unavailable)?)
    }
}

fn refused(answer: Value) -> Result<Value, BackupError> {
    match answer.get("error") {
        None => Ok(answer),
        Some(error) => {
            let text =
                error.get("description").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned);
            Err(BackupError::Refused(text))
        }
    }
}

fn state_in(answer: &Value) -> Result<StreamState, BackupError> {
    let state = answer.get("state").cloned().unwrap_or_default();
    serde_json::from_value(state).map_err(|error| BackupError::Malformed(error.to_string()))
}
