//! `hms ledger`: what the books say, and import certificates: who has them, their rules, and revocations.

use clap::{Args, Subcommand};
use runtime::port::Port;
use schemas::{
    AgentId, MarketId, MoveId, Quantity,
    body::{self, Message as Body},
    import::{CertificatesRequest, Enact, Lots, Recorded, Revoke},
    ledger::{BalanceRequest, Balances},
    limit::MAX_CLEARING_BODY_BYTES,
    stream, subject,
};
use serde_json::Value;

use super::market::declaration;
use crate::{
    bus::BusArgs,
    exit::{Exit, OrExit, Outcome, Stop},
    jobs::{once, send_signed},
    output,
    request::{self, Reply},
};

/// The service.
const LEDGER: &str = trade_balance::LEDGER;

/// See what the books say, and keep import certificates
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  hms ledger balance africa\n  hms ledger certificates africa --party kenya")]
pub enum Ledger {
    Balance(Balance),
    Certificates(Certificates),
    Enact(EnactArgs),
    Revoke(RevokeArgs),
}

/// What is asked of a book.
#[derive(Args, Debug)]
pub struct Asked {
    /// The book, which is its market's id
    book: MarketId,
    /// One party only
    #[arg(long)]
    party: Option<AgentId>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show what parties have of each good, and what they may give
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms ledger balance africa\n  hms ledger balance africa --party kenya --json")]
pub struct Balance {
    #[command(flatten)]
    asked: Asked,
}

/// Show a book's import certificates: every lot, and who holds what of it
///
/// Of each lot, at the time of the book's log: issued = outstanding + spent + expired + revoked.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  hms ledger certificates africa\n  hms ledger certificates africa --party kenya --json"
)]
pub struct Certificates {
    #[command(flatten)]
    asked: Asked,
}

/// Turn a book's import certificates on, or change their rules, as its market's declaration states them
///
/// `import_certificates` in the declaration (`hms market create`) names the authority, who signs this, and the rules: the
/// good that certificates are, which goods count and at which prices, how long a certificate lives, and from when imports
/// need them. Exports earn certificates from now on.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  hms ledger enact africa --as african-union

In the market's declaration, with the good `permit` among its goods:
  [import_certificates]
  good = \"permit\"
  authority = \"african-union\"
  goods = [{ good = \"wheat\", price = \"24150\" }]
  life_ms = 15552000000                     # 180 days
  lot_ms = 86400000                         # all that end on one day are one lot
  required_from_unix_ms = 1798761600000")]
pub struct EnactArgs {
    /// The book, which is its market's id
    book: MarketId,
    /// The authority, with its key in DIR
    #[arg(long = "as", value_name = "AGENT")]
    authority: AgentId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Revoke import certificates that a party holds
///
/// What is spent, expired or on its way in a deal can't be revoked.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms ledger revoke africa kenya 40 --as african-union --reason 'forged bill of lading'
  hms ledger revoke africa kenya 40 --as african-union --lot 1798761600000")]
pub struct RevokeArgs {
    /// The book, which is its market's id
    book: MarketId,
    /// Whose certificates
    party: AgentId,
    /// How many, in minor units of account
    quantity: i64,
    /// The authority, with its key in DIR
    #[arg(long = "as", value_name = "AGENT")]
    authority: AgentId,
    /// Only of the lot that ends at this time, in Unix milliseconds [default: those that end first]
    #[arg(long, value_name = "UNIX_MS")]
    lot: Option<i64>,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Ledger {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Balance(balance) => balance.run().await,
            Self::Certificates(certificates) => certificates.run().await,
            Self::Enact(enact) => enact.run().await,
            Self::Revoke(revoke) => revoke.run().await,
        }
    }
}

impl Balance {
    async fn run(self) -> Outcome {
        let Asked { book, party, bus, json } = self.asked;
        let port = bus.connect().await?;
        let balances: Balances = answer(port.as_ref(), "balance", &BalanceRequest { book, party }).await?;
        if json {
            return output::json(&serde_json::to_value(&balances).or_exit(Exit::Bad)?);
        }
        let rows = balances.lines.iter().map(|line| {
            let left = i128::from(line.balance) + i128::from(line.limit);
            [
                line.party.to_string(),
                line.good.to_string(),
                line.balance.to_string(),
                line.limit.to_string(),
                left.to_string(),
            ]
        });
        output::table(
            ["PARTY", "GOOD", "BALANCE (minor units)", "LIMIT (minor units)", "TOGETHER (minor units)"],
            rows.collect(),
            "nothing stands on this book",
        )
    }
}

impl Certificates {
    async fn run(self) -> Outcome {
        let Asked { book, party, bus, json } = self.asked;
        let port = bus.connect().await?;
        let lots: Lots = answer(port.as_ref(), "certificates", &CertificatesRequest { book, party }).await?;
        if json {
            return output::json(&serde_json::to_value(&lots).or_exit(Exit::Bad)?);
        }
        let Some(rules) = &lots.rules else {
            return output::line(format_args!("book {} keeps no import certificates", lots.book));
        };
        output::line(format_args!(
            "certificates are {}, in minor units of account, under {}; it is {} on the book",
            rules.good,
            rules.authority,
            output::time(lots.at_unix_ms)
        ))?;
        let rows = lots.lots.iter().map(|lot| {
            let [issued, outstanding, spent, expired, revoked] =
                [lot.issued, lot.outstanding, lot.spent, lot.expired, lot.revoked].map(|part| part.to_string());
            [output::time(lot.expires_unix_ms), issued, outstanding, spent, expired, revoked]
        });
        let heading = ["LOT ENDS", "ISSUED", "OUTSTANDING", "SPENT", "EXPIRED", "REVOKED"];
        output::table(heading, rows.collect(), "none were issued yet")?;
        let rows = lots
            .holdings
            .iter()
            .map(|held| [held.party.to_string(), output::time(held.expires_unix_ms), held.quantity.to_string()]);
        output::table(["PARTY", "LOT ENDS", "HOLDS"], rows.collect(), "nobody holds any")
    }
}

impl EnactArgs {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let entry = port.kv_get(stream::MARKETS, self.book.as_str()).await?;
        let entry = entry.ok_or_else(|| Stop::say(Exit::Bad, format_args!("no market {} is declared", self.book)))?;
        let rules = declaration(&entry)?.import_certificates.ok_or_else(|| {
            Stop::say(Exit::Bad, format_args!("market {} declares no import_certificates", self.book))
        })?;
        let deadline_unix_ms = deadline(port.as_ref());
        let move_id = id(&self.authority, "enact", &self.book, port.as_ref())?;
        let enact = Enact { move_id, deadline_unix_ms, book: self.book.clone(), rules };
        let said = format!("the rules of {}'s import certificates are in force", self.book);
        moved(&self.bus, port.as_ref(), &self.authority, "enact", &enact, deadline_unix_ms, (self.json, said)).await
    }
}

impl RevokeArgs {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let deadline_unix_ms = deadline(port.as_ref());
        let revoke = Revoke {
            move_id: id(&self.authority, "revoke", &self.book, port.as_ref())?,
            deadline_unix_ms,
            book: self.book,
            party: self.party.clone(),
            quantity: Quantity::new(self.quantity).or_exit(Exit::Input).map_err(|stop| stop.while_doing("QUANTITY"))?,
            lot_unix_ms: self.lot,
            reason: self.reason,
        };
        let said = format!("{} certificates of {} are revoked (minor units of account)", self.quantity, self.party);
        moved(&self.bus, port.as_ref(), &self.authority, "revoke", &revoke, deadline_unix_ms, (self.json, said)).await
    }
}

fn deadline(port: &dyn Port) -> i64 {
    port.now_unix_ms().saturating_add(i64::try_from(request::TIMEOUT_MS).unwrap_or(i64::MAX))
}

fn id(agent: &AgentId, verb: &str, book: &MarketId, port: &dyn Port) -> Outcome<MoveId> {
    once(&[agent.as_str().as_bytes(), verb.as_bytes(), book.as_str().as_bytes()], port.now_unix_ms())
}

async fn answer<Q: Body, A: Body>(port: &dyn Port, verb: &str, ask: &Q) -> Outcome<A> {
    match request::ask(port, LEDGER, verb, ask, request::TIMEOUT_MS).await? {
        Reply::Answer(answer) => Ok(answer),
        Reply::Refused(refused) => Err(Stop::new(Exit::Bad, refused)),
    }
}

/// Makes a move of the authority, and tells that it is recorded, as JSON or in these words.
async fn moved<M: Body>(
    bus: &BusArgs,
    port: &dyn Port,
    authority: &AgentId,
    verb: &str,
    ask: &M,
    deadline_unix_ms: i64,
    (json, said): (bool, String),
) -> Outcome {
    let request = (subject::endpoint(LEDGER, verb), M::TYPE, body::encode(ask));
    let answer = send_signed(port, &bus.dir.keys(), authority, request, deadline_unix_ms).await?;
    let recorded: Recorded = body::decode(&answer, MAX_CLEARING_BODY_BYTES).or_exit(Exit::Bad)?;
    if json {
        let recorded: Value = serde_json::to_value(&recorded).or_exit(Exit::Bad)?;
        return output::json(&recorded);
    }
    output::line(said)
}
