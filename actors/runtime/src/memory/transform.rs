//! Subjects that become other subjects: where a stream republishes, and what it calls what it sources.

use crate::port::wire;

/// From a pattern to a destination with `{{wildcard(n)}}` or `$n` for the nth `*`, and `>` for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transform {
    from: String,
    to: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Token(String),
    Wildcard(usize),
    Rest,
}

impl Transform {
    /// Reads one; the reason where it is none.
    pub(super) fn new(from: &str, to: &str) -> Result<Self, String> {
        let from = if from.is_empty() { ">" } else { from };
        if !wire::is_subject(from, true) {
            return Err(format!("{from:?} is not a pattern"));
        }
        let stars = from.split('.').filter(|token| *token == "*").count();
        let to = to.split('.').map(|token| part(token, stars)).collect::<Result<Vec<Part>, String>>()?;
        if to.contains(&Part::Rest) && !from.ends_with('>') {
            return Err(format!("{from:?} has no rest"));
        }
        Ok(Self { from: from.to_owned(), to })
    }

    /// The other subject, if this one matches.
    pub(super) fn apply(&self, subject: &str) -> Option<String> {
        if !wire::matches(&self.from, subject) {
            return None;
        }
        let (mut stars, mut rest) = (Vec::new(), Vec::new());
        let mut pattern = self.from.split('.').peekable();
        for token in subject.split('.') {
            match pattern.peek() {
                Some(&">") => rest.push(token),
                Some(&"*") => {
                    stars.push(token);
                    pattern.next();
                }
                _ => {
                    pattern.next();
                }
            }
        }
        let tokens = self.to.iter().flat_map(|part| match part {
            Part::Token(token) => vec![token.as_str()],
            Part::Wildcard(n) => stars.get(*n).copied().into_iter().collect(),
            Part::Rest => rest.clone(),
        });
        Some(tokens.collect::<Vec<_>>().join("."))
    }
}

fn part(token: &str, stars: usize) -> Result<Part, String> {
    let number = token
        .strip_prefix('$')
        .or_else(|| token.strip_prefix("{{wildcard(").and_then(|rest| rest.strip_suffix(")}}")))
        .map(str::trim);
    match number {
        Some(number) => match number.parse::<usize>() {
            Ok(n) if (1..=stars).contains(&n) => Ok(Part::Wildcard(n.saturating_sub(1))),
            _ => Err(format!("{token:?} names no wildcard")),
        },
        None if token == ">" => Ok(Part::Rest),
        None if token.contains("{{") => Err(format!("{token:?} is not carried out in memory")),
        None if wire::is_subject(token, false) => Ok(Part::Token(token.to_owned())),
        None => Err(format!("{token:?} is not a token")),
    }
}

/// Whether some subject matches both patterns.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_become_others() {
        for (from, to, subject, wanted) in [
            ("n.*", "i.{{wildcard(1)}}", "n.ann", Some("i.ann")),
            ("n.*", "i.$1", "n.ann", Some("i.ann")),
            ("a.*.*", "b.$2.$1", "a.x.y", Some("b.y.x")),
            ("a.>", "live.a.>", "a.b.c", Some("live.a.b.c")),
            ("", "live.>", "a.b", Some("live.a.b")),
            ("a.*.>", "b.$1.>", "a.x.y.z", Some("b.x.y.z")),
            ("a.b", "c", "a.b", Some("c")),
            ("a.*", "c.$1", "b.x", None),
        ] {
            assert_eq!(Transform::new(from, to).unwrap().apply(subject).as_deref(), wanted, "{from} → {to}: {subject}");
        }
        for (from, to) in
            [("a.*", "b.$2"), ("a.*", "b.>"), ("a.*", "b.{{partition(3,1)}}"), ("a..b", "c"), ("a", "b.*")]
        {
            assert!(Transform::new(from, to).is_err(), "{from} → {to}");
        }
    }

    #[test]
    fn patterns_overlap() {
        for (one, other, wanted) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.*", "*.b", true),
            ("a.*", "a.b.c", false),
            ("a.>", "a", false),
            ("a.>", "a.b.c", true),
            (">", "a", true),
            ("a.*.c", "a.b.*", true),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (wanted, wanted), "{one} {other}");
        }
    }
}
