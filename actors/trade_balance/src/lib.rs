//! What terms are worth, how gains are divided, what transfers sum to, and the ledger's books.
//!
//! Stateless cores answer questions. [`Value`] says what terms are worth to each party; [`Analyze`] takes each
//! party's gain apart, names who is not satisfied, and finds the least change that would satisfy everyone or
//! proves that there is none; [`Divide`] divides a pot, the gains of terms, or the worth of a game. What a party
//! gains is the arithmetic of `terms`, by which the desk and the clearing decide too. [`Balance`] adds transfers up
//! pair by pair and party by party, [`Path`] does so over time, [`CertificatePrices`] finds the price of import
//! certificates, and [`AgreementReturn`] is a figure for reports.
//!
//! Linear programmes are solved here, in exact ratios: floats look for the vertex, and decide nothing.
//!
//! [`ledger`] is the state of one book and its decisions, without the log it is written in: whoever hosts it
//! reads entries, asks for verdicts, writes, and puts what was written back.
//!
//! Dividing and mending may take long: they end shortly before the caller's deadline, and when their job is cancelled.
//!
//! Nothing here does I/O, takes a clock (a [`Stopwatch`](schemas::core::Stopwatch) is passed in) or knows of a bus. What does not fit 64 bits is refused (422, rule
//! `overflow`).

mod agreement;
mod analyze;
mod balance;
mod certificates;
mod divide;
mod history;
mod keeper;
pub mod ledger;
mod mend;
mod moves;
mod path;
mod patience;
mod programme;
mod value;
mod whole;

pub use agreement::AgreementReturn;
pub use analyze::Analyze;
pub use balance::Balance;
pub use certificates::CertificatePrices;
pub use divide::Divide;
pub use history::History;
pub use keeper::{LEDGER, Ledger, LedgerAsk};
pub use path::Path;
pub use value::Value;

/// The service that the stateless cores answer under.
pub const SERVICE: &str = "trade_balance";

#[cfg(test)]
mod fixture;
