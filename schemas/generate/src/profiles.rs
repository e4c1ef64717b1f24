//! The page of profiles: each table, and the diagram that it draws.

use std::fmt::Write;

use schemas::profile::{Profile, Row, State};

use crate::Outcome;
use crate::schema::Definitions;

const OPENING: &str = "# Profiles

Generated from the crate `schemas`: do not edit.

A profile says who may move when. It is a table of (state, mover, move) → state; the desk, the verifier and the Python
package read the same one. Whatever it has no row for is refused with 409 and the state. States in **bold** are ends:
nothing follows, and a deal comes to exactly one.

";

/// The page.
pub fn page(definitions: &Definitions) -> Outcome<String> {
    let mut text = OPENING.to_owned();
    for (title, name) in [("States", "State"), ("Movers", "Mover"), ("Moves", "Verb")] {
        write!(text, "## {title}\n\n| | |\n|---|---|\n")?;
        for (word, about) in words(definitions, name)? {
            let end = State::ALL.iter().any(|state| state.as_str() == word && state.is_end());
            let shown = if name == "State" && end { format!("**{word}**") } else { format!("`{word}`") };
            writeln!(text, "| {shown} | {} |", about.trim_end_matches(" An end."))?;
        }
        text.push('\n');
    }
    for profile in Profile::ALL {
        profile_section(&mut text, definitions, profile)?;
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn words<'a>(definitions: &'a Definitions, name: &str) -> Outcome<Vec<(&'a str, &'a str)>> {
    let variants = definitions.get(name)?.get("oneOf").and_then(serde_json::Value::as_array).into_iter().flatten();
    Ok(variants.filter_map(|v| Some((v.get("const")?.as_str()?, v.get("description")?.as_str()?))).collect())
}

fn word(value: impl serde::Serialize) -> Outcome<String> {
    Ok(serde_json::to_value(value)?.as_str().ok_or("no word")?.to_owned())
}

fn profile_section(text: &mut String, definitions: &Definitions, profile: Profile) -> Outcome<()> {
    let about = words(definitions, "Profile")?.into_iter().find(|(word, _)| *word == profile.to_string());
    let opener = if profile.opener_is_party() { "a party" } else { "anyone" };
    write!(text, "## `{profile}`\n\n{} Whoever opens is {opener}.\n\n", about.map_or("", |(_, about)| about))?;
    text.push_str("```mermaid\nstateDiagram-v2\n");
    for arrow in arrows(profile.table())? {
        writeln!(text, "    {arrow}")?;
    }
    let reached = |state: &State| profile.table().iter().any(|row| row.to == *state);
    for end in State::ALL.into_iter().filter(|state| state.is_end() && reached(state)) {
        writeln!(text, "    {end} --> [*]")?;
    }
    text.push_str("```\n\n| in state | who | does | then |\n|---|---|---|---|\n");
    for row in profile.table() {
        let from = row.from.map_or("—".to_owned(), |state| format!("`{state}`"));
        let to = if row.to.is_end() { format!("**{}**", row.to) } else { format!("`{}`", row.to) };
        writeln!(text, "| {from} | {} | `{}` | {to} |", word(row.mover)?, word(row.verb)?)?;
    }
    text.push('\n');
    Ok(())
}

/// One arrow for each pair of states, with every move that leads along it.
fn arrows(table: &[Row]) -> Outcome<Vec<String>> {
    let mut pairs: Vec<(Option<State>, State)> = Vec::new();
    for row in table {
        if !pairs.contains(&(row.from, row.to)) {
            pairs.push((row.from, row.to));
        }
    }
    pairs
        .into_iter()
        .map(|(from, to)| {
            let along = table.iter().filter(|row| (row.from, row.to) == (from, to));
            let labels = along
                .map(|row| Ok(format!("{} {}", word(row.mover)?, word(row.verb)?)))
                .collect::<Outcome<Vec<_>>>()?;
            let from = from.map_or("[*]".to_owned(), |state| state.to_string());
            Ok(format!("{from} --> {to}: {}", labels.join(", ")))
        })
        .collect()
}
