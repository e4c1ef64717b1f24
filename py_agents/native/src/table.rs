//! A core behind its request's `type`: bytes in, bytes out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use schemas::body::{Message, decode, encode};
use schemas::core::{Call, Core};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::{Code, ErrorReply};

/// A core.
pub struct Entry {
    /// The `type` of its requests.
    pub kind: &'static str,
    /// Answers a request's body with the body of a reply or of an error.
    pub answer: Box<dyn Fn(&[u8]) -> Vec<u8> + Send>,
}

/// The entry of the core that `make` makes.
pub fn core<C: Core>(make: impl Fn() -> C + Send + 'static) -> Entry {
    let answer = move |body: &[u8]| {
        let handled = catch_unwind(AssertUnwindSafe(|| {
            let request = decode::<C::Request>(body, MAX_CLEARING_BODY_BYTES)?;
            make().handle(request, &Call::default())
        }));
        match handled {
            Ok(Ok(reply)) => encode(&reply),
            Ok(Err(refused)) => encode::<ErrorReply>(&refused),
            // A core that panics is at fault itself, and must not take the interpreter with it.
            Err(_) => encode(&ErrorReply::new(Code::Internal, "the core failed; what it said is on standard error")),
        }
    };
    Entry { kind: C::Request::TYPE, answer: Box::new(answer) }
}
