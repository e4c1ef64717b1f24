//! The program as its users meet it: real processes, their output and their exit codes. Agents and
//! clearings are tested with the whole system, elsewhere.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test that cannot go on has failed

mod bus;
mod call;
mod deal;
mod decode;
mod help;
mod keys;
mod negotiation;
mod nobus;
mod swarm;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// What came of a run.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// `hms` with nothing of this machine's settings.
fn quiet(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hms"));
    command.current_dir(dir).env_clear().env("HOME", dir).env("PATH", "/usr/bin:/bin");
    command
}

/// Runs `hms` with `input` on standard input.
fn hms_in(dir: &Path, args: &[&str], input: &[u8]) -> Ran {
    let mut command = quiet(dir);
    command.args(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // What is refused early is not read to its end.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The same, in a folder of its own.
fn hms(args: &[&str], input: &[u8]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    hms_in(folder.path(), args, input)
}

/// Checks how a run ended, and that it said `words`: on standard output when it went well, else on standard
/// error.
#[track_caller]
fn check(ran: &Ran, code: i32, words: &str) {
    let (out, err) = (&ran.out, &ran.err);
    assert_eq!(ran.code, Some(code), "out: {out}\nerr: {err}");
    let said = if code == 0 { out } else { err };
    assert!(said.contains(words), "{words:?} is not in {said:?}");
    assert!(code == 0 || code == 1 || !err.trim().is_empty(), "no reason given");
}
