//! Documentation and constants read from the sources of this crate: what no derive gives us.

use crate::Outcome;

/// A constant with its documentation.
pub struct Constant {
    /// Its name.
    pub name: &'static str,
    /// Its documentation, in one line.
    pub doc: String,
}

/// The documented public constants of a source file, in order, except those named in `but`.
pub fn constants(source: &'static str, but: &[&str]) -> Vec<Constant> {
    let mut found = Vec::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim());
        } else {
            let declared = line.strip_prefix("pub const ").filter(|rest| !rest.starts_with("fn "));
            if let Some(name) = declared.and_then(|rest| rest.split(':').next()).filter(|name| !but.contains(name)) {
                found.push(Constant { name, doc: doc.join(" ").replace("[`", "`").replace("`]", "`") });
            }
            doc.clear();
        }
    }
    found
}

/// Pairs constants read from a source with their values, and fails where one of them was forgotten.
pub fn with_values<T: Copy>(constants: Vec<Constant>, values: &[(&str, T)]) -> Outcome<Vec<(Constant, T)>> {
    if constants.len() != values.len() {
        return Err(format!("{} constants in the source, {} listed", constants.len(), values.len()).into());
    }
    constants
        .into_iter()
        .map(|constant| {
            let value = values.iter().find(|(name, _)| *name == constant.name).map(|(_, value)| *value);
            value.map(|value| (constant, value)).ok_or_else(|| "a constant of the source is not listed".into())
        })
        .collect()
}
