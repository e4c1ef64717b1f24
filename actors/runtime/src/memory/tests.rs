//! The laws of the port in memory, on a clock that jumps; and that it is the same each time.

use super::*;
use crate::{port::laws, simulate};

/// 22 November 2026, 8:00 UTC.
const EPOCH_UNIX_MS: i64 = 1_795_334_400_000;

#[test]
fn memory_keeps_the_laws() {
    let begun = std::time::Instant::now();
    let passed = simulate(async {
        let memory = Memory::new(EPOCH_UNIX_MS);
        laws::hold(Arc::new(memory.clone())).await;
        memory.now_unix_ms() - EPOCH_UNIX_MS
    });
    assert!(passed.unwrap() > 3_000, "time passed on the bus");
    assert!(begun.elapsed() < Duration::from_secs(3), "and not outside: {:?}", begun.elapsed());
}

#[test]
fn on_a_real_clock_too() {
    crate::run(async { laws::hold(Arc::new(Memory::new(EPOCH_UNIX_MS))).await }).unwrap();
}
