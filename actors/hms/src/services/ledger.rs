//! The ledger on the bus: limits are declared, balances and certificates asked for, and authorities move; deals come from
//! the log alone.
//!
//! Whether a market's declaration states the rules that its authority enacts is looked up here, where there is a bus.

use async_trait::async_trait;
use runtime::{
    journal::{FencedHandle, FencedHost, Hiring, Keys, SNAPSHOT_EVERY},
    port::{AppendError, Message, OfficeSpec, Port, Record},
    service::{Answer, Handler},
};
use schemas::{
    AgentId, MarketId,
    body::decode,
    core::Call,
    error::{Code, ErrorReply},
    event::Signed,
    import::{CertificatesRequest, Enact, ImportRules, Revoke},
    ledger::BalanceRequest,
    limit::MAX_BODY_BYTES,
    market::Market,
    signature::Signer,
    stream, subject,
};
use std::sync::Arc;
use trade_balance::{LEDGER, Ledger, LedgerAsk};

use super::{answer, bad_subject, unknown_verb};

/// The ledger's endpoints.
pub const VERBS: [&str; 5] = ["declare", "balance", "enact", "revoke", "certificates"];

/// How long the ledger's office stays with a ledger that is not heard of any more, in milliseconds.
const OFFICE_MS: u64 = 3_000;

/// When to ask again where the market's declaration couldn't be read, in milliseconds.
const RETRY_MS: u32 = 500;

/// What every ledger stands for, and one holds. The first to come puts the token there.
///
/// # Errors
/// When it can't be put there.
pub async fn office(port: &dyn Port) -> anyhow::Result<OfficeSpec> {
    let token = subject::office(&LEDGER.parse()?);
    match port.append(stream::OFFICES, vec![Record::new(token.clone(), Vec::new()).expecting(0)]).await {
        Ok(_) | Err(AppendError::Conflict) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(OfficeSpec { name: LEDGER.to_owned(), stream: stream::OFFICES.to_owned(), token, timeout_ms: OFFICE_MS })
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
    port: Arc<dyn Port>,
    keys: Keys,
    ledger: FencedHandle<Ledger>,
}

impl LedgerService {
    /// Answers by this ledger.
    #[must_use]
    pub fn new(port: Arc<dyn Port>, keys: Keys, ledger: FencedHandle<Ledger>) -> Self {
        Self { port, keys, ledger }
    }

    /// Who signed the message, and what.
    async fn signed(&self, message: &Message, call: &mut Call) -> Result<(AgentId, Signed), ErrorReply> {
        let (sender, signed) = self.keys.check(message).await?;
        let agent = sender.name.as_deref().unwrap_or_default().parse();
        let agent = agent.map_err(|bad: schemas::id::BadName| ErrorReply::new(Code::Unsigned, bad.to_string()))?;
        call.sender = Some(sender);
        Ok((agent, signed))
    }

    /// The rules of import certificates that a market's declaration states.
    async fn declared(&self, market: &MarketId) -> Result<Option<Box<ImportRules>>, ErrorReply> {
        let entry = self.port.kv_get(stream::MARKETS, market.as_str()).await.map_err(|error| {
            let reply = ErrorReply::new(Code::Busy, format!("the market's declaration can't be read: {error}"));
            ErrorReply { retryable: true, retry_after_ms: Some(RETRY_MS), ..reply }
        })?;
        let declaration = entry.and_then(|entry| serde_json::from_slice::<Market>(&entry.value).ok());
        Ok(declaration.filter(|it| it.market == *market).and_then(|it| it.import_certificates).map(Box::new))
    }
}

#[async_trait]
impl Handler for LedgerService {
    async fn answer(&self, message: Message, mut call: Call) -> Result<Answer, ErrorReply> {
        let (_, verb) = subject::parse_endpoint(&message.subject).map_err(bad_subject)?;
        let ask = match verb {
            "balance" => LedgerAsk::Balance(decode::<BalanceRequest>(&message.body, MAX_BODY_BYTES)?),
            "certificates" => LedgerAsk::Certificates(decode::<CertificatesRequest>(&message.body, MAX_BODY_BYTES)?),
            "declare" => {
                let (agent, signed) = self.signed(&message, &mut call).await?;
                LedgerAsk::Declare { agent, signed }
            }
            "enact" => {
                let Enact { book, .. } = decode(&message.body, MAX_BODY_BYTES)?;
                let (agent, signed) = self.signed(&message, &mut call).await?;
                let declared = self.declared(&book).await?;
                LedgerAsk::Authority { agent, signed, book, declared }
            }
            "revoke" => {
                let Revoke { book, .. } = decode(&message.body, MAX_BODY_BYTES)?;
                let (agent, signed) = self.signed(&message, &mut call).await?;
                LedgerAsk::Authority { agent, signed, book, declared: None }
            }
            other => return Err(unknown_verb(other)),
        };
        answer(self.ledger.ask(ask, call).await)
    }
}
