//! Panics are caught where they happen, so that a core survives them; here they are a promise that was broken.

use std::{cell::RefCell, panic, sync::Once};

thread_local! {
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
    static LISTENS: RefCell<bool> = const { RefCell::new(false) };
}

/// From now on panics of this thread are remembered instead of printed.
pub fn listen() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if LISTENS.with_borrow(|listens| *listens) {
                HEARD.with_borrow_mut(|heard| {
                    heard.get_or_insert(info.to_string());
                });
            } else {
                before(info);
            }
        }));
    });
    LISTENS.set(true);
    HEARD.take();
}

/// The first panic since, and no more is remembered.
pub fn heard() -> Option<String> {
    LISTENS.set(false);
    HEARD.take()
}
