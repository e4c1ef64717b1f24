//! The ledger on the bus: limits are declared and balances asked for; deals come from the log alone.

use async_trait::async_trait;
use runtime::{
    journal::{FencedHandle, FencedHost, Hiring, Keys, SNAPSHOT_EVERY},
    port::{Message, OfficeSpec, Port},
    service::{Answer, Handler},
};
use schemas::{
    body::decode,
    core::Call,
    error::{Code, ErrorReply},
    ledger::BalanceRequest,
    limit::MAX_BODY_BYTES,
    signature::Signer,
    stream, subject,
};
use std::sync::Arc;
use trade_balance::{LEDGER, Ledger, LedgerAsk};

use super::{answer, bad_subject, unknown_verb};

/// The ledger's endpoints.
pub const VERBS: [&str; 2] = ["declare", "balance"];

/// How long the ledger's office stays with a ledger that is not heard of any more, in milliseconds.
const OFFICE_MS: u64 = 3_000;

/// What every ledger stands for, and one holds. Its token is the first entry of the ledger's own key log.
pub fn office() -> Result<OfficeSpec, schemas::id::BadName> {
    let token = subject::key_log(&LEDGER.parse()?);
    Ok(OfficeSpec { name: LEDGER.to_owned(), stream: stream::DEALS.to_owned(), token, timeout_ms: OFFICE_MS })
}

/// Starts ledgers that stand by; `signer` signs as `ledger`.
pub fn hiring(port: Arc<dyn Port>, signer: Signer) -> impl Fn() -> Hiring<Ledger> {
    let signer = Arc::new(signer);
    move || {
        let (port, signer) = (port.clone(), signer.clone());
        Box::pin(FencedHost::start(Ledger::new(), port, signer, SNAPSHOT_EVERY))
    }
}

/// Answers the ledger's endpoints.
#[derive(Clone)]
pub struct LedgerService {
    keys: Keys,
    ledger: FencedHandle<Ledger>,
}

impl LedgerService {
    /// Answers by this ledger.
    #[must_use]
    pub fn new(keys: Keys, ledger: FencedHandle<Ledger>) -> Self {
        Self { keys, ledger }
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
