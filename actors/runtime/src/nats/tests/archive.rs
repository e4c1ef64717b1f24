//! A log whose beginning is cut off reads as it did before, and takes the same writes.

use schemas::stream;

use super::*;

/// What is on a log, by every way to read it.
async fn seen(port: &dyn Port, subjects: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    let word = |stored: &Stored| format!("{} {} {:?}", stored.sequence, stored.subject, stored.body);
    for subject in subjects {
        let read = port.read(stream::DEALS, subject, 0).await.unwrap();
        all.extend(read.iter().map(|stored| format!("read {}", word(stored))));
        let later = port.read(stream::DEALS, subject, 4).await.unwrap();
        all.extend(later.iter().map(|stored| format!("read on {}", word(stored))));
        let last = port.last(stream::DEALS, subject).await.unwrap();
        all.push(format!(
            "last {:?} newest {}",
            last.as_ref().map(word),
            port.newest(stream::DEALS, subject).await.unwrap()
        ));
    }
    for sequence in 1..=9 {
        let stored = port.get(stream::DEALS, sequence).await.unwrap();
        all.push(format!("at {sequence} {:?}", stored.as_ref().map(word)));
    }
    let one = [subjects[0].to_owned()];
    for (filters, start) in [
        (&[][..], Start::All),
        (&[][..], Start::After(3)),
        (&[][..], Start::After(8)),
        (&[][..], Start::LastPerSubject),
        (&one[..], Start::All),
        (&one[..], Start::LastPerSubject),
    ] {
        let mut follow = port.follow(stream::DEALS, filters, start).await.unwrap();
        let mut lines = Vec::new();
        while let Followed::Entry(stored) = within(15_000, follow.next()).await.unwrap() {
            lines.push(word(&stored));
        }
        // The last records of subjects come in the order of their subjects or of their places.
        lines.sort();
        all.push(format!("follow {start:?} {lines:?}"));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_cut_reads_and_writes_as_before() {
    let (_folder, broker, port) = start().await;
    let streams = stream::streams(1);
    let deals = streams.iter().find(|spec| spec["name"] == stream::DEALS).unwrap();
    port.ensure_stream(deals).await.unwrap();
    let subjects = ["a", "b", "c"].map(|agent| schemas::subject::key_log(&agent.parse().unwrap()));
    let [a, b, c] = &subjects;
    let put = async |port: &Nats, subject: &str, body: &str, last: u64| {
        port.append(stream::DEALS, vec![Record::new(subject, body.to_owned()).expecting(last)]).await
    };
    for (subject, body, last) in [(a, "a1", 0), (b, "b1", 0), (a, "a2", 1), (a, "a3", 3), (c, "c1", 0)] {
        put(&port, subject, body, last).await.unwrap();
    }
    port.ensure_stream(&stream::archive(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    for (subject, body, last) in [(a, "a4", 4), (b, "b2", 2), (a, "a5", 6)] {
        put(&port, subject, body, last).await.unwrap();
    }
    let names: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let before = seen(port.as_ref(), &names).await;
    // A reader in the middle of the log when it is cut.
    let mut slow = port.follow(stream::DEALS, &[], Start::All).await.unwrap();
    assert_eq!(entries(&mut slow, 2).await, [1, 2]);

    // Everything before 9 is read from the archive from now on, and goes.
    port.ensure_stream(&json!({ "name": stream::DEALS, "metadata": { (stream::HORIZON): "9" } })).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let aged = json!({ "name": stream::DEALS, "max_age": 1_000_000_000, "duplicate_window": 1_000_000_000 });
    let fresh = json!({ "name": stream::DEALS, "max_age": 0, "duplicate_window": deals["duplicate_window"] });
    put(&port, a, "a6", 8).await.unwrap();
    port.ensure_stream(&aged).await.unwrap();
    port.ensure_stream(&fresh).await.unwrap();
    let state = port.stream_state(stream::DEALS).await.unwrap();
    assert_eq!((state.first_seq, state.last_seq), (9, 9), "all but the last are older");
    assert_eq!(entries(&mut slow, 7).await, [3, 4, 5, 6, 7, 8, 9]);

    // One that knew it before, and one that comes new.
    let new = Arc::new(ConnectSpec::new(broker.url(), "new").connect().await.unwrap());
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let after = seen(port.as_ref(), &names).await;
    assert_eq!(seen(new.as_ref(), &names).await, after);
    let added = |line: &&String| line.contains("a6") || line.starts_with("at 9");
    let (with, without): (Vec<_>, Vec<_>) = after.iter().partition(added);
    assert!(!with.is_empty());
    assert!(without.iter().all(|line| before.contains(*line)), "{before:#?}\n{after:#?}");

    // Expectations count over both.
    for port in [&port, &new] {
        for (subject, stale) in [(c, 0), (b, 0), (b, 2), (a, 0), (a, 8)] {
            let put = put(port, subject, "no", stale).await;
            assert_eq!(put, Err(AppendError::Conflict), "{subject} after {stale}");
        }
    }
    assert_eq!(put(&port, c, "c2", 5).await, Ok(vec![10]));
    assert_eq!(put(&new, b, "b3", 7).await, Ok(vec![11]));
    assert_eq!(put(&new, a, "a7", 9).await, Ok(vec![12]));
    let batch = vec![Record::new(c.as_str(), "c3").expecting(10), Record::new(b.as_str(), "b4").expecting(11)];
    assert_eq!(port.append(stream::DEALS, batch).await, Ok(vec![13, 14]));
}
