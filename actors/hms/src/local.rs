//! The bus that `hms up` runs from a folder, as the folder tells of it: `DIR/up.json`.
//!
//! The file says who runs and where. A process that was killed leaves it behind, and its number may by then be
//! another's, so nobody is taken for a bus, and nobody is sent a signal, whose command line is not ours.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

const FILE: &str = "up.json";

/// A bus of this folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalBus {
    /// The process that runs the cores.
    pub pid: u32,
    /// Where clients connect, without credentials.
    pub url: String,
    /// The broker's port, when the broker is the bus's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The broker's process, when it is the bus's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_pid: Option<u32>,
    /// The broker's monitoring pages, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor_url: Option<String>,
    /// The page for onlookers, if it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_url: Option<String>,
}

impl LocalBus {
    /// What the folder says, true or not.
    #[must_use]
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file(dir)).ok()?).ok()
    }

    /// The bus that runs from the folder now.
    #[must_use]
    pub fn running(dir: &Path) -> Option<Self> {
        Self::read(dir).filter(Self::is_running)
    }

    /// Whether the process that runs the cores is there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        is_ours(self.pid, "hms")
    }

    /// The broker, when it is the bus's own and outlived it.
    #[must_use]
    pub fn orphan(&self) -> Option<u32> {
        self.broker_pid.filter(|pid| !self.is_running() && is_ours(*pid, "nats-server"))
    }

    /// Tells of this bus in the folder, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, dir: &Path) -> io::Result<Announced> {
        let draft = dir.join(format!("{FILE}.{}", self.pid));
        fs::create_dir_all(dir)?;
        fs::write(&draft, format!("{}\n", serde_json::to_string(self)?))?;
        fs::rename(&draft, file(dir))?;
        Ok(Announced { dir: dir.to_owned(), pid: self.pid })
    }
}

/// Takes the announcement back when it goes, unless another bus has taken its place.
pub struct Announced {
    dir: PathBuf,
    pid: u32,
}

impl Drop for Announced {
    fn drop(&mut self) {
        if LocalBus::read(&self.dir).is_some_and(|bus| bus.pid == self.pid)
            && let Err(error) = fs::remove_file(file(&self.dir))
        {
            tracing::warn!(%error, "up.json is left behind");
        }
    }
}

/// Takes away what a bus that was killed left behind.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget(dir: &Path) -> io::Result<()> {
    match fs::remove_file(file(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Whether a process runs whose program has this word in its name.
fn is_ours(pid: u32, word: &str) -> bool {
    program(pid).is_some_and(|program| program.contains(word))
}

/// The name of the program that a process runs; `None` when there is no such process, or it has ended and only
/// its entry in the table is left.
fn program(pid: u32) -> Option<String> {
    let name = if Path::new("/proc/self/cmdline").exists() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(line.split(|byte| *byte == 0).next()?).into_owned()
    } else {
        let listed =
            Command::new("ps").args(["-o", "comm=", "-p", &pid.to_string()]).stdin(Stdio::null()).output().ok()?;
        String::from_utf8_lossy(&listed.stdout).trim().to_owned()
    };
    let name = Path::new(&name).file_name()?.to_string_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// Asks a process to end (SIGTERM).
///
/// # Errors
/// When the signal cannot be sent.
pub fn terminate(pid: u32) -> io::Result<()> {
    // The shell's own `kill`: small containers have no other.
    let status = Command::new("sh")
        .args(["-c", "kill -TERM \"$0\"", &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("no signal reaches process {pid}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus(pid: u32) -> LocalBus {
        LocalBus {
            pid,
            url: "nats://127.0.0.1:1".into(),
            port: Some(1),
            broker_pid: None,
            monitor_url: None,
            web_url: None,
        }
    }

    #[test]
    fn the_announcement_goes_with_the_bus_and_never_takes_another_s() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("bus");
        let first = bus(std::process::id()).announce(&dir).unwrap();
        assert_eq!(LocalBus::read(&dir), Some(bus(std::process::id())));
        let second = bus(1).announce(&dir).unwrap();
        drop(first);
        assert_eq!(LocalBus::read(&dir), Some(bus(1)));
        drop(second);
        assert_eq!(LocalBus::read(&dir), None);
        forget(&dir).unwrap();
    }

    #[test]
    fn a_process_that_ended_or_is_another_s_is_no_bus() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let stranger = LocalBus { broker_pid: Some(child.id()), ..bus(child.id()) };
        // For an instant after it was started a process has no command line yet.
        let until = |wanted: Option<&str>| {
            (0..500).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                program(child.id()).as_deref() == wanted
            })
        };
        assert!(until(Some("sleep")));
        assert!(!stranger.is_running());
        assert_eq!(stranger.orphan(), None);
        terminate(child.id()).unwrap();
        // Not waited for: its entry is still in the table.
        assert!(until(None));
        child.wait().unwrap();
        assert!(terminate(child.id()).is_err());
    }
}
