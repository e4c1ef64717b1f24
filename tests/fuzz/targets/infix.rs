//! Any text as a claim: the reader neither panics nor loses its place, and reads what the printer writes of a claim as
//! that claim.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schemas::{body, infix};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match infix::parse(text) {
        Ok(claim) => {
            let printed = infix::print(&claim);
            let again = infix::parse(&printed).expect("what is printed can be read");
            assert_eq!(body::encode(&again), body::encode(&claim), "{printed}");
        }
        Err(bad) => {
            assert!((1..=text.chars().count() + 1).contains(&bad.column), "column {}", bad.column);
        }
    }
});
