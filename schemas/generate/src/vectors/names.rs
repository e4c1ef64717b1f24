//! Vectors of deal ids, ratios and subjects.

use num_bigint::BigInt;
use schemas::id::{AgentId, DealId, JobId, MoveId};
use schemas::limit::MAX_COEFFICIENT_BITS;
use schemas::subject;
use serde_json::{Value, json};

use crate::Outcome;

/// Ratios that are refused, why, and whether a pattern sees it.
pub const BAD_RATIONALS: [(&str, &str, bool); 22] = [
    ("", "empty", true),
    ("-", "no digits", true),
    ("+1", "a plus", true),
    ("-0", "a negative nought", true),
    ("01", "a leading zero", true),
    ("1/02", "a leading zero", true),
    ("1/", "no denominator", true),
    ("/2", "no numerator", true),
    ("1/2/3", "two denominators", true),
    ("1/-2", "the sign in the denominator", true),
    ("1.5", "a point", true),
    ("1e3", "an exponent", true),
    (" 1", "a space", true),
    ("1 ", "a space", true),
    ("1/2\n", "a line feed", false),
    ("0x10", "not decimal", true),
    ("\u{663}", "digits that are not ASCII", true),
    ("1/0", "a denominator of nought", true),
    ("0/5", "not in lowest terms", true),
    ("3/1", "a denominator of one is not written", false),
    ("2/4", "not in lowest terms", false),
    ("-6/4", "not in lowest terms", false),
];

/// Rationals that are too wide.
pub fn wide_rationals() -> [(String, &'static str, bool); 2] {
    [
        ("9223372036854775808".into(), "the numerator needs 65 bits", false),
        ("1/9223372036854775808".into(), "the denominator needs 65 bits", false),
    ]
}

/// Ratios of any size that are too wide all the same.
pub fn wide_ratios() -> [(String, &'static str, bool); 2] {
    let above = BigInt::from(1) << MAX_COEFFICIENT_BITS;
    [
        (above.to_string(), "the numerator has a bit too many", false),
        (format!("1/{above}"), "the denominator has a bit too many", false),
    ]
}

/// Ratios of any size.
pub fn ratios() -> Outcome<Vec<Value>> {
    let most: BigInt = (BigInt::from(1) << MAX_COEFFICIENT_BITS) - 1;
    let good = [
        "0".to_owned(),
        "-1".into(),
        "-3/10".into(),
        "9223372036854775808".into(),
        "-170141183460469231731687303715884105728/3".into(),
        "1/18446744073709551616".into(),
        most.to_string(),
        format!("-{most}/{}", BigInt::from(1) << (MAX_COEFFICIENT_BITS - 1)),
    ];
    let good = good.map(|text| json!({ "name": shortened(&text), "text": text, "verdict": "good" }));
    let odd = [
        ("18446744073709551616/18446744073709551618".to_owned(), "not in lowest terms", false),
        ("18446744073709551616/1".into(), "a denominator of one is not written", false),
        ("7".repeat(5000), "the numerator needs thousands of bits", false),
    ];
    let bad = BAD_RATIONALS
        .map(|(text, reason, seen)| (text.to_owned(), reason, seen))
        .into_iter()
        .chain(wide_ratios())
        .chain(odd)
        .map(|(text, reason, _)| json!({ "name": shortened(&text), "text": text, "verdict": "bad", "reason": reason }));
    Ok(good.into_iter().chain(bad).collect())
}

fn shortened(text: &str) -> String {
    text.chars().take(24).collect()
}

/// Ratios.
pub fn rationals() -> Outcome<Vec<Value>> {
    let good: [(&str, i64, i64); 11] = [
        ("0", 0, 1),
        ("1", 1, 1),
        ("-1", -1, 1),
        ("3", 3, 1),
        ("-3/10", -3, 10),
        ("1/3", 1, 3),
        ("22/7", 22, 7),
        ("9223372036854775807", i64::MAX, 1),
        ("-9223372036854775808", i64::MIN, 1),
        ("1/9223372036854775807", 1, i64::MAX),
        ("-9223372036854775808/9223372036854775807", i64::MIN, i64::MAX),
    ];
    let good = good.map(|(text, top, bottom)| json!({ "name": text, "text": text, "verdict": "good", "numerator": top, "denominator": bottom }));
    let huge = "7".repeat(5000);
    let bad = BAD_RATIONALS
        .map(|(text, reason, seen)| (text.to_owned(), reason, seen))
        .into_iter()
        .chain(wide_rationals())
        .chain([
            ("-9223372036854775809".into(), "the numerator needs 65 bits", false),
            (huge, "the numerator needs thousands of bits", false),
        ])
        .map(|(text, reason, _)| json!({ "name": shortened(&text), "text": text, "verdict": "bad", "reason": reason }));
    Ok(good.into_iter().chain(bad).collect())
}

/// Deal ids: how they are made, and which texts are none.
pub fn deal_ids() -> Outcome<Vec<Value>> {
    let known = [("kenya", "m1"), ("maker", "ring-1-1"), ("a", "A"), ("_", "-"), ("ab", "c"), ("a", "bc")];
    let mut vectors = Vec::new();
    for (opener, move_id) in known {
        let deal = DealId::of(&AgentId::parse(opener)?, &MoveId::parse(move_id)?);
        vectors.push(json!({ "name": format!("{opener} {move_id}"), "opener": opener, "move_id": move_id, "deal": deal.as_str(), "verdict": "good" }));
    }
    let a26 = "a".repeat(26);
    let bad = [
        ("empty", String::new()),
        ("25 characters", "a".repeat(25)),
        ("27 characters", "a".repeat(27)),
        ("capitals", "A".repeat(26)),
        ("a 1", format!("{}1", "a".repeat(25))),
        ("an 8", format!("{}8", "a".repeat(25))),
        ("a wildcard", format!("{}*", "a".repeat(25))),
        ("a dot", format!("{}.{}", "a".repeat(12), "a".repeat(13))),
        ("padding", format!("{}=", "a".repeat(25))),
        ("a line feed", format!("{a26}\n")),
    ];
    vectors.extend(bad.map(|(name, deal)| json!({ "name": name, "deal": deal, "verdict": "bad", "reason": name })));
    Ok(vectors)
}

/// Subjects: what each reader reads in them.
pub fn subjects() -> Outcome<Vec<Value>> {
    let deal = DealId::of(&AgentId::parse("kenya")?, &MoveId::parse("m1")?);
    let job = JobId::parse("evolve_Terms-1")?;
    let (kenya, market) = (AgentId::parse("kenya")?, "african".parse()?);
    let live = |stored: &str| stored.replacen(subject::ROOT, &format!("{}.live", subject::ROOT), 1);
    let mut vectors = vec![
        json!({ "reader": "deal_move", "subject": subject::deal_move(subject::DealVerb::Accept, &kenya, &deal), "parts": ["accept", "kenya", deal.as_str()] }),
        json!({ "reader": "deal_log", "subject": subject::deal_log(&deal), "parts": [deal.as_str()] }),
        json!({ "reader": "live_deal_log", "subject": live(&subject::deal_log(&deal)), "parts": [deal.as_str()] }),
        json!({ "reader": "inbox", "subject": subject::inbox(&kenya), "parts": ["kenya"] }),
        json!({ "reader": "live_inbox", "subject": subject::live_inbox(&kenya), "parts": ["kenya"] }),
        json!({ "reader": "intent", "subject": subject::intent(&market, &kenya), "parts": ["african", "kenya"] }),
        json!({ "reader": "live_intent", "subject": live(&subject::intent(&market, &kenya)), "parts": ["african", "kenya"] }),
        json!({ "reader": "task_move", "subject": subject::task_move(subject::TaskVerb::Bid, &kenya, &job), "parts": ["bid", "kenya", job.as_str()] }),
        json!({ "reader": "task_log", "subject": subject::task_log(&job), "parts": [job.as_str()] }),
        json!({ "reader": "live_task_log", "subject": live(&subject::task_log(&job)), "parts": [job.as_str()] }),
        json!({ "reader": "job_cancel", "subject": subject::job_cancel(&job), "parts": [job.as_str()] }),
    ];
    let good = vectors.clone();
    for vector in &mut vectors {
        if let Some(members) = vector.as_object_mut() {
            members.insert("verdict".into(), "good".into());
        }
    }
    for vector in good {
        let text = |key: &str| vector.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (reader, subject) = (text("reader"), text("subject"));
        let last = subject.rsplit('.').next().unwrap_or_default().to_owned();
        let stem = subject.trim_end_matches(last.as_str());
        let cases = [
            ("a wildcard", format!("{stem}*")),
            ("the rest", format!("{stem}>")),
            ("an empty token", stem.to_owned()),
            ("a token too few", stem.trim_end_matches('.').to_owned()),
            ("a token too many", format!("{subject}.x")),
            ("capitals", format!("{stem}{}", last.to_uppercase())),
            ("another root", subject.replacen(subject::ROOT, "hms.v2", 1)),
            ("a space", format!("{subject} ")),
            ("a line feed", format!("{subject}\n")),
            ("a prefix", format!("x.{subject}")),
        ];
        // A job's id may have capitals.
        let cases = cases.into_iter().filter(|(reason, _)| *reason != "capitals" || last != job.as_str());
        vectors.extend(cases.map(
            |(reason, subject)| json!({ "reader": reader, "subject": subject, "verdict": "bad", "reason": reason }),
        ));
    }
    vectors.push(json!({ "reader": "deal_move", "subject": format!("{}.deal.haggle.kenya.{deal}", subject::ROOT), "verdict": "bad", "reason": "no such verb" }));
    for (subject, reason) in [("task.haggle.kenya", "no such verb"), ("task.bid.KENYA", "capitals in the agent")] {
        let subject = format!("{}.{subject}.{job}", subject::ROOT);
        vectors.push(json!({ "reader": "task_move", "subject": subject, "verdict": "bad", "reason": reason }));
    }
    Ok(vectors)
}
