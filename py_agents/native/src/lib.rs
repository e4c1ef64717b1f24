//! The cores inside Python, without a bus: the module `hms_a2a._native`, which `hms_a2a.cores` puts types on.
//!
//! # Design
//!
//! A core reads a message of the contract and answers with one, here as on the bus: the body's bytes go in and the
//! answer's come out, an error reply being an answer too. So both languages check a request by the same rules, nothing
//! is translated field by field, and one more core is one more line in [`cores`]. The interpreter's lock is released
//! while a core computes. Exceptions are made in Python, from the reply's body.
//!
//! Signatures are made and checked here as everywhere else, which is quicker than by libsodium.
//!
//! One attempt at proving is here too, since the prover makes it for nearly every claim of a deal: `terms` writes the
//! certificate down, and the kernel checks it.
//!
//! # What it refuses
//!
//! Names that are no core's; all else the core itself refuses, in its error reply.

mod key;
mod table;

use std::panic::catch_unwind;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use schemas::Hash;
use schemas::body::{decode, encode};
use schemas::claim::Claim;
use schemas::kernel::{Finding, Kernel};
use schemas::limit::MAX_BODY_BYTES;
use terms::claims::certificate_by_bounds;

use self::table::{Entry, core};

/// Every core that runs in this process: a line for each.
fn cores() -> Vec<Entry> {
    vec![
        core(|| trade_balance::Value),
        core(<trade_balance::Analyze>::default),
        core(<trade_balance::Divide>::default),
        core(|| trade_balance::Balance),
        core(|| trade_balance::Path),
        core(|| trade_balance::CertificatePrices),
        core(|| trade_balance::AgreementReturn),
        core(<graph::Clear>::default),
        core(<graph::Net>::default),
        core(<graph::Plan>::default),
        core(<graph::Analyze>::default),
        core(<genetic::Evolve>::default),
        core(|| proof::Checker),
    ]
}

/// What runs in this process: the `type` of each core's requests.
#[pyfunction]
fn kinds() -> Vec<&'static str> {
    cores().iter().map(|entry| entry.kind).collect()
}

/// Has a core answer the request `body` of type `kind`: the bytes of its answer, or of an error reply.
#[pyfunction]
fn call(python: Python<'_>, kind: &str, body: Vec<u8>) -> PyResult<Vec<u8>> {
    let entry = cores().into_iter().find(|entry| entry.kind == kind);
    let entry = entry.ok_or_else(|| PyValueError::new_err(format!("no core answers {kind:?} in this process")))?;
    Ok(python.detach(move || (entry.answer)(&body)))
}

/// A certificate of a claim, both as bytes, that the bounds of its variables alone prove; `None` for any other claim, also
/// for bytes that are none. The kernel has checked it.
#[pyfunction]
fn prove_by_bounds(python: Python<'_>, claim: Vec<u8>) -> Option<Vec<u8>> {
    python.detach(move || {
        catch_unwind(|| {
            let read = decode::<Claim>(&claim, MAX_BODY_BYTES).ok()?;
            let certificate = encode(&certificate_by_bounds(&read, Hash::of(&claim))?);
            let finding = proof::Checker.check(&claim, &certificate).ok()?;
            matches!(finding, Finding::Proved { .. }).then_some(certificate)
        })
        .ok()
        .flatten()
    })
}

#[pymodule]
#[pyo3(name = "_native")]
mod module {
    #[pymodule_export]
    use super::key::{Signer, verify};
    #[pymodule_export]
    use super::{call, kinds, prove_by_bounds};
}
