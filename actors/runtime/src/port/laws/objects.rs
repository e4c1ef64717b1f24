//! Objects: what is too large for a message.

use bytes::Bytes;

use super::*;

pub(super) fn cases() -> Vec<Case> {
    cases![objects]
}

async fn objects(port: Port_) {
    let subjects = [schemas::subject::object_pieces("LAW", "*"), "$O.LAW.M.>".to_owned()];
    let subjects = subjects.each_ref().map(String::as_str);
    stream(&port, "OBJ_LAW", &subjects, json!({ "discard": "new", "allow_rollup_hdrs": true })).await;
    assert_eq!(port.object_get("LAW", "none").await, Ok(None));
    let large: Bytes = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    for (name, object) in [("empty", Bytes::new()), ("small", Bytes::from("x")), ("large: a name, any", large.clone())]
    {
        let info = port.object_put("LAW", name, object.clone()).await.unwrap();
        assert_eq!((info.name.as_str(), info.size), (name, object.len() as u64));
        assert_eq!(info.chunks as usize, object.len().div_ceil(128 * 1024));
        assert_eq!(port.object_get("LAW", name).await, Ok(Some(object)), "{name}");
    }
    port.object_put("LAW", "small", Bytes::from("another")).await.unwrap();
    assert_eq!(port.object_get("LAW", "small").await, Ok(Some(Bytes::from("another"))));
    assert_eq!(port.object_get("LAW", "large: a name, any").await, Ok(Some(large)), "others are let be");

    // A piece too many is noticed.
    let info = port.object_put("LAW", "broken", Bytes::from("whole")).await.unwrap();
    port.append("OBJ_LAW", vec![Record::new(schemas::subject::object_pieces("LAW", &info.nuid), "!")]).await.unwrap();
    assert!(matches!(port.object_get("LAW", "broken").await, Err(ReadError::Malformed(_))));
    assert!(matches!(port.object_get("NONE", "x").await, Err(ReadError::Unavailable(_))));
    assert!(port.object_put("NONE", "x", Bytes::from("y")).await.is_err());
}
