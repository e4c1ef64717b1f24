//! Any bytes as any body of the contract: readers never panic, what one takes it writes in one form only, and JSON tells
//! all of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schemas::body::{self, DecodeError};
use schemas::catalogue;
use schemas::error::ErrorReply;
use schemas::limit::MAX_CLEARING_BODY_BYTES;

fuzz_target!(|input: &[u8]| {
    // What `hms decode` shows of it.
    let shown = body::to_json(input, MAX_CLEARING_BODY_BYTES);
    let kind = match body::type_of(input, MAX_CLEARING_BODY_BYTES) {
        Ok(kind) => {
            assert!(shown.is_ok(), "what the contract's scan passes can be shown");
            kind
        }
        Err(error) => return answered(&error),
    };
    let Some(entry) = catalogue::find(kind) else { return };
    let read = (entry.rewrite)(input);
    let json = (entry.to_json)(input);
    assert_eq!(read.is_ok(), json.is_ok(), "two ways to read it");
    match (read, json) {
        (Ok(written), Ok(json)) => {
            assert_eq!((entry.rewrite)(&written).as_deref(), Ok(written.as_slice()), "not the form that is written");
            assert_eq!((entry.from_json)(&json).as_deref(), Ok(written.as_slice()), "JSON lost something");
        }
        (Err(error), _) => answered(&error),
        (Ok(_), Err(_)) => {}
    }
});

/// An error is answered with a body that can be read.
fn answered(error: &DecodeError) {
    let reply = ErrorReply::from(error.clone());
    assert!(!reply.message.is_empty(), "an error without a reason");
    let written = body::encode(&reply);
    assert_eq!(body::decode::<ErrorReply>(&written, MAX_CLEARING_BODY_BYTES), Ok(reply));
}
