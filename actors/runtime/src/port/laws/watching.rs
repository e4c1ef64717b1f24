//! Following, working, republishing, sourcing, scheduling.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    cases![
        following_from_everywhere,
        following_the_last_of_each,
        following_while_it_grows,
        republished_once_stored,
        sourced_with_another_subject,
        work_is_shared,
        work_comes_back,
        schedules,
    ]
}

/// What is followed up to `CaughtUp`, as (sequence, subject).
async fn caught_up(port: &Port_, follow: &mut Follow) -> Vec<(u64, String)> {
    let mut got = Vec::new();
    loop {
        match next(port, follow).await {
            Followed::Entry(stored) => got.push((stored.sequence, stored.subject)),
            Followed::CaughtUp => return got,
        }
    }
}

async fn entry(port: &Port_, follow: &mut Follow) -> Stored {
    match next(port, follow).await {
        Followed::Entry(stored) => stored,
        Followed::CaughtUp => panic!("caught up twice or too late"),
    }
}

async fn following_from_everywhere(port: Port_) {
    stream(&port, "FOLLOW", &["follow.>"], json!({})).await;
    let mut empty = port.follow("FOLLOW", &[], Start::All).await.unwrap();
    assert_eq!(caught_up(&port, &mut empty).await, []);
    for n in 0..6 {
        let record = Record::new(format!("follow.{}", n % 2), n.to_string())
            .with_headers(Headers::new().with("N", n.to_string()));
        port.append("FOLLOW", vec![record.expecting(if n < 2 { 0 } else { n - 1 })]).await.unwrap();
    }
    let mut all = port.follow("FOLLOW", &[], Start::All).await.unwrap();
    let mut after = port.follow("FOLLOW", &[], Start::After(4)).await.unwrap();
    let mut new = port.follow("FOLLOW", &[], Start::New).await.unwrap();
    let mut even = port.follow("FOLLOW", &["follow.0".to_owned()], Start::After(1)).await.unwrap();
    let mut both = port.follow("FOLLOW", &["follow.0".to_owned(), "follow.x".to_owned()], Start::All).await.unwrap();
    let mut ahead = port.follow("FOLLOW", &[], Start::After(6)).await.unwrap();
    let sequences = |got: Vec<(u64, String)>| got.into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>();
    assert_eq!(sequences(caught_up(&port, &mut all).await), [1, 2, 3, 4, 5, 6]);
    assert_eq!(sequences(caught_up(&port, &mut after).await), [5, 6]);
    assert_eq!(sequences(caught_up(&port, &mut new).await), [0; 0]);
    assert_eq!(sequences(caught_up(&port, &mut even).await), [3, 5]);
    assert_eq!(sequences(caught_up(&port, &mut both).await), [1, 3, 5]);
    assert_eq!(sequences(caught_up(&port, &mut ahead).await), [0; 0]);
    port.append(
        "FOLLOW",
        vec![Record::new("follow.x", "7").with_headers(Headers::new().with("N", "7")), Record::new("follow.0", "8")],
    )
    .await
    .unwrap();
    for follow in [&mut all, &mut after, &mut new, &mut both, &mut ahead] {
        let stored = entry(&port, follow).await;
        assert_eq!((stored.sequence, text(&stored.body)), (7, "7"));
        assert_eq!(stored.headers.iter().collect::<Vec<_>>(), [("N", "7")]);
        assert_eq!(entry(&port, follow).await.sequence, 8);
    }
    assert_eq!(entry(&port, &mut even).await.sequence, 8);
    for _ in 0..6 {
        entry(&port, &mut empty).await;
    }
    assert_eq!(entry(&port, &mut empty).await.sequence, 7);
}

async fn following_the_last_of_each(port: Port_) {
    stream(&port, "EACH", &["each.*"], json!({})).await;
    for n in 0..9 {
        port.append("EACH", vec![Record::new(format!("each.{}", n % 3), n.to_string())]).await.unwrap();
    }
    let mut each = port.follow("EACH", &[], Start::LastPerSubject).await.unwrap();
    assert_eq!(
        caught_up(&port, &mut each).await,
        [(7, "each.0".to_owned()), (8, "each.1".to_owned()), (9, "each.2".to_owned())]
    );
    for n in 0..2 {
        port.append("EACH", vec![Record::new("each.0", n.to_string())]).await.unwrap();
    }
    assert_eq!((entry(&port, &mut each).await.sequence, entry(&port, &mut each).await.sequence), (10, 11));
}

async fn following_while_it_grows(port: Port_) {
    stream(&port, "GROW", &["grow.*"], json!({})).await;
    let mut follow = port.follow("GROW", &[], Start::All).await.unwrap();
    let writing = async {
        for n in 0..60_u32 {
            let records = (0..=n % 5).map(|k| Record::new(format!("grow.{k}"), "x")).collect();
            port.append("GROW", records).await.unwrap();
        }
    };
    let reading = async {
        let (mut expected, mut told) = (1, 0);
        while expected <= 180 {
            match next(&port, &mut follow).await {
                Followed::Entry(stored) => {
                    assert_eq!(stored.sequence, expected);
                    expected += 1;
                }
                Followed::CaughtUp => told += 1,
            }
        }
        assert_eq!(told, 1);
    };
    futures::join!(writing, reading);
}

async fn republished_once_stored(port: Port_) {
    let republish = json!({"republish": {"src": "rep.log.>", "dest": "rep.live.log.>"}});
    stream(&port, "REP", &["rep.log.*.*", "rep.quiet.*"], republish).await;
    let mut live = port.subscribe("rep.live.>", None).await.unwrap();
    let mut raw = port.subscribe("rep.log.>", None).await.unwrap();
    let record = |body: &str| Record::new("rep.log.a.b", body.to_owned()).with_headers(Headers::new().with("N", "1"));
    port.append("REP", vec![record("1").expecting(0)]).await.unwrap();
    port.append("REP", vec![record("2").expecting(0)]).await.unwrap_err();
    port.append(
        "REP",
        vec![Record::new("rep.quiet.a", "q"), record("3").expecting(1), Record::new("rep.log.c.d", "4")],
    )
    .await
    .unwrap();
    let stale = vec![record("5").expecting(3), Record::new("rep.log.c.d", "6").expecting(3)];
    assert_eq!(port.append("REP", stale).await, Err(AppendError::Conflict));
    let mut got = Vec::new();
    for _ in 0..3 {
        let message = next(&port, &mut live).await;
        let header = |name: &str| message.headers.get(name).unwrap_or("-").to_owned();
        assert_eq!((header(wire::STREAM), header("N") == "1"), ("REP".to_owned(), message.subject.ends_with("a.b")));
        got.push(format!(
            "{} {} {} {} {}",
            message.subject,
            text(&message.body),
            header(wire::SUBJECT),
            header(schemas::header::SEQUENCE),
            header(schemas::header::LAST_SEQUENCE)
        ));
    }
    assert_eq!(
        got,
        [
            "rep.live.log.a.b 1 rep.log.a.b 1 0",
            "rep.live.log.a.b 3 rep.log.a.b 3 1",
            "rep.live.log.c.d 4 rep.log.c.d 4 0"
        ]
    );
    assert!(silent(&port, 100, &mut live).await);
    // A plain subscriber also sees what was refused.
    let mut phantoms = Vec::new();
    while let Some(Some(message)) = within(&port, 100, raw.next()).await {
        phantoms.push(text(&message.body).to_owned());
    }
    assert_eq!(phantoms, ["1", "2", "3", "4", "5", "6"]);
}

async fn sourced_with_another_subject(port: Port_) {
    stream(&port, "SRC", &["src.note.*", "src.log.*"], json!({})).await;
    let sources = json!({
        "sources": [{"name": "SRC", "subject_transforms": [{"src": "src.note.*", "dest": "src.inbox.{{wildcard(1)}}"}]}],
        "republish": {"src": "src.inbox.>", "dest": "src.live.inbox.>"},
    });
    stream(&port, "DEST", &["src.inbox.*"], sources).await;
    let mut live = port.subscribe("src.live.inbox.ann", None).await.unwrap();
    port.flush().await.unwrap();
    let headers = Headers::new().with("Hms-Type", "note");
    let batch =
        vec![Record::new("src.log.d", "0").expecting(0), Record::new("src.note.ann", "1").with_headers(headers)];
    port.append("SRC", batch).await.unwrap();
    let refused = vec![Record::new("src.log.d", "2").expecting(0), Record::new("src.note.ann", "3")];
    port.append("SRC", refused).await.unwrap_err();
    let message = next(&port, &mut live).await;
    assert_eq!(
        (message.subject.as_str(), text(&message.body), message.headers.get("Hms-Type")),
        ("src.live.inbox.ann", "1", Some("note"))
    );
    port.append("DEST", vec![Record::new("src.inbox.ann", "4")]).await.unwrap();
    port.append("SRC", vec![Record::new("src.note.bob", "5")]).await.unwrap();
    port.append("SRC", vec![Record::new("src.note.ann", "6")]).await.unwrap();
    assert_eq!(text(&next(&port, &mut live).await.body), "4");
    assert_eq!(text(&next(&port, &mut live).await.body), "6");
    let inbox = port.read("DEST", "src.inbox.ann", 0).await.unwrap();
    assert_eq!(inbox.iter().map(|stored| text(&stored.body)).collect::<Vec<_>>(), ["1", "4", "6"]);
    assert_eq!(inbox[0].headers.get("Hms-Type"), Some("note"));
    assert_eq!(port.read("DEST", "src.inbox.*", 0).await.unwrap().len(), 4);
}

fn workers(stream: &str) -> WorkSpec {
    WorkSpec {
        stream: stream.to_owned(),
        durable: "desk".to_owned(),
        filter: String::new(),
        ack_wait_ms: 1_000,
        max_ack_pending: 100,
    }
}

async fn work_is_shared(port: Port_) {
    stream(&port, "WORK", &["work.*"], json!({})).await;
    let spec = WorkSpec { filter: "work.a".to_owned(), ..workers("WORK") };
    let mut one = port.work(&spec).await.unwrap();
    let mut two = port.work(&spec).await.unwrap();
    let records = (0..80).map(|n| Record::new(if n % 2 == 0 { "work.a" } else { "work.b" }, n.to_string()));
    port.append("WORK", records.collect()).await.unwrap();
    let mut got = Vec::new();
    while got.len() < 40 {
        let job = {
            let (first, second) = (one.next(), two.next());
            let either = futures::future::select(first, second);
            let either = within(&port, 5_000, either).await.expect("work");
            match either {
                futures::future::Either::Left((job, _)) | futures::future::Either::Right((job, _)) => job.unwrap(),
            }
        };
        assert_eq!((job.stored.subject.as_str(), job.attempts), ("work.a", 1));
        got.push(job.stored.sequence);
        job.ack().await;
    }
    got.sort_unstable();
    assert_eq!(got, (1..80).step_by(2).collect::<Vec<_>>());
    port.flush().await.unwrap();
    port.sleep_ms(1_500).await;
    drop((one, two));
    // Nothing that was acknowledged comes again, to a worker that joins later either.
    let mut three = port.work(&spec).await.unwrap();
    assert!(silent(&port, 300, &mut three).await);
}

async fn work_comes_back(port: Port_) {
    stream(&port, "BACK", &["back.*"], json!({})).await;
    port.append("BACK", ["lost", "later", "poison", "long"].map(|body| Record::new("back.a", body)).into())
        .await
        .unwrap();
    let mut work = port.work(&workers("BACK")).await.unwrap();
    let begun = port.now_unix_ms();
    let mut long = None;
    for body in ["lost", "later", "poison", "long"] {
        let job = next(&port, &mut work).await;
        assert_eq!((text(&job.stored.body), job.attempts), (body, 1));
        match body {
            "lost" => drop(job),
            "later" => job.nak(300).await,
            "poison" => job.term().await,
            _ => long = Some(job),
        }
    }
    let long = long.unwrap();
    let later = next(&port, &mut work).await;
    assert_eq!((text(&later.stored.body), later.attempts), ("later", 2));
    assert!(port.now_unix_ms() - begun >= 290, "{}", port.now_unix_ms() - begun);
    later.ack().await;
    port.sleep_ms(400).await;
    long.progress().await;
    let lost = next(&port, &mut work).await;
    assert_eq!((text(&lost.stored.body), lost.attempts), ("lost", 2));
    assert!(port.now_unix_ms() - begun >= 950, "{}", port.now_unix_ms() - begun);
    lost.ack().await;
    long.ack().await;
    assert!(silent(&port, 1_500, &mut work).await);
}

async fn schedules(port: Port_) {
    let timers =
        json!({"allow_msg_schedules": true, "allow_rollup_hdrs": true, "allow_msg_ttl": true, "allow_atomic": false});
    stream(&port, "TIMER", &["timer.*", "timer.due.*"], timers).await;
    let mut due = port.work(&WorkSpec { filter: "timer.due.*".to_owned(), ..workers("TIMER") }).await.unwrap();
    let arm = |name: &str, at_unix_ms: i64, body: &str| {
        let at = jiff::Timestamp::from_millisecond(at_unix_ms).unwrap();
        let headers = Headers::new()
            .with(schemas::header::SCHEDULE, format!("@at {at}"))
            .with(schemas::header::SCHEDULE_TARGET, format!("timer.due.{name}"))
            .with("Hms-Type", "timer");
        vec![Record::new(format!("timer.{name}"), body.to_owned()).with_headers(headers)]
    };
    let now = port.now_unix_ms();
    port.append("TIMER", arm("b", now + 2_000, "2")).await.unwrap();
    port.append("TIMER", arm("a", now + 1_000, "1")).await.unwrap();
    // Armed anew: the first arming does not fire.
    port.append("TIMER", arm("c", now + 500, "early")).await.unwrap();
    port.append("TIMER", arm("c", now + 3_000, "3")).await.unwrap();
    // In the past: at once.
    port.append("TIMER", arm("d", now - 10_000, "0")).await.unwrap();
    for (name, body, at_ms) in [("d", "0", 0), ("a", "1", 1_000), ("b", "2", 2_000), ("c", "3", 3_000)] {
        let job = next(&port, &mut due).await;
        let after_ms = port.now_unix_ms() - now;
        assert!((at_ms - 50..at_ms + 1_500).contains(&after_ms), "{name} after {after_ms} ms");
        assert_eq!((job.stored.subject.clone(), text(&job.stored.body)), (format!("timer.due.{name}"), body));
        assert_eq!(job.stored.headers.get("Hms-Type"), Some("timer"));
        assert_eq!(job.stored.headers.get(wire::SCHEDULER), Some(format!("timer.{name}").as_str()));
        job.ack().await;
    }
    // A schedule that has fired is gone.
    assert_eq!(port.last("TIMER", "timer.a").await.unwrap(), None);
}
