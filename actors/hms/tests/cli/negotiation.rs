//! Negotiations: a small scenario on a bus of its own, and a transcript held against a log.

use std::{collections::BTreeSet, fs};

use negotiation::Alternating;
use schemas::{
    AgentId, DealId, Hash, MoveId, Quantity,
    body::encode,
    deal::{Accept, Delivery, Move, Open, Propose},
    negotiation::{self as wire, Agreement, Domain, Issue, Pattern, ReadRules},
    profile::Profile,
    subject::DealVerb,
    talk::Talk,
    value::Valuation,
};
use serde_json::Value;
use terms::terms_of;

use crate::bus::Bus;
use crate::deal::{NOW, Story};
use crate::{check, hms_in};

/// What `swarm` tests without a bus, too.
const SCENARIO: &str = include_str!("../../../swarm/src/bargain/fixtures/few.toml");
const KINDS: &str = include_str!("../../../swarm/src/bargain/fixtures/kinds.toml");

#[test]
fn the_same_seed_has_the_same_agreements_on_a_real_broker() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("few.toml"), SCENARIO).unwrap();
    let run = |more: &[&str]| -> Value {
        let args = [&["swarm", "run", "few.toml", "--json", "-"][..], more].concat();
        let ran = hms_in(folder.path(), &args, b"");
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        serde_json::from_str(&ran.out).unwrap()
    };
    let (first, second, other) = (run(&[]), run(&[]), run(&["--seed", "4"]));
    for report in [&first, &second, &other] {
        let number = |name: &str| report[name].as_u64().unwrap();
        assert_eq!(number("agreements") + number("without"), 40, "{report}");
        assert!(number("agreements") > 10, "{report}");
        assert_eq!((number("agents"), number("python")), (12, 4));
        assert_eq!((number("unfinished"), report["strategies"].as_array().unwrap().len()), (0, 7), "{report}");
    }
    assert_eq!(first["outcomes"], second["outcomes"]);
    assert_eq!(first["strategies"], second["strategies"]);
    assert_ne!(first["outcomes"], other["outcomes"]);
    fs::write(folder.path().join("bad.toml"), SCENARIO.replace("agents = 12\npython = 4", "agents = 1")).unwrap();
    check(&hms_in(folder.path(), &["swarm", "run", "bad.toml"], b""), 2, "negotiation.parties");
}

#[test]
fn of_every_protocol_each_party_can_show_what_was_said_and_nothing_else() {
    let bus = Bus::start();
    let folder = bus.folder.path();
    fs::write(folder.join("kinds.toml"), KINDS).unwrap();
    let url = bus.told["url"].as_str().unwrap();
    let ran = bus.hms(&["swarm", "run", "kinds.toml", "--nats", url, "--export", "words", "--json", "-"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["unfinished"], 0, "{report}");
    for protocol in ["sao/1", "cnp/1", "icnp/1", "stx/1"] {
        let rows = report["strategies"].as_array().unwrap().iter().filter(|row| row["protocol"] == protocol);
        assert!(rows.filter_map(|row| row["agreed_ppm"].as_u64()).any(|agreed| agreed > 0), "{protocol}: {report}");
    }
    check(&bus.hms(&["deal", "verify", "--all"]), 0, "");

    // Kinds of talk, by their first word, whether there was a second call, and whether the party heard all of it.
    let mut tampered = BTreeSet::new();
    for file in fs::read_dir(folder.join("words")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let agent = name.split('.').nth(1).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let words: Vec<Vec<u8>> =
            text.lines().map(|line| data_encoding::HEXLOWER.decode(line.as_bytes()).unwrap()).collect();
        let said: Vec<Talk> = words.iter().map(|word| Talk::decode(word).unwrap()).collect();
        let is_closed = matches!(said[0], Talk::Call(_) | Talk::Text(_));
        let hears_all = !is_closed || said[0].by().as_str() == agent;
        let view = if hears_all { vec![] } else { vec!["--as", agent] };
        let shown = |words: &[Vec<u8>]| {
            let args = [&["deal", "transcript", "-"][..], &view].concat();
            hms_in(folder, &args, lines(words).as_bytes())
        };
        let ran = shown(&words);
        assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.out, ran.err);
        assert!(ran.out.contains("signed by "), "{}", ran.out);
        let is_iterated = said.iter().any(|word| matches!(word, Talk::Revise(_)));
        let kind = said[0].kind();
        if words.len() < 2 || !tampered.insert((kind, is_iterated, hears_all)) {
            continue;
        }
        let last = words.len() - 1;
        let (mut swapped, mut changed) = (words.clone(), words.clone());
        swapped.swap(last - 1, last);
        *changed[last / 2].last_mut().unwrap() ^= 1;
        for words in [&words[1..], &words[..last], &swapped, &changed] {
            let ran = shown(words);
            assert!(matches!(ran.code, Some(1 | 2)), "{name}: {}{}", ran.out, ran.err);
            assert!(!ran.out.contains("signed by "), "{}", ran.out);
        }
    }
    for kind in [("talk.call", false), ("talk.call", true), ("talk.text", false)] {
        for hears_all in [true, false] {
            assert!(tampered.contains(&(kind.0, kind.1, hears_all)), "{kind:?} {hears_all}: {tampered:?}");
        }
    }
}

fn domain() -> Domain {
    let issue = |name: &str| Issue {
        name: name.parse().unwrap(),
        least: 1,
        step: Quantity::ONE,
        count: 10,
        labels: Vec::new(),
    };
    let pattern = |from, to, good: &str, times: &str| Pattern {
        from,
        to,
        goods: vec![good.parse().unwrap()],
        good_by: None,
        factor: Quantity::ONE,
        times: vec![times.parse().unwrap()],
        due_unix_ms: NOW + 60_000,
        due_by: None,
    };
    Domain {
        issues: vec![issue("oil"), issue("tea")],
        transfers: vec![pattern(0, 1, "oil", "oil"), pattern(1, 0, "tea", "tea")],
        delivery: Delivery::Immediate,
    }
}

/// Angola and Kenya bargain, and sign what they came to: the words, and the log.
fn bargained() -> (Story, Vec<Vec<u8>>) {
    let mut story = Story::begun();
    let parties: Vec<AgentId> = ["angola", "kenya"].map(|name| name.parse().unwrap()).to_vec();
    let expires_unix_ms = NOW + 60_000;
    let rules = encode(&wire::Alternating {
        domain: domain(),
        order: parties.clone(),
        rounds: 5,
        talk_until_unix_ms: expires_unix_ms,
    });
    let move_id = MoveId::parse("m1").unwrap();
    let id = DealId::of(&parties[0], &move_id);
    let book: schemas::MarketId = "africa".parse().unwrap();
    let open = Open {
        move_id,
        deadline_unix_ms: NOW + 1000,
        book: book.clone(),
        profile: Profile::Sao,
        parties: parties.clone(),
        expires_unix_ms,
        terms: None,
        requires: vec![],
        rules: Some(rules.clone()),
    };
    let mut deal = story.moved(None, &id, &parties[0], DealVerb::Open, Move::Open(open));

    let mut talk = Alternating::new(id.clone(), ReadRules::read(Profile::Sao, &rules).unwrap()).unwrap();
    let mut words = Vec::new();
    for outcome in [[9, 0], [0, 9], [4, 4]] {
        let by = talk.mover().unwrap().clone();
        words.push(talk.offer(&by, outcome.to_vec()).encode());
        talk.hear(words.last().unwrap(), NOW).unwrap();
    }
    words.push(talk.accept(&parties[1]).unwrap().encode());
    talk.hear(words.last().unwrap(), NOW).unwrap();
    let outcome = talk.agreed().unwrap().to_vec();
    let terms = encode(&terms_of(&domain(), &parties, &book, expires_unix_ms, &outcome).unwrap());
    let propose = Propose {
        move_id: MoveId::parse("propose").unwrap(),
        deadline_unix_ms: NOW + 1000,
        deal: id.clone(),
        terms: terms.clone(),
        agreement: Some(Agreement { outcome, transcript: talk.transcript() }),
    };
    deal = story.moved(deal, &id, &parties[1], DealVerb::Propose, Move::Propose(propose));
    for party in &parties {
        let accept = Accept {
            move_id: MoveId::parse(&format!("accept-{party}")).unwrap(),
            deadline_unix_ms: NOW + 1000,
            deal: id.clone(),
            terms_hash: Hash::of(&terms),
            valuation: Valuation::default(),
            holdings: Vec::new(),
            transcript: Some(talk.transcript()),
        };
        deal = story.moved(deal, &id, party, DealVerb::Accept, Move::Accept(accept));
    }
    (story, words)
}

fn lines(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| data_encoding::HEXLOWER.encode(word) + "\n").collect()
}

#[test]
fn what_was_said_can_be_shown_and_nothing_else() {
    let (story, words) = bargained();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("deal.jsonl"), story.text()).unwrap();
    let held = |words: &[Vec<u8>]| {
        let args = ["deal", "transcript", "-", "--from", "deal.jsonl"];
        hms_in(folder.path(), &args, lines(words).as_bytes())
    };
    let ran = held(&words);
    check(&ran, 0, "signed by angola, kenya");
    assert!(ran.out.contains("kenya                 offers [0, 9]"), "{}", ran.out);

    let Talk::Offer(mut offer) = Talk::decode(&words[1]).unwrap() else { panic!() };
    offer.outcome = vec![1, 9];
    let mut changed = words.clone();
    changed[1] = Talk::Offer(offer).encode();
    for (words, reason) in [(&changed[..], "word 2: broken_chain"), (&words[..3], "3 words")] {
        let ran = held(words);
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(ran.out.contains(&format!("WAS NOT SAID SO: {reason}")), "{}", ran.out);
    }
    check(&held(&[]), 2, "there is no word");
}
