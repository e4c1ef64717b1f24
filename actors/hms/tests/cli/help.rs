//! Help: every command has some, with an example, and wrong usage is 64.

use crate::{check, hms};

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.trim().is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

fn every_command(path: &[String], found: &mut Vec<Vec<String>>) {
    let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    for name in listed(&hms(&args, b"").out) {
        let path = [path, &[name]].concat();
        every_command(&path, found);
        found.push(path);
    }
}

#[test]
fn each_command_has_help_with_an_example_of_itself() {
    let mut commands = Vec::new();
    every_command(&[], &mut commands);
    let names: Vec<String> = commands.iter().map(|path| path.join(" ")).collect();
    for wanted in [
        "up",
        "node",
        "provision",
        "doctor",
        "watch",
        "top",
        "status",
        "down",
        "agents",
        "call",
        "decode",
        "deal verify",
        "keys new",
        "market why",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not among {names:?}");
    }
    for (path, name) in commands.iter().zip(&names) {
        for help in ["--help", "-h"] {
            let args: Vec<&str> = path.iter().map(String::as_str).chain([help]).collect();
            let ran = hms(&args, b"");
            check(&ran, 0, "Example");
            let example = format!("hms {name}");
            assert!(ran.out.matches(&example).count() > 1, "{example} is not in its own example:\n{}", ran.out);
        }
    }
}

#[test]
fn wrong_usage_is_64() {
    for args in [
        &[][..],
        &["no-such-command"],
        &["decode", "--no-such-option"],
        &["deal"],
        &["deal", "verify"],
        &["deal", "show", "not-an-id"],
        &["deal", "list", "--state", "happy"],
        &["call", "no.such.verb"],
        &["call", "graph.clear", "--local", "--as", "ken"],
        &["keys", "new", "Not A Token"],
        &["node"],
        &["node", "--cores", "deal,nonsense"],
        &["up", "--nats", "nats://127.0.0.1:1", "--port", "1"],
        &["provision", "--replicas", "9"],
        &["watch", "--since", "yesterday"],
        &["watch", "bazaar", "--deal", "sjbpl4ndpc3hlwq2enbzsc5rtm"],
        &["top", "--json"],
        &["top", "--every-ms", "1"],
    ] {
        let ran = hms(args, b"");
        assert_eq!(ran.code, Some(64), "{args:?}: {}", ran.err);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{args:?}");
    }
    check(&hms(&["--version"], b""), 0, env!("CARGO_PKG_VERSION"));
}
