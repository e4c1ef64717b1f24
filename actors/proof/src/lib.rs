//! The kernel: decides whether evidence proves or refutes a claim, exactly. It is all that anyone has to trust.
//!
//! # Design
//!
//! Provers search, with floats and luck and as much time as they like. None of that counts until the kernel has expanded
//! the polynomials that they name and found that they cancel. So it is small, and it does three things: it reads a claim
//! and its evidence in their one canonical form (`check`), works out which constraints hold at each node of a
//! certificate (`certificate`), and expands and compares (`poly`), all in whole numbers of any size.
//!
//! Nothing is expanded before its cost is known: degrees, the bits of coefficients and the products of term counts are
//! added up from sizes alone (`budget`), over the whole certificate, and what is beyond the limits is refused. The
//! same certificate therefore costs the same everywhere, and no bytes from outside can keep a core busy.
//!
//! # What it refuses
//!
//! Everything that it doesn't know to be a proof, and it says where: `certificate.nodes[2].squares[1].factors[0]`, or
//! the term that does not cancel. Bytes that say the same in another way than the canonical one are refused too, so
//! that a claim and a certificate each have one hash. There is no search here, no floating point, no I/O, no state.
//! `docs/claims.md` defines what it checks for whoever wants to write another.

mod budget;
mod certificate;
mod check;
mod core;
mod poly;
mod refused;

pub use check::{Checked, check};
pub use core::Checker;
pub use refused::{Fault, Refused};
