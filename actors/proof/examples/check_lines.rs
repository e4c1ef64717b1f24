//! Checks what stands on standard input, a line of JSON each, `{"claim": HEX, "evidence": HEX}`, and answers each with
//! `{"verdict": "proved"|"refuted", "vacuous": BOOL}` or `{"error": WHY}`. So other languages' tests use the kernel
//! without a bus.

use std::io::{self, BufRead as _, Write as _};

use schemas::proving::Verdict;
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|reason| json!({ "error": reason }));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<Value, String> {
    let asked: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let checked = proof::check(&bytes(&asked, "claim")?, &bytes(&asked, "evidence")?);
    let checked = checked.map_err(|refused| refused.to_string())?;
    let verdict = match checked.verdict {
        Verdict::Proved => "proved",
        Verdict::Refuted => "refuted",
    };
    Ok(json!({ "verdict": verdict, "vacuous": checked.vacuous }))
}

fn bytes(asked: &Value, field: &str) -> Result<Vec<u8>, String> {
    let text = asked.get(field).and_then(Value::as_str).ok_or_else(|| format!("{field} is missing"))?;
    let digits: Vec<char> = text.chars().collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16));
    pairs.collect::<Result<_, _>>().map_err(|error| format!("{field} is no hexadecimal text: {error}"))
}
