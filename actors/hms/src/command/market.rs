//! `hms market`: declarations of markets, why an agent got nothing in one, and how trade in it balances.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

mod trade;

use self::trade::Trade;
use clap::{Args, Subcommand};
use runtime::port::{AppendError, KvEntry, Port};
use schemas::{
    AgentId, MarketId,
    market::{Because, LeftOut, Market as Declaration, Why},
    stream,
};
use serde_json::Value;
use swarm::maker;

use crate::{
    bus::BusArgs,
    exit::{Exit, OrExit, Outcome, Stop},
    input, output,
    request::{self, Reply},
};

/// Create, list and show markets, ask why an agent got nothing, and see how trade balances
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  hms market create africa.toml\n  hms market why kenya\n  hms market trade africa")]
pub enum Market {
    Create(Create),
    List(List),
    Show(Show),
    Why(WhyArgs),
    Trade(Trade),
}

/// Declare a market, from TOML or JSON
///
/// The market maker takes it up at once. A market that exists is replaced only with --replace; its open deals go on.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  hms market create africa.toml

africa.toml:
  market = \"africa\"
  unit_of_account = \"US cent\"
  goods = [{ good = \"wheat\", unit = \"tonne\", reference_price = \"24150\" }]
  band = { lo = \"1/2\", hi = \"2\" }     # times the reference price
  margin_ppm = 10000                  # everyone gains at least 1 %
  max_ring = 3                        # parties
  clear_every_ms = 2000
  time_limit_ms = 1000
  accept_within_ms = 10000
  deliver_within_ms = 86400000
  delivery = \"confirmed\"              # or \"immediate\"")]
pub struct Create {
    /// The declaration: a .toml or .json file
    file: PathBuf,
    /// Replace a market that exists
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the markets
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms market list")]
pub struct List {
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Show a market's declaration
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms market show africa --json > africa.json")]
pub struct Show {
    /// The market
    market: MarketId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Say why an agent got nothing in the last clearing: nobody wants it, priced out, outbid, no ring
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms market why kenya\n  hms market why kenya --market africa --json")]
pub struct WhyArgs {
    /// The agent
    agent: AgentId,
    /// The market; left out, every market that the agent has an intent in
    #[arg(long)]
    market: Option<MarketId>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a market
    #[arg(long)]
    json: bool,
}

impl Market {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Why(why) => why.run().await,
            Self::Trade(trade) => trade.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Outcome {
        let (market, value) = read(&self.file)?;
        let port = self.bus.connect().await?;
        let key = market.market.as_str();
        let bytes = serde_json::to_vec(&value).or_exit(Exit::Input)?;
        let stored = port.kv_get(stream::MARKETS, key).await?;
        let outcome = match &stored {
            Some(stored) if stored.value == bytes => "unchanged",
            Some(stored) if self.replace => {
                port.kv_update(stream::MARKETS, key, bytes.into(), None, stored.revision).await.map_err(moved_on)?;
                "replaced"
            }
            Some(_) => {
                return Err(Stop::say(
                    Exit::Bad,
                    format_args!("market {key} exists, and otherwise; --replace replaces it"),
                ));
            }
            None => {
                port.kv_put(stream::MARKETS, key, bytes.into(), None).await?;
                "created"
            }
        };
        if self.json {
            output::json(&serde_json::json!({ "market": key, "outcome": outcome }))
        } else {
            output::line(format_args!("market {key}: {outcome}, {} goods", market.goods.len()))
        }
    }
}

fn moved_on(error: AppendError) -> Stop {
    match error {
        AppendError::Conflict => Stop::say(Exit::Bad, "somebody else changed the market meanwhile"),
        error => error.into(),
    }
}

impl List {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let mut rows = Vec::new();
        for market in markets(&port).await? {
            if self.json {
                output::json(&serde_json::to_value(&market).or_exit(Exit::Bad)?)?;
                continue;
            }
            let goods: Vec<&str> = market.goods.iter().map(|spec| spec.good.as_str()).collect();
            rows.push([
                market.market.to_string(),
                market.unit_of_account,
                format!("{} parties", market.max_ring),
                format!("{} ms", market.clear_every_ms),
                goods.join(" "),
            ]);
        }
        if self.json {
            Ok(())
        } else {
            output::table(["MARKET", "UNIT OF ACCOUNT", "RINGS TO", "CLEARS EVERY", "GOODS"], rows, "no markets")
        }
    }
}

impl Show {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let entry = port.kv_get(stream::MARKETS, self.market.as_str()).await?;
        let entry = entry.ok_or_else(|| Stop::say(Exit::Bad, format_args!("there is no market {}", self.market)))?;
        let value = serde_json::to_value(declaration(&entry)?).or_exit(Exit::Bad)?;
        if self.json { output::json(&value) } else { output::pretty(&value) }
    }
}

impl WhyArgs {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let asked: Vec<MarketId> = match &self.market {
            Some(market) => vec![market.clone()],
            None => markets(&port).await?.into_iter().map(|market| market.market).collect(),
        };
        if asked.is_empty() {
            return Err(Stop::say(Exit::Bad, "there are no markets"));
        }
        let mut is_anywhere = false;
        for market in asked {
            let because = self.ask(&port, market).await?;
            if because.left_out == Some(LeftOut::NoIntent) && self.market.is_none() {
                continue;
            }
            is_anywhere = true;
            if self.json {
                output::json(&serde_json::to_value(&because).or_exit(Exit::Bad)?)?;
            } else {
                output::line(in_words(&because))?;
            }
        }
        if is_anywhere {
            Ok(())
        } else {
            Err(Stop::say(Exit::Bad, format_args!("{} has no intent in any market", self.agent)))
        }
    }

    async fn ask(&self, port: &Arc<dyn Port>, market: MarketId) -> Outcome<Because> {
        let ask = Why { market, agent: self.agent.clone() };
        match request::ask(port.as_ref(), maker::SERVICE, "why", &ask, request::TIMEOUT_MS).await? {
            Reply::Answer(because) => Ok(because),
            Reply::Refused(refused) => Err(Stop::new(Exit::Bad, refused)),
        }
    }
}

fn in_words(because: &Because) -> String {
    let Because { market, agent, clearing, deals, left_out, detail } = because;
    let outcome = match left_out {
        _ if !deals.is_empty() => {
            let deals: Vec<&str> = deals.iter().map(schemas::DealId::as_str).collect();
            format!("in {}", deals.join(", "))
        }
        Some(reason) => serde_json::to_value(reason)
            .ok()
            .and_then(|word| word.as_str().map(|word| word.replace('_', " ")))
            .unwrap_or_default(),
        None => "in no deal".into(),
    };
    format!("{agent} in {market}, clearing {clearing}: {outcome}. {detail}")
}

/// Reads a declaration from a file, strictly.
fn read(file: &Path) -> Outcome<(Declaration, Value)> {
    let at = |stop: Stop| stop.while_doing(file.display());
    let text = input::text(file)?;
    let is_toml = file.extension().is_some_and(|extension| extension == "toml");
    let value: Value = if is_toml {
        toml::from_str(&text).or_exit(Exit::Input).map_err(at)?
    } else {
        input::json(&text).or_exit(Exit::Input).map_err(at)?
    };
    let market: Declaration = request::typed(value).map_err(at)?;
    let value = serde_json::to_value(&market).or_exit(Exit::Input)?;
    Ok((market, value))
}

/// A declaration as the bucket holds it.
///
/// # Errors
/// When it is none.
pub fn declaration(entry: &KvEntry) -> Outcome<Declaration> {
    let value = serde_json::from_slice(&entry.value).or_exit(Exit::Bad)?;
    request::typed(value)
        .map_err(|stop| Stop { exit: Exit::Bad, ..stop }.while_doing(format_args!("market {}", entry.key)))
}

/// Every market, by id; what is none is passed over with a word.
async fn markets(port: &Arc<dyn Port>) -> Outcome<Vec<Declaration>> {
    let mut markets = Vec::new();
    for entry in port.kv_list(stream::MARKETS).await? {
        match declaration(&entry) {
            Ok(market) => markets.push(market),
            Err(stop) => {
                tracing::warn!(key = entry.key, error = stop.error.map(|error| format!("{error:#}")), "not a market")
            }
        }
    }
    markets.sort_by(|a, b| a.market.cmp(&b.market));
    Ok(markets)
}
