//! Messages that nobody keeps.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    cases![
        the_clock,
        wildcards,
        queues_share,
        questions_and_answers,
        many_answers_to_one_question,
        error_replies_are_told_apart,
        silence_and_absence,
        what_cannot_be_carried,
        stopping_lets_what_is_under_way_arrive,
    ]
}

async fn the_clock(port: Port_) {
    let begun = port.now_unix_ms();
    port.sleep_ms(50).await;
    let then = port.now_unix_ms();
    assert!((50..1_000).contains(&(then - begun)), "{begun} {then}");
    port.sleep_until(then + 50).await;
    assert!((then + 50..then + 1_000).contains(&port.now_unix_ms()));
    port.sleep_until(begun).await;
}

async fn wildcards(port: Port_) {
    let mut all = port.subscribe("wild.>", None).await.unwrap();
    let mut some = port.subscribe("wild.*.b", None).await.unwrap();
    let mut one = port.subscribe("wild.a.b", None).await.unwrap();
    for subject in ["wild.a", "wild.a.b", "wild.c.b", "wild.a.b.c"] {
        port.publish(Message::new(subject, "x").with_header("K", "v").with_header("K", "w")).await.unwrap();
    }
    for subject in ["wild.a", "wild.a.b", "wild.c.b", "wild.a.b.c"] {
        let message = next(&port, &mut all).await;
        assert_eq!((message.subject.as_str(), text(&message.body), message.reply), (subject, "x", None));
        assert_eq!(message.headers.iter().collect::<Vec<_>>(), [("K", "v"), ("K", "w")]);
    }
    assert_eq!(next(&port, &mut some).await.subject, "wild.a.b");
    assert_eq!(next(&port, &mut some).await.subject, "wild.c.b");
    assert_eq!(next(&port, &mut one).await.subject, "wild.a.b");
    assert!(silent(&port, 50, &mut one).await);
    drop(all);
    port.flush().await.unwrap();
    port.publish(Message::new("wild.a.b", "y")).await.unwrap();
    assert_eq!(text(&next(&port, &mut one).await.body), "y");
}

async fn queues_share(port: Port_) {
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(port.subscribe("queue.*", Some("q")).await.unwrap());
    }
    let mut other = port.subscribe("queue.a", Some("r")).await.unwrap();
    port.flush().await.unwrap();
    for n in 0..90 {
        port.publish(Message::new("queue.a", n.to_string())).await.unwrap();
    }
    for n in 0..90 {
        assert_eq!(text(&next(&port, &mut other).await.body), n.to_string());
    }
    let mut got = Vec::new();
    for member in &mut members {
        let mut mine = 0;
        while let Some(Some(message)) = within(&port, 100, member.next()).await {
            got.push(text(&message.body).parse::<u32>().unwrap());
            mine += 1;
        }
        assert!(mine > 0, "one member got everything");
    }
    got.sort_unstable();
    assert_eq!(got, (0..90).collect::<Vec<_>>());
}

async fn questions_and_answers(port: Port_) {
    let mut asked = port.subscribe("ask.*", Some("ask")).await.unwrap();
    let answering = async {
        for _ in 0..20 {
            let question = next(&port, &mut asked).await;
            let reply = question.reply.clone().unwrap();
            let headers = question.headers.clone();
            port.publish(Message::new(reply, question.body).with_headers(headers)).await.unwrap();
        }
    };
    let asking = join_all((0..20).map(|n| {
        let port = &port;
        async move {
            let question = Message::new(format!("ask.{n}"), n.to_string()).with_header("N", n.to_string());
            let answer = port.request(question, 5_000).await.unwrap();
            assert_eq!(
                (text(&answer.body), answer.headers.get("N")),
                (n.to_string().as_str(), Some(n.to_string().as_str()))
            );
        }
    }));
    futures::join!(answering, asking);
}

async fn many_answers_to_one_question(port: Port_) {
    let mut asked = port.subscribe("many", None).await.unwrap();
    let answering = async {
        let reply = next(&port, &mut asked).await.reply.unwrap();
        for n in 0..3 {
            port.publish(Message::new(reply.as_str(), n.to_string())).await.unwrap();
        }
        let no = Headers::new().with(schemas::header::ERROR_CODE, "409").with(schemas::header::ERROR, "enough");
        port.publish(Message::new(reply.as_str(), "").with_headers(no)).await.unwrap();
        port.publish(Message::new(reply, "")).await.unwrap();
    };
    let asking = async {
        let mut answers = Replies::to(&*port, Message::new("many", "")).await.unwrap();
        for n in 0..3 {
            assert_eq!(text(&answers.next(5_000).await.unwrap().body), n.to_string());
        }
        assert!(matches!(answers.next(5_000).await, Err(RequestError::Refused { code: 409, .. })));
        let end = answers.next(5_000).await.unwrap();
        assert!(end.body.is_empty() && end.headers.is_empty());
        assert_eq!(answers.next(50).await, Err(RequestError::TimedOut(50)));
    };
    futures::join!(answering, asking);
    let mut absent = Replies::to(&*port, Message::new("absent.many", "")).await.unwrap();
    assert!(matches!(absent.next(5_000).await, Err(RequestError::NoResponders(_))));
}

async fn error_replies_are_told_apart(port: Port_) {
    let mut asked = port.subscribe("wrong", None).await.unwrap();
    let answering = async {
        let question = next(&port, &mut asked).await;
        let answer = Message::new(question.reply.unwrap(), "details")
            .with_header(schemas::header::ERROR_CODE, "409")
            .with_header(schemas::header::ERROR, "moved on");
        port.publish(answer).await.unwrap();
    };
    let (_, answer) = futures::join!(answering, port.request(Message::new("wrong", ""), 5_000));
    match answer {
        Err(RequestError::Refused { code: 409, text: said, reply }) => {
            assert_eq!((said.as_str(), text(&reply.body)), ("moved on", "details"));
        }
        other => panic!("{other:?}"),
    }
}

async fn silence_and_absence(port: Port_) {
    let absent = port.request(Message::new("absent", ""), 5_000).await;
    assert_eq!(absent, Err(RequestError::NoResponders("absent".to_owned())));
    let _listening = port.subscribe("silent", None).await.unwrap();
    port.flush().await.unwrap();
    let begun = port.now_unix_ms();
    let silence = port.request(Message::new("silent", ""), 100).await;
    assert_eq!(silence, Err(RequestError::TimedOut(100)));
    assert!((90..3_000).contains(&(port.now_unix_ms() - begun)));
}

async fn what_cannot_be_carried(port: Port_) {
    for subject in ["", "a.*", "a b", "a..b"] {
        let refused = port.publish(Message::new(subject, "")).await;
        assert_eq!(refused, Err(PublishError::BadSubject(subject.to_owned())));
    }
    for subject in ["", "a b", "a.>.b"] {
        let refused = port.subscribe(subject, None).await.err();
        assert_eq!(refused, Some(PublishError::BadSubject(subject.to_owned())));
    }
    let refused = port.publish(Message::new("a", "").with_header("A", "b\r\nc: d")).await;
    assert_eq!(refused, Err(PublishError::BadHeader("A".to_owned())));
    let limit = port.server().max_payload_bytes;
    let refused = port.publish(Message::new("a", vec![0; limit + 1])).await;
    assert_eq!(refused, Err(PublishError::TooLarge { size_bytes: limit + 1, limit_bytes: limit }));
    let refused = port.request(Message::new("a", vec![0; limit + 1]), 1_000).await;
    assert!(matches!(refused, Err(RequestError::NotSent(PublishError::TooLarge { .. }))));
}

async fn stopping_lets_what_is_under_way_arrive(port: Port_) {
    let mut messages = port.subscribe("stop", None).await.unwrap();
    let stopper = messages.stopper();
    for n in 0..100 {
        port.publish(Message::new("stop", n.to_string())).await.unwrap();
    }
    port.flush().await.unwrap();
    stopper.stop();
    let mut got = 0;
    while let Some(message) = within(&port, 5_000, messages.next()).await.expect("the stream ends") {
        assert_eq!(text(&message.body), got.to_string());
        got += 1;
    }
    assert_eq!(got, 100);
    let gone = port.request(Message::new("stop", ""), 1_000).await;
    assert_eq!(gone, Err(RequestError::NoResponders("stop".to_owned())));
}
