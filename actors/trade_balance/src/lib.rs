//! What terms are worth, what transfers sum to, and the ledger's books.
//!
//! Three stateless cores answer questions: [`Value`] says what terms are worth to each party, [`Analyze`]
//! takes each party's gain apart and names who is not satisfied, [`Balance`] adds transfers up pair by pair
//! and party by party. They only put the arithmetic of `terms` into words of the wire, so what they answer
//! is what the desk and the clearing decide by.
//!
//! [`ledger`] is the state of one book and its decisions, without the log it is written in: whoever hosts it
//! reads entries, asks for verdicts, writes, and puts what was written back.
//!
//! Nothing here does I/O, takes a clock or knows of a bus. What does not fit 64 bits is refused (422, rule
//! `overflow`).

mod analyze;
mod balance;
mod keeper;
pub mod ledger;
mod value;

pub use analyze::Analyze;
pub use balance::Balance;
pub use keeper::{LEDGER, Ledger, LedgerAsk};
pub use value::Value;

/// The service that the three cores answer under.
pub const SERVICE: &str = "trade_balance";

#[cfg(test)]
mod fixture;
