//! One holds an office, and when he goes another does.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    cases![of_two_who_stand_one_holds_the_office_and_the_other_follows, an_office_in_no_stream_is_none]
}

fn office(name: &str) -> OfficeSpec {
    OfficeSpec {
        name: name.to_owned(),
        stream: "OFFICE".to_owned(),
        token: format!("office.{name}"),
        timeout_ms: 1_000,
    }
}

/// A candidacy that is looked after, as a seat does it: a holder that doesn't look loses its office.
fn kept(mut candidacy: Candidacy) -> (futures::stream::BoxStream<'static, Standing>, tokio::task::AbortHandle) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let keeping = tokio::spawn(async move {
        while let Some(standing) = candidacy.next().await {
            if sender.send(standing).is_err() {
                return;
            }
        }
    });
    let heard = futures::stream::unfold(receiver, |mut receiver| async move {
        let standing = receiver.recv().await?;
        Some((standing, receiver))
    });
    (heard.boxed(), keeping.abort_handle())
}

async fn of_two_who_stand_one_holds_the_office_and_the_other_follows(port: Port_) {
    stream(&port, "OFFICE", &["office.*"], json!({})).await;
    let office = office("mayor");
    port.append("OFFICE", vec![Record::new(office.token.clone(), "token")]).await.unwrap();
    let (mut first, first_goes) = kept(port.stand(&office).await.unwrap());
    assert_eq!(next(&port, &mut first).await, Standing::Holds);
    let (mut second, second_goes) = kept(port.stand(&office).await.unwrap());
    assert_eq!(next(&port, &mut second).await, Standing::Waits);
    assert!(silent(&port, 1_500, &mut first).await, "he keeps it, well beyond the time-out");
    first_goes.abort();
    assert_eq!(next(&port, &mut second).await, Standing::Holds);
    let (mut third, _) = kept(port.stand(&office).await.unwrap());
    second_goes.abort();
    port.leave(&office).await;
    while next(&port, &mut third).await != Standing::Holds {}
}

async fn an_office_in_no_stream_is_none(port: Port_) {
    let office = OfficeSpec { stream: "NO_STREAM".to_owned(), ..office("none") };
    assert!(matches!(port.stand(&office).await, Err(ReadError::Unavailable(_))));
}
