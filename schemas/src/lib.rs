//! The wire contract of HMS-A2A: every word that two peers must agree on.
//!
//! # What is here
//!
//! *Types that are valid by construction* ([`id`], [`quantity`], [`rational`], [`ratio`], [`hash`]): reading one
//! from the wire and building one in code go through the same door. *The codec* ([`body`]): strict,
//! bounded MessagePack. *Subjects* ([`subject`]), *headers* ([`header`]), *signatures*
//! ([`signature`]), *errors* ([`error`]), *limits* ([`limit`]) and *streams* ([`stream`]). *Vocabulary*
//! that several cores share: [`deal`], [`event`], [`digest`], [`profile`], [`market`], [`clearing`], [`value`],
//! [`ledger`], [`negotiation`], [`netting`], [`network`], [`registry`], [`roadmap`], [`talk`], [`task`], [`job`],
//! [`claim`], [`certificate`], [`proving`]. And what a core is ([`mod@core`]), what every
//! signed move must keep to ([`admission`]), and what decides on evidence ([`kernel`]).
//!
//! # What is absent
//!
//! This crate depends on nothing of ours, does no I/O, takes no clock and no random numbers, and
//! knows neither NATS clients nor actors. It does no arithmetic of terms either: that is `terms`.

pub mod admission;
pub mod body;
pub mod catalogue;
pub mod certificate;
pub mod claim;
pub mod clearing;
pub mod core;
pub mod deal;
pub mod digest;
pub mod division;
pub mod error;
pub mod event;
pub mod evolution;
mod happening;
pub mod hash;
pub mod header;
pub mod id;
pub mod import;
pub mod infix;
pub mod job;
pub mod kernel;
pub mod keyring;
pub mod ledger;
pub mod limit;
pub mod market;
pub mod negotiation;
pub mod netting;
pub mod network;
pub mod polynomial;
pub mod profile;
pub mod proving;
pub mod quantity;
pub mod ratio;
pub mod rational;
mod reader;
pub mod registry;
pub mod roadmap;
pub mod scan;
pub mod signature;
pub mod snapshot;
pub mod stream;
pub mod subject;
pub mod talk;
pub mod task;
pub mod trade;
pub mod value;

pub use body::{Message, decode, encode};
pub use error::{Code, ErrorReply};
pub use hash::Hash;
pub use id::{AgentId, DealId, Good, IssueId, JobId, MarketId, MoveId, Skill, TaskId};
pub use quantity::Quantity;
pub use ratio::Ratio;
pub use rational::Rational;

/// The major and minor version of the wire contract, as the header `Hms-Schema` carries it.
pub const SCHEMA_VERSION: &str = "1.0";
