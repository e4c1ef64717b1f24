//! `hms market trade`: how trade in a market balances over time, read off the ledger's own log.

use clap::Args;
use runtime::port::Port;
use schemas::{
    AgentId, MarketId,
    core::{Call, Core},
    keyring::LogRecord,
    stream, subject,
    trade::{PathReply, PathRequest, Price},
};
use trade_balance::{History, LEDGER, Path};

use super::declaration;
use crate::{
    bus::BusArgs,
    exit::{Exit, OrExit, Outcome, Stop},
    output,
};

/// An hour, in milliseconds.
const HOUR_MS: i64 = 60 * 60 * 1000;

/// Show how trade balances over time: exports, imports, deficits, at reference prices
///
/// Reads what the ledger committed and signed, compensations included. Goods without a reference price count nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms market trade africa
  hms market trade africa --period-ms 3600000 --json")]
pub struct Trade {
    /// The market
    market: MarketId,
    /// How long a period is, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = HOUR_MS, value_parser = clap::value_parser!(i64).range(1..))]
    period_ms: i64,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON: the answer of trade_balance.path
    #[arg(long)]
    json: bool,
}

impl Trade {
    pub async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let entry = port.kv_get(stream::MARKETS, self.market.as_str()).await?;
        let entry = entry.ok_or_else(|| Stop::say(Exit::Bad, format_args!("there is no market {}", self.market)))?;
        let declared = declaration(&entry)?;
        let prices = declared.goods.into_iter().filter_map(|spec| {
            let price = spec.reference_price?;
            Some(Price { good: spec.good, price })
        });
        let commits = self.commits(port.as_ref()).await?;
        let (Some(first), Some(last)) = (
            commits.iter().map(|commit| commit.at_unix_ms).min(),
            commits.iter().map(|commit| commit.at_unix_ms).max(),
        ) else {
            return Err(Stop::say(Exit::Bad, format_args!("nothing was committed in {}", self.market)));
        };
        let from_unix_ms = first.div_euclid(self.period_ms) * self.period_ms;
        let periods = last.saturating_sub(from_unix_ms).div_euclid(self.period_ms).saturating_add(1);
        let request = PathRequest {
            commits,
            prices: prices.collect(),
            from_unix_ms,
            period_ms: self.period_ms,
            periods: u32::try_from(periods).unwrap_or(u32::MAX),
        };
        schemas::body::Check::check(&request).or_exit(Exit::Input)?;
        let path = Path.handle(request, &Call::default()).map_err(|refused| Stop::new(Exit::Bad, refused))?;
        self.show(&path)
    }

    async fn commits(&self, port: &dyn Port) -> Outcome<Vec<schemas::trade::Commit>> {
        let mut history = History::of(self.market.clone());
        let ledger: AgentId = LEDGER.parse().or_exit(Exit::Bad)?;
        for log in [subject::key_log(&ledger), subject::all_deal_logs()] {
            for stored in port.read(stream::DEALS, &log, 0).await? {
                history.observe(&LogRecord::from(stored));
            }
        }
        let (commits, complaints) = history.finish();
        for complaint in complaints {
            tracing::warn!(complaint, "an entry was skipped");
        }
        Ok(commits)
    }

    fn show(&self, path: &PathReply) -> Outcome {
        if self.json {
            return output::json(&serde_json::to_value(path).or_exit(Exit::Bad)?);
        }
        let rows: Vec<[String; 6]> = path
            .parties
            .iter()
            .map(|party| {
                [
                    party.party.to_string(),
                    party.exports_minor.iter().sum::<i64>().to_string(),
                    party.imports_minor.iter().sum::<i64>().to_string(),
                    party.balance_minor.last().copied().unwrap_or_default().to_string(),
                    party.deepest_minor.to_string(),
                    format!("{} of {}", party.deficit_periods, path.ends_unix_ms.len()),
                ]
            })
            .collect();
        output::table(
            ["AGENT", "EXPORTS", "IMPORTS", "BALANCE", "DEEPEST DEFICIT", "PERIODS IN DEFICIT"],
            rows,
            "no trade",
        )
    }
}
