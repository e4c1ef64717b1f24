//! The ledger on the bus: limits are declared and balances asked for; deals come from the log alone.

use async_trait::async_trait;
use runtime::{
    journal::{FencedHandle, FencedHost, HostError, Keys},
    port::Message,
    service::{Answer, Handler},
};
use schemas::{
    body::decode,
    core::Call,
    error::{Code, ErrorReply},
    ledger::BalanceRequest,
    limit::MAX_BODY_BYTES,
    signature::Signer,
    subject,
};
use std::sync::Arc;
use trade_balance::{Ledger, LedgerAsk};

use super::{answer, bad_subject, unknown_verb};

/// The ledger's endpoints.
pub const VERBS: [&str; 2] = ["declare", "balance"];

/// Answers the ledger's endpoints.
#[derive(Clone)]
pub struct LedgerService {
    keys: Keys,
    ledger: FencedHandle<Ledger>,
}

impl LedgerService {
    /// Starts the one writer; `signer` signs as `ledger`.
    ///
    /// # Errors
    /// When the log cannot be followed.
    pub async fn start(port: Arc<dyn runtime::port::Port>, keys: Keys, signer: Signer) -> Result<Self, HostError> {
        Ok(Self { keys, ledger: FencedHost::start(Ledger::new(), port, signer).await? })
    }
}

#[async_trait]
impl Handler for LedgerService {
    async fn answer(&self, message: Message, mut call: Call) -> Result<Answer, ErrorReply> {
        let (_, verb) = subject::parse_endpoint(&message.subject).map_err(bad_subject)?;
        let ask = match verb {
            "balance" => LedgerAsk::Balance(decode::<BalanceRequest>(&message.body, MAX_BODY_BYTES)?),
            "declare" => {
                let (sender, signed) = self.keys.check(&message).await?;
                let agent = sender.name.as_deref().unwrap_or_default().parse();
                let agent =
                    agent.map_err(|bad: schemas::id::BadName| ErrorReply::new(Code::Unsigned, bad.to_string()))?;
                call.sender = Some(sender);
                LedgerAsk::Declare { agent, signed }
            }
            other => return Err(unknown_verb(other)),
        };
        answer(self.ledger.ask(ask, call).await)
    }
}
