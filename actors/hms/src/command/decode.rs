//! `hms decode`: what the `nats` command line runs on each body to make it readable.

use std::io::{self, Read};

use clap::Args;
use schemas::{
    body::{self, DecodeError},
    limit::MAX_CLEARING_BODY_BYTES,
    stream, subject,
};

use crate::{
    exit::{Exit, OrExit, Outcome, Stop},
    output,
};

/// Turn a MessagePack body on standard input into JSON
///
/// Any bounded MessagePack with string keys is shown. Byte strings that are themselves a body are shown as one,
/// others in hexadecimal; an empty body is null. What is truncated, oversized, too deep, not UTF-8 or has a key
/// twice is refused with the place and the reason, and exit code 2.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  nats sub --translate 'hms decode' '{}'
  nats stream view {} --translate 'hms decode'
  hms decode --compact < body.msgpack", subject::all_live(), stream::DEALS))]
pub struct Decode {
    /// One line instead of many
    #[arg(long, visible_alias = "json")]
    compact: bool,
    /// The largest body that is read, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = MAX_CLEARING_BODY_BYTES)]
    limit_bytes: usize,
}

impl Decode {
    pub fn run(&self) -> Outcome {
        let most = u64::try_from(self.limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        io::stdin().lock().take(most).read_to_end(&mut bytes).or_exit(Exit::Input)?;
        let value = body::to_json(&bytes, self.limit_bytes)
            .map_err(|error| Stop::say(Exit::Input, fault(&error, self.limit_bytes)))?;
        if self.compact { output::json(&value) } else { output::pretty(&value) }
    }
}

fn fault(error: &DecodeError, limit_bytes: usize) -> String {
    match error {
        // How much more there was is not read.
        DecodeError::TooLarge { .. } => format!("the body has more than {limit_bytes} bytes"),
        DecodeError::Malformed(malformed) if !malformed.field.is_empty() => format!("{}: {malformed}", malformed.field),
        error => error.to_string(),
    }
}
