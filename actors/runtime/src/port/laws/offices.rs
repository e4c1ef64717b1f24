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

async fn of_two_who_stand_one_holds_the_office_and_the_other_follows(port: Port_) {
    stream(&port, "OFFICE", &["office.*"], json!({})).await;
    let office = office("mayor");
    port.append("OFFICE", vec![Record::new(office.token.clone(), "token")]).await.unwrap();
    let mut first = port.stand(&office).await.unwrap();
    assert_eq!(next(&port, &mut first).await, Standing::Holds);
    let mut second = port.stand(&office).await.unwrap();
    assert_eq!(next(&port, &mut second).await, Standing::Waits);
    assert!(silent(&port, 1_500, &mut first).await, "he keeps it, well beyond the time-out");
    drop(first);
    assert_eq!(next(&port, &mut second).await, Standing::Holds);
    let mut third = port.stand(&office).await.unwrap();
    drop(second);
    port.leave(&office).await;
    while next(&port, &mut third).await != Standing::Holds {}
}

async fn an_office_in_no_stream_is_none(port: Port_) {
    let office = OfficeSpec { stream: "NO_STREAM".to_owned(), ..office("none") };
    assert!(matches!(port.stand(&office).await, Err(ReadError::Unavailable(_))));
}
