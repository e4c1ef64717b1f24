//! `hms decode`: readable for whatever is sound, a reason and exit code 2 for whatever is not.

use crate::{check, hms};

#[test]
fn sound_bodies_become_json() {
    for (body, json) in [
        (&b""[..], "null"),
        (b"\xc0", "null"),
        (b"\x81\xa1a\x01", r#"{"a":1}"#),
        (b"\x82\xa4type\xa1x\xa1b\xc4\x02\x00\xff", r#"{"type":"x","b":"00ff"}"#),
        // Bytes that are a body are shown as one.
        (b"\x81\xa1b\xc4\x04\x81\xa1a\x01", r#"{"b":{"a":1}}"#),
        (b"\x93\x01\xff\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "[1,-1,1.5]"),
    ] {
        let ran = hms(&["decode", "--compact"], body);
        check(&ran, 0, json);
        assert_eq!(ran.out.trim(), json);
        assert_eq!(ran.err, "");
    }
    assert!(hms(&["decode"], b"\x81\xa1a\x01").out.lines().count() > 1, "people get it indented");
}

#[test]
fn hostile_bodies_are_refused_with_the_reason() {
    let deep = |part: &[u8]| part.repeat(200_000);
    for (name, body, reason) in [
        ("reserved byte", b"\xc1".to_vec(), "reserved bytes are refused"),
        ("truncated map", b"\x82\xa1a\x01".to_vec(), "ends inside a value"),
        ("trailing", b"\x81\xa1a\x01\x00".to_vec(), "bytes follow"),
        ("map bomb", b"\xdf\xff\xff\xff\xff".to_vec(), "more than"),
        ("array bomb", b"\xdd\xff\xff\xff\xff".to_vec(), "more than"),
        ("text bomb", b"\xdb\xff\xff\xff\xff".to_vec(), "ends inside a value"),
        ("bytes bomb", b"\xc6\xff\xff\xff\xff".to_vec(), "ends inside a value"),
        ("deep arrays", deep(b"\x91"), "deeper than"),
        ("deep maps", deep(b"\x81\xa1a"), "deeper than"),
        ("duplicate keys", b"\x82\xa1a\x01\xa1a\x02".to_vec(), "a: this key stands twice"),
        ("number as key", b"\x81\x01\x02".to_vec(), "must be a string"),
        ("not UTF-8", b"\x81\xa1\xff\x01".to_vec(), "UTF-8"),
        ("extension", b"\xc7\x04\x05abcd".to_vec(), "extension types"),
        ("JSON", b"{\"a\": 1}".to_vec(), "bytes follow"),
    ] {
        let ran = hms(&["decode"], &body);
        check(&ran, 2, reason);
        assert_eq!(ran.out, "", "{name}");
    }
}

#[test]
fn no_more_is_read_than_the_limit_allows() {
    check(&hms(&["decode", "--limit-bytes", "4"], b"\x81\xa1a\x01"), 0, "\"a\"");
    check(&hms(&["decode", "--limit-bytes", "3"], b"\x81\xa1a\x01"), 2, "more than 3 bytes");
    check(&hms(&["decode"], &vec![0; 9 * 1024 * 1024]), 2, "more than 8388608 bytes");
}
