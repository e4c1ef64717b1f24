//! Ed25519, by what signs and checks in the cores.

use ed25519_dalek::{Signer as _, SigningKey};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Signs with one key.
#[pyclass(frozen, module = "hms_a2a._native")]
pub struct Signer(SigningKey);

#[pymethods]
impl Signer {
    /// From the 32 bytes of a seed.
    #[new]
    fn new(secret: &[u8]) -> PyResult<Self> {
        let secret = secret.try_into().map_err(|_| PyValueError::new_err("a secret has 32 bytes"))?;
        Ok(Self(SigningKey::from_bytes(secret)))
    }

    /// The signature of a message: 64 bytes.
    fn sign<'py>(&self, python: Python<'py>, message: &[u8]) -> Bound<'py, PyBytes> {
        PyBytes::new(python, &self.0.sign(message).to_bytes())
    }
}

/// Whether a signature (64 bytes) is of this message by this key (32 bytes); of other lengths none is.
#[pyfunction]
pub fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    schemas::signature::holds(public, message, signature)
}
