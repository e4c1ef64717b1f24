//! Buckets and leases.

use bytes::Bytes;

use super::*;

pub(super) fn cases() -> Vec<Case> {
    cases![a_bucket, leases]
}

fn bucket(name: &str) -> Value {
    json!({
        "name": format!("KV_{name}"), "subjects": [schemas::subject::bucket_key(name, ">")], "storage": "file", "discard": "new",
        "max_msgs_per_subject": 1, "allow_direct": true, "allow_rollup_hdrs": true, "deny_delete": true,
        "allow_msg_ttl": true, "subject_delete_marker_ttl": 60_000_000_000_u64,
    })
}

async fn a_bucket(port: Port_) {
    assert_eq!(port.ensure_stream(&bucket("BUCKET")).await, Ok(Provisioned::Created));
    assert_eq!(port.ensure_stream(&bucket("BUCKET")).await, Ok(Provisioned::Unchanged));
    assert_eq!((port.kv_get("BUCKET", "a").await.unwrap(), port.kv_list("BUCKET").await.unwrap()), (None, vec![]));
    assert_eq!(port.kv_put("BUCKET", "a", Bytes::from("1"), None).await, Ok(1));
    assert_eq!(port.kv_put("BUCKET", "b.c", Bytes::from("2"), None).await, Ok(2));
    assert_eq!(port.kv_put("BUCKET", "a", Bytes::from("3"), None).await, Ok(3));
    let entry = port.kv_get("BUCKET", "a").await.unwrap().unwrap();
    assert_eq!((entry.key.as_str(), text(&entry.value), entry.revision), ("a", "3", 3));
    let keys = |entries: Vec<KvEntry>| entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    assert_eq!(keys(port.kv_list("BUCKET").await.unwrap()), ["b.c", "a"]);

    let mut watch = port.kv_watch("BUCKET").await.unwrap();
    for key in ["b.c", "a"] {
        assert!(matches!(next(&port, &mut watch).await, KvEvent::Put(entry) if entry.key == key));
    }
    assert_eq!(next(&port, &mut watch).await, KvEvent::CaughtUp);
    assert_eq!(port.kv_update("BUCKET", "a", Bytes::from("4"), None, 1).await, Err(AppendError::Conflict));
    // One at a time: a bucket keeps the last value, so a watcher may never see one that was replaced at once.
    assert_eq!(port.kv_update("BUCKET", "a", Bytes::from("4"), None, 3).await, Ok(4));
    assert!(matches!(next(&port, &mut watch).await, KvEvent::Put(entry) if text(&entry.value) == "4"));
    assert_eq!(port.kv_update("BUCKET", "n", Bytes::from("5"), None, 0).await, Ok(5));
    assert!(matches!(next(&port, &mut watch).await, KvEvent::Put(entry) if text(&entry.value) == "5"));
    port.kv_delete("BUCKET", "a").await.unwrap();
    assert_eq!(next(&port, &mut watch).await, KvEvent::Gone { key: "a".to_owned(), revision: 6 });
    assert_eq!(port.kv_get("BUCKET", "a").await.unwrap(), None);
    assert_eq!(keys(port.kv_list("BUCKET").await.unwrap()), ["b.c", "n"]);
}

async fn leases(port: Port_) {
    port.ensure_stream(&bucket("LEASES")).await.unwrap();
    let mut watch = port.kv_watch("LEASES").await.unwrap();
    assert_eq!(next(&port, &mut watch).await, KvEvent::CaughtUp);
    port.kv_put("LEASES", "short", Bytes::from("1"), Some(1)).await.unwrap();
    port.kv_put("LEASES", "renewed", Bytes::from("1"), Some(2_000)).await.unwrap();
    port.kv_put("LEASES", "endless", Bytes::from("1"), None).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(next(&port, &mut watch).await, KvEvent::Put(_)));
    }
    assert!(port.kv_get("LEASES", "short").await.unwrap().is_some());
    port.sleep_ms(1_200).await;
    port.kv_put("LEASES", "renewed", Bytes::from("2"), Some(2_000)).await.unwrap();
    let mut told: Vec<KvEvent> = Vec::new();
    for _ in 0..2 {
        told.push(next(&port, &mut watch).await);
    }
    assert!(told.iter().any(|event| matches!(event, KvEvent::Gone { key, .. } if key == "short")), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, KvEvent::Put(entry) if text(&entry.value) == "2")), "{told:?}");
    port.sleep_ms(1_300).await;
    let keys = |entries: Vec<KvEntry>| entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    let mut here = keys(port.kv_list("LEASES").await.unwrap());
    here.sort();
    assert_eq!(here, ["endless", "renewed"]);
    assert_eq!(port.kv_get("LEASES", "short").await.unwrap(), None);
    assert!(matches!(next(&port, &mut watch).await, KvEvent::Gone { key, .. } if key == "renewed"));
    assert_eq!(keys(port.kv_list("LEASES").await.unwrap()), ["endless"]);
}
