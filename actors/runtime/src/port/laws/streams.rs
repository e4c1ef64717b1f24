//! Storing and reading.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    cases![
        compare_and_set,
        batches_are_all_or_nothing,
        batches_have_rules,
        batches_and_singles_interleave,
        nothing_stores_it,
        reading,
        the_newest,
        the_last_value,
        limits,
        the_same_message_id,
        a_request_is_answered_by_the_stream,
        provisioning,
        our_own_streams,
    ]
}

async fn compare_and_set(port: Port_) {
    stream(&port, "CAS", &["cas.>"], json!({})).await;
    assert_eq!(port.append("CAS", vec![]).await, Ok(vec![]));
    assert_eq!(port.append("CAS", vec![Record::new("cas.a", "1").expecting(0)]).await, Ok(vec![1]));
    assert_eq!(port.append("CAS", vec![Record::new("cas.a", "2").expecting(0)]).await, Err(AppendError::Conflict));
    assert_eq!(port.append("CAS", vec![Record::new("cas.b", "3").expecting(0)]).await, Ok(vec![2]));
    assert_eq!(port.append("CAS", vec![Record::new("cas.a", "4").expecting(2)]).await, Err(AppendError::Conflict));
    assert_eq!(port.append("CAS", vec![Record::new("cas.a", "5").expecting(1)]).await, Ok(vec![3]));
    let all = port.read("CAS", "cas.>", 0).await.unwrap();
    assert_eq!(shown(&all), [(1, "cas.a", "1"), (2, "cas.b", "3"), (3, "cas.a", "5")]);
    assert!(all.iter().all(|stored| stored.headers.is_empty()), "{all:?}");

    // Of many that race for one place, one wins.
    let race =
        join_all((0..20).map(|n| port.append("CAS", vec![Record::new("cas.race", n.to_string()).expecting(0)]))).await;
    assert_eq!(race.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(race.iter().all(|outcome| matches!(outcome, Ok(_) | Err(AppendError::Conflict))), "{race:?}");
}

async fn batches_are_all_or_nothing(port: Port_) {
    stream(&port, "BATCH", &["batch.>"], json!({})).await;
    let headers = Headers::new().with("Hms-Type", "x");
    let both = vec![
        Record::new("batch.a", "1").expecting(0).with_headers(headers.clone()),
        Record::new("batch.b", "2").expecting(0),
        Record::new("batch.a", "3"),
    ];
    assert_eq!(port.append("BATCH", both).await, Ok(vec![1, 2, 3]));
    // The first expectation holds, the second does not: nothing is stored.
    let stale = vec![Record::new("batch.b", "4").expecting(2), Record::new("batch.a", "5").expecting(1)];
    assert_eq!(port.append("BATCH", stale).await, Err(AppendError::Conflict));
    let good = vec![Record::new("batch.a", "6").expecting(3), Record::new("batch.b", "7").expecting(2)];
    assert_eq!(port.append("BATCH", good).await, Ok(vec![4, 5]));
    let all = port.read("BATCH", "batch.>", 0).await.unwrap();
    assert_eq!(
        shown(&all),
        [(1, "batch.a", "1"), (2, "batch.b", "2"), (3, "batch.a", "3"), (4, "batch.a", "6"), (5, "batch.b", "7")]
    );
    assert_eq!(all[0].headers, headers);
    assert!(all[1..].iter().all(|stored| stored.headers.is_empty()), "{all:?}");
}

async fn batches_have_rules(port: Port_) {
    stream(&port, "RULES", &["rules.>"], json!({})).await;
    for twice in [
        vec![Record::new("rules.a", "1").expecting(0), Record::new("rules.a", "2").expecting(1)],
        vec![Record::new("rules.a", "1"), Record::new("rules.a", "2").expecting(0)],
    ] {
        assert!(matches!(port.append("RULES", twice).await, Err(AppendError::Refused { code: 10164, .. })));
    }
    let many = |n: usize| (0..n).map(|n| Record::new(format!("rules.{n}"), "x").expecting(0)).collect::<Vec<_>>();
    assert_eq!(port.append("RULES", many(1_001)).await, Err(AppendError::TooLarge));
    assert_eq!(port.append("RULES", many(1_000)).await, Ok((1..=1_000).collect::<Vec<_>>()));
    let elsewhere = vec![Record::new("rules.x", "1"), Record::new("elsewhere.x", "2")];
    assert!(port.append("RULES", elsewhere).await.is_err());
    assert_eq!(port.stream_state("RULES").await.unwrap().messages, 1_000);

    stream(&port, "SINGLES", &["singles.>"], json!({"allow_atomic": false})).await;
    let both = vec![Record::new("singles.a", "1"), Record::new("singles.b", "2")];
    assert!(matches!(port.append("SINGLES", both).await, Err(AppendError::Refused { .. })));
    assert_eq!(port.stream_state("SINGLES").await.unwrap().messages, 0);
}

async fn batches_and_singles_interleave(port: Port_) {
    stream(&port, "MIX", &["mix.>"], json!({})).await;
    let writes = join_all((0..120_usize).map(|n| {
        let count = n % 4 + 1;
        port.append("MIX", (0..count).map(|k| Record::new(format!("mix.{n}.{k}"), "x")).collect())
    }))
    .await;
    let all = port.read("MIX", "mix.>", 0).await.unwrap();
    for (n, sequences) in writes.into_iter().enumerate() {
        let sequences = sequences.unwrap();
        let (first, last) = (sequences[0], sequences[sequences.len() - 1]);
        assert_eq!(last - first + 1, sequences.len() as u64);
        for (k, sequence) in sequences.into_iter().enumerate() {
            let stored = &all[usize::try_from(sequence).unwrap() - 1];
            assert_eq!((stored.sequence, stored.subject.as_str()), (sequence, format!("mix.{n}.{k}").as_str()));
        }
    }
}

async fn nothing_stores_it(port: Port_) {
    let lost = port.append("NOWHERE", vec![Record::new("nowhere.a", "1")]).await;
    assert_eq!(lost, Err(AppendError::Unavailable("NOWHERE".to_owned())));
    let lost = port.append("NOWHERE", vec![Record::new("nowhere.a", "1"), Record::new("nowhere.b", "1")]).await;
    assert_eq!(lost, Err(AppendError::Unavailable("NOWHERE".to_owned())));
    stream(&port, "SOMEWHERE", &["somewhere.>"], json!({})).await;
    // Another stream has the subject: it must not end up there.
    let lost = port.append("NOWHERE", vec![Record::new("somewhere.a", "1")]).await;
    assert_eq!(lost, Err(AppendError::Unavailable("NOWHERE".to_owned())));
    assert_eq!(port.stream_state("SOMEWHERE").await.unwrap().last_seq, 0);
    for read in [
        port.read("NOWHERE", "x", 0).await.err(),
        port.last("NOWHERE", "x").await.err(),
        port.get("NOWHERE", 1).await.err(),
    ] {
        assert_eq!(read, Some(ReadError::Unavailable("NOWHERE".to_owned())));
    }
    assert_eq!(port.stream_state("NOWHERE").await, Err(ReadError::Unavailable("NOWHERE".to_owned())));
    assert_eq!(port.follow("NOWHERE", &[], Start::All).await.err(), Some(ReadError::Unavailable("NOWHERE".to_owned())));
}

async fn reading(port: Port_) {
    stream(&port, "READ", &["read.>"], json!({})).await;
    let before = port.now_unix_ms();
    for chunk in 0..3_u64 {
        let records = (0..800).map(|n| Record::new(format!("read.{}", n % 2), (chunk * 800 + n + 1).to_string()));
        port.append("READ", records.collect()).await.unwrap();
    }
    let after = port.now_unix_ms();
    let odd = port.read("READ", "read.0", 0).await.unwrap();
    assert_eq!(odd.iter().map(|stored| stored.sequence).collect::<Vec<_>>(), (1..2_400).step_by(2).collect::<Vec<_>>());
    assert!(odd.iter().all(|stored| text(&stored.body) == stored.sequence.to_string()));
    assert!(odd.iter().all(|stored| (before - 5..=after + 5).contains(&stored.time_unix_ms)));
    let late = port.read("READ", "read.*", 2_397).await.unwrap();
    assert_eq!(shown(&late), [(2_398, "read.1", "2398"), (2_399, "read.0", "2399"), (2_400, "read.1", "2400")]);
    assert_eq!(port.read("READ", "read.0", 2_399).await.unwrap(), []);
    assert_eq!(port.read("READ", "read.2", 0).await.unwrap(), []);

    let last = port.last("READ", "read.0").await.unwrap().unwrap();
    assert_eq!((last.sequence, text(&last.body)), (2_399, "2399"));
    assert_eq!(port.last("READ", "read.>").await.unwrap().unwrap().sequence, 2_400);
    assert_eq!(port.last("READ", "read.2").await.unwrap(), None);
    let one = port.get("READ", 7).await.unwrap().unwrap();
    assert_eq!((one.sequence, one.subject.as_str(), text(&one.body)), (7, "read.0", "7"));
    assert_eq!((port.get("READ", 0).await.unwrap(), port.get("READ", 2_401).await.unwrap()), (None, None));
}

async fn the_newest(port: Port_) {
    stream(&port, "NEWEST", &["newest.*"], json!({})).await;
    assert_eq!(port.newest("NEWEST", "newest.a").await, Ok(0));
    for (subject, last) in [("newest.a", 1), ("newest.b", 2), ("newest.a", 3)] {
        port.append("NEWEST", vec![Record::new(subject, "")]).await.unwrap();
        assert_eq!(port.newest("NEWEST", subject).await, Ok(last));
    }
    assert_eq!(port.newest("NEWEST", "newest.b").await, Ok(2));
    assert_eq!(port.newest("NEWEST", "newest.*").await, Ok(3));
    assert_eq!(port.newest("NOWHERE", "newest.a").await, Err(ReadError::Unavailable("NOWHERE".to_owned())));
}

async fn the_last_value(port: Port_) {
    stream(&port, "LAST", &["last.*"], json!({"max_msgs_per_subject": 1})).await;
    for body in ["1", "2", "3"] {
        port.append("LAST", vec![Record::new("last.a", body)]).await.unwrap();
        port.append("LAST", vec![Record::new("last.b", "")]).await.unwrap();
    }
    let all = port.read("LAST", "last.*", 0).await.unwrap();
    assert_eq!(shown(&all), [(5, "last.a", "3"), (6, "last.b", "")]);
    assert_eq!(port.get("LAST", 1).await.unwrap(), None);
    // What was displaced still counts as the subject's last sequence.
    assert_eq!(port.append("LAST", vec![Record::new("last.a", "4").expecting(3)]).await, Err(AppendError::Conflict));
    assert_eq!(port.append("LAST", vec![Record::new("last.a", "4").expecting(5)]).await, Ok(vec![7]));
    let state = port.stream_state("LAST").await.unwrap();
    assert_eq!((state.messages, state.first_seq, state.last_seq), (2, 6, 7));
}

async fn limits(port: Port_) {
    stream(&port, "FULL", &["full.*"], json!({"max_msgs": 3, "discard": "new", "max_msg_size": 100})).await;
    assert_eq!(port.append("FULL", vec![Record::new("full.a", "x".repeat(101))]).await, Err(AppendError::TooLarge));
    for n in 1..=3 {
        assert_eq!(port.append("FULL", vec![Record::new("full.a", "1")]).await, Ok(vec![n]));
    }
    assert_eq!(port.append("FULL", vec![Record::new("full.a", "1")]).await, Err(AppendError::Full));
    assert_eq!(port.stream_state("FULL").await.unwrap().messages, 3);

    stream(&port, "RING", &["ring.*"], json!({"max_msgs": 3, "discard": "old"})).await;
    for n in 1..=5 {
        assert_eq!(port.append("RING", vec![Record::new("ring.a", n.to_string())]).await, Ok(vec![n]));
    }
    assert_eq!(
        shown(&port.read("RING", "ring.a", 0).await.unwrap()),
        [(3, "ring.a", "3"), (4, "ring.a", "4"), (5, "ring.a", "5")]
    );

    stream(&port, "OLD", &["old.*"], json!({"max_age": 1_000_000_000_u64})).await;
    port.append("OLD", vec![Record::new("old.a", "1")]).await.unwrap();
    port.sleep_ms(2_500).await;
    assert_eq!(port.read("OLD", "old.a", 0).await.unwrap(), []);
    assert_eq!(port.append("OLD", vec![Record::new("old.a", "2").expecting(0)]).await, Ok(vec![2]));
}

async fn the_same_message_id(port: Port_) {
    stream(&port, "DEDUP", &["dedup.*"], json!({"duplicate_window": 1_000_000_000_u64})).await;
    let record =
        |body: &str| vec![Record::new("dedup.a", body.to_owned()).with_headers(Headers::new().with(wire::MSG_ID, "m"))];
    assert_eq!(port.append("DEDUP", record("1")).await, Ok(vec![1]));
    assert_eq!(port.append("DEDUP", record("2")).await, Ok(vec![1]));
    assert_eq!(port.stream_state("DEDUP").await.unwrap().messages, 1);
    port.sleep_ms(2_500).await;
    assert_eq!(port.append("DEDUP", record("3")).await, Ok(vec![2]));
}

async fn a_request_is_answered_by_the_stream(port: Port_) {
    stream(&port, "TRAP", &["trap.*"], json!({})).await;
    let answer = port.request(Message::new("trap.a", "x"), 5_000).await.unwrap();
    let ack: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&ack["stream"], &ack["seq"]), (&json!("TRAP"), &json!(1)));
    // And what is merely published is stored as well.
    port.publish(Message::new("trap.a", "y")).await.unwrap();
    port.flush().await.unwrap();
    port.sleep_ms(100).await;
    assert_eq!(port.stream_state("TRAP").await.unwrap().messages, 2);
}

async fn provisioning(port: Port_) {
    let first = spec("PROVISION", &["provision.a"], json!({}));
    assert_eq!(port.ensure_stream(&first).await, Ok(Provisioned::Created));
    assert_eq!(port.ensure_stream(&first).await, Ok(Provisioned::Unchanged));
    port.append("PROVISION", vec![Record::new("provision.a", "1")]).await.unwrap();
    let second = spec("PROVISION", &["provision.a", "provision.b"], json!({"max_msgs_per_subject": 1}));
    match port.ensure_stream(&second).await {
        Ok(Provisioned::Updated(differences)) => {
            let settings: Vec<&str> = differences.iter().map(|difference| difference.setting.as_str()).collect();
            assert_eq!(settings, ["subjects", "max_msgs_per_subject"]);
            assert_eq!((&differences[1].was, &differences[1].is), (&json!(-1), &json!(1)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(port.append("PROVISION", vec![Record::new("provision.b", "1")]).await, Ok(vec![2]));
    assert!(matches!(port.ensure_stream(&json!({"name": "a b"})).await, Err(ProvisionError::BadSpec(_))));
    let overlap = spec("PROVISION2", &["provision.*"], json!({}));
    assert!(matches!(port.ensure_stream(&overlap).await, Err(ProvisionError::Refused { code: 10065, .. })));
}

/// What the contract specifies can be made, and made again without a difference.
async fn our_own_streams(port: Port_) {
    let specs = [schemas::stream::streams(1), schemas::stream::buckets(1)].concat();
    assert!(specs.len() > 5);
    for expected in [Provisioned::Created, Provisioned::Unchanged] {
        for spec in &specs {
            assert_eq!(port.ensure_stream(spec).await, Ok(expected.clone()), "{}", spec["name"]);
        }
    }
}
