//! What every signed move must keep to, whatever it is about: it is looked at before any rule is.

use std::fmt::Display;

use crate::core::Call;
use crate::error::{Code, ErrorReply};
use crate::event::Signed;
use crate::hash::Hash;
use crate::id::AgentId;

/// A move that a log holds; `S` says where things stood after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded<S> {
    /// SHA-256 of the move's body.
    pub body_hash: Hash,
    /// The number of the event that it caused.
    pub turn: u32,
    /// The state after that event.
    pub state: S,
}

/// Whether the log holds this very move.
///
/// # Errors
/// 409 where its id was used for another one; `state` is where things stand.
pub fn is_recorded<S>(
    recorded: Option<&Recorded<S>>,
    signed: &Signed,
    state: impl Display,
) -> Result<bool, ErrorReply> {
    match recorded {
        None => Ok(false),
        Some(recorded) if recorded.body_hash == Hash::of(&signed.body) => Ok(true),
        Some(_) => Err(ErrorReply::new(Code::Conflict, "this move_id was used for another move")
            .at_field("move_id")
            .by_rule("move_id_reused")
            .in_state(state)),
    }
}

/// Checks a move's deadline, and that `by`, whom the subject names, has just signed it. `who` is what the contract calls
/// the mover: the field that a refusal names.
///
/// # Errors
/// 410, 401 or 403.
pub fn check(by: &AgentId, who: &str, deadline_unix_ms: i64, call: &Call) -> Result<(), ErrorReply> {
    if call.now_unix_ms > deadline_unix_ms {
        let late = ErrorReply::new(Code::Late, "the move's deadline has passed");
        return Err(late.at_field("deadline_unix_ms").by_rule("deadline"));
    }
    let unsigned = |why: String| ErrorReply::new(Code::Unsigned, why);
    let sender = call.sender.as_ref().ok_or_else(|| unsigned("a move must be signed".into()))?;
    if sender.name.as_deref() != Some(by.as_str()) {
        let why = format!("the signer is not the {who} in the subject");
        return Err(ErrorReply::new(Code::Forbidden, why).at_field(who).by_rule("signer"));
    }
    sender.check_fresh(call.now_unix_ms).map_err(|stale| unsigned(stale.to_string()).at_field("ts"))
}
