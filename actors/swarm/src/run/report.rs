//! What came of a run: figures for scripts, and a table for people.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use schemas::AgentId;
use schemas::clearing::{Evenness, Refined};
use schemas::ledger::Balances;
use schemas::limit::PPM;
use serde::Serialize;

use super::tally::{Claims, Facts, Stages, Tally};

/// 1,000 US dollars, in cents.
const THOUSAND_USD: i64 = 100_000;
/// A market that counts in these has dollars.
const US_CENT: &str = "US cent";
/// So many parties are shown one by one.
const PARTIES_SHOWN: usize = 60;

/// Agents by language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Languages {
    /// In Python hosts.
    pub python: usize,
    /// In this process.
    pub rust: usize,
}

/// Welfare, in minor units of the market's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Welfare {
    /// Σ of every party's surplus.
    pub achieved: i64,
    /// No single clearing over all intents, of the agents that would accept, can reach more.
    pub optimum: i64,
}

/// From a deal's opening to its settlement by the log's times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of the settled deals took no longer.
    pub p50: i64,
    /// 99 of 100 took no longer.
    pub p99: i64,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The market, which is also the ledger's book.
    pub market: String,
    /// The minor unit of its account: what welfare and surplus are counted in.
    pub unit_of_account: String,
    /// The seed of everything that was drawn.
    pub seed: u64,
    /// How many agents took part.
    pub agents: Languages,
    /// How many intents the stream stored, those stated anew included.
    pub intents: u64,
    /// How many clearings there were.
    pub clearings: usize,
    /// What was made of the clearings' answers before they were proposed: absent where the market states no rule of
    /// division.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refined: Option<Refined>,
    /// How many deals came how far.
    pub deals: Stages,
    /// What became of the claims that they required.
    pub claims: Claims,
    /// On what ground agents said no.
    pub rejected_by: BTreeMap<&'static str, u64>,
    /// How many agents the maker told that they got nothing, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// Settled deals with a surplus of at least 1,000 US dollars; absent where the market doesn't count in US cents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_over_1000_usd: Option<usize>,
    /// Settled deals among three or more parties.
    pub multi_party_settled: usize,
    /// Transfers in settled deals.
    pub transfers: usize,
    /// Welfare.
    pub welfare: Welfare,
    /// Whether the ledger's balances are the sum of what the log committed, and every good sums to nothing.
    pub conservation_ok: bool,
    /// Whether every committed deal is good for every party, at the worst corner of what it stated.
    pub win_win_ok: bool,
    /// What each party gained in settled deals, at its central values, in minor units of account; each deal's part is
    /// rounded down.
    pub surplus_by_party: BTreeMap<AgentId, i64>,
    /// How long settled deals took.
    pub latency_ms: Latency,
    /// Messages that the agents received and sent.
    pub messages: u64,
    /// How long the run took, set-up included.
    pub seconds: f64,
    /// What agents reported as gone wrong; the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// What the count doesn't know.
pub(super) struct Frame<'a> {
    pub market: &'a schemas::market::Market,
    pub seed: u64,
    pub agents: Languages,
    pub everyone: Vec<AgentId>,
    pub optimum: i64,
    /// The ledger's balances when the run began, and when it ended.
    pub before: Balances,
    pub after: Balances,
    pub messages: u64,
    pub seconds: f64,
}

impl Report {
    pub(super) fn of(tally: &Tally, frame: Frame<'_>) -> Self {
        let settled: Vec<&Facts> = tally.deals.values().filter(|facts| facts.settled_after_ms.is_some()).collect();
        let committed = || tally.deals.values().filter(|facts| !facts.moved.is_empty());
        let mut surplus_by_party: BTreeMap<AgentId, i64> = frame.everyone.into_iter().map(|agent| (agent, 0)).collect();
        for party in settled.iter().filter_map(|facts| facts.worth.as_ref()).flat_map(|worth| &worth.parties) {
            let surplus = surplus_by_party.entry(party.party.clone()).or_insert(0);
            *surplus = surplus.saturating_add(party.gain_minor);
        }
        let surplus_of = |facts: &Facts| -> i64 {
            facts.worth.iter().flat_map(|worth| &worth.parties).map(|party| party.gain_minor).sum()
        };
        let in_dollars = frame.market.unit_of_account == US_CENT;
        let over = settled.iter().filter(|facts| surplus_of(facts) >= THOUSAND_USD).count();
        Self {
            market: frame.market.market.to_string(),
            unit_of_account: frame.market.unit_of_account.clone(),
            seed: frame.seed,
            agents: frame.agents,
            intents: tally.intents,
            clearings: tally.rounds.cleared.len(),
            refined: frame.market.division.map(|_| tally.rounds.refined),
            deals: tally.stages.clone(),
            claims: tally.claims.clone(),
            rejected_by: tally.grounds.clone(),
            left_out: tally.told.iter().map(|(reason, agents)| (reason.clone(), agents.len())).collect(),
            settled_over_1000_usd: in_dollars.then_some(over),
            multi_party_settled: settled.iter().filter(|facts| facts.parties.len() > 2).count(),
            transfers: settled.iter().map(|facts| facts.moved.len()).sum(),
            welfare: Welfare { achieved: surplus_by_party.values().sum(), optimum: frame.optimum },
            conservation_ok: is_conserved(tally, &frame.before, &frame.after),
            win_win_ok: committed().all(|facts| facts.worth.as_ref().is_some_and(|worth| worth.win_win)),
            latency_ms: latency(settled.iter().filter_map(|facts| facts.settled_after_ms).collect()),
            surplus_by_party,
            messages: frame.messages,
            seconds: frame.seconds,
            errors: tally.errors.clone(),
        }
    }
}

/// Whether the books changed by exactly what the log committed, and what one party has more another has less.
fn is_conserved(tally: &Tally, before: &Balances, after: &Balances) -> bool {
    let mut change = tally.balances.clone();
    for (lines, sign) in [(&before.lines, 1), (&after.lines, -1)] {
        for line in lines {
            *change.entry((line.party.clone(), line.good.clone())).or_insert(0) += sign * line.balance;
        }
    }
    let mut sums: BTreeMap<_, i128> = BTreeMap::new();
    for line in &after.lines {
        *sums.entry(&line.good).or_insert(0) += i128::from(line.balance);
    }
    change.values().all(|rest| *rest == 0) && sums.values().all(|sum| *sum == 0)
}

fn latency(mut took_ms: Vec<i64>) -> Latency {
    took_ms.sort_unstable();
    let nearest_rank = |percent: usize| {
        let rank = (took_ms.len() * percent).div_ceil(100).max(1);
        took_ms.get(rank - 1).copied().unwrap_or(0)
    };
    Latency { p50: nearest_rank(50), p99: nearest_rank(99) }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = &self.deals;
        let words = |counts: Vec<(String, u64)>| {
            counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
        };
        let ends = [
            ("settled", stages.settled),
            ("rejected", stages.rejected),
            ("withdrawn", stages.withdrawn),
            ("expired", stages.expired),
            ("refused", stages.refused),
            ("compensated", stages.compensated),
        ];
        let ends = words(ends.iter().filter(|(_, n)| *n > 0).map(|(word, n)| ((*word).to_owned(), *n)).collect());
        let left_out = words(self.left_out.iter().map(|(why, n)| (why.replace('_', " "), *n as u64)).collect());
        let verdict = |is: bool| if is { "yes" } else { "NO" };
        let Languages { python, rust } = self.agents;
        let mut facts = vec![
            ("agents", format!("{python} in Python, {rust} in Rust; {} intents", self.intents)),
            ("clearings", self.clearings.to_string()),
            ("deals", format!("{} opened: {ends}", stages.opened)),
            (
                "several parties",
                format!("{} settled among three or more; {} transfers", self.multi_party_settled, self.transfers),
            ),
            ("welfare", self.welfare_line()),
            ("books balance", verdict(self.conservation_ok).to_owned()),
            ("everyone gains", verdict(self.win_win_ok).to_owned()),
            (
                "deal latency",
                format!("p50 {} ms, p99 {} ms, opened to settled", self.latency_ms.p50, self.latency_ms.p99),
            ),
            ("messages", format!("{} to and from agents, in {:.1} s", grouped(self.messages), self.seconds)),
        ];
        if !left_out.is_empty() {
            facts.insert(2, ("left out", left_out));
        }
        if let Some(line) = self.claims_line() {
            facts.insert(3, ("claims", line));
        }
        if let Some(refined) = &self.refined {
            facts.insert(2, ("divided", self.divided_line(refined)));
            facts.insert(3, ("evolved", self.evolved_line(&refined.evolved)));
        }
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, fact) in facts {
            writeln!(f, "{name:width$}  {fact}")?;
        }
        write!(f, "\n{}", self.parties())
    }
}

impl Report {
    /// What was proved, what was not, and how much that added to the time from open to commit.
    fn claims_line(&self) -> Option<String> {
        let Claims { proved, refused, proving_ms, to_commit_ms, .. } = &self.claims;
        if *proved == 0 && refused.is_empty() {
            return None;
        }
        let refused: String = refused.iter().map(|(rule, n)| format!(", {n} deals refused by {rule}")).collect();
        let share = if *to_commit_ms > 0 {
            format!(
                "; {:.1} % of the time from open to commit lies between the last acceptance and the last proof",
                percent(*proving_ms, *to_commit_ms)
            )
        } else {
            String::new()
        };
        Some(format!("{proved} proved{refused}{share}"))
    }

    /// What dividing gains cost in welfare, and brought in evenness.
    fn divided_line(&self, Refined { before, after, .. }: &Refined) -> String {
        let welfare = |rings: &Evenness| signed(rings.welfare_minor);
        format!(
            "{} rings: welfare {} before, {} after; least satisfied at {:.0} % of its best before, {:.0} % after; Gini \
             {:.2} before, {:.2} after",
            before.deals,
            welfare(before),
            welfare(after),
            mean(before.least_ppm, before.deals) * 100.0,
            mean(after.least_ppm, after.deals) * 100.0,
            mean(before.gini_ppm, before.deals),
            mean(after.gini_ppm, after.deals),
        )
    }

    /// What was found besides rings.
    fn evolved_line(&self, evolved: &Evenness) -> String {
        if evolved.deals == 0 {
            return "no deals of other shapes: nothing was left on the table".to_owned();
        }
        format!(
            "{} deals of other shapes: welfare {}; least satisfied at {:.0} % of its best; Gini {:.2}",
            evolved.deals,
            signed(evolved.welfare_minor),
            mean(evolved.least_ppm, evolved.deals) * 100.0,
            mean(evolved.gini_ppm, evolved.deals),
        )
    }

    fn welfare_line(&self) -> String {
        let Welfare { achieved, optimum } = self.welfare;
        let share = if optimum > 0 {
            format!(", {:.1} % of the best single clearing", percent(achieved, optimum))
        } else {
            String::new()
        };
        format!("{} {}s{share}", grouped(achieved.unsigned_abs()), self.unit_of_account)
    }

    /// Who gained most, first.
    fn parties(&self) -> String {
        let mut parties: Vec<(&AgentId, i64)> =
            self.surplus_by_party.iter().map(|(agent, gain)| (agent, *gain)).collect();
        parties.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let more = parties.len().saturating_sub(PARTIES_SHOWN);
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["PARTY", "SURPLUS", "SHARE"]);
        for (agent, gain) in parties.into_iter().take(PARTIES_SHOWN) {
            let share = if self.welfare.achieved > 0 {
                format!("{:.1} %", percent(gain, self.welfare.achieved))
            } else {
                "-".to_owned()
            };
            table.add_row([agent.to_string(), signed(gain), share]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let text: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
        let rest = if more > 0 { format!("\n and {more} more") } else { String::new() };
        text.join("\n") + &rest
    }
}

/// For people only.
fn percent(part: i64, whole: i64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

/// Of parts per million that were summed over deals, their mean as a share: for people only.
fn mean(sum_ppm: i64, deals: u32) -> f64 {
    sum_ppm as f64 / PPM as f64 / f64::from(deals.max(1))
}

fn signed(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(amount.unsigned_abs()))
}

/// Thousands apart, so that large sums can be read.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sums_can_be_read() {
        assert_eq!((grouped(0), grouped(999), grouped(1_000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!((grouped(1_234_567), signed(-12_345)), ("1,234,567".into(), "-12,345".into()));
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let of = |took: &[i64]| latency(took.to_vec());
        assert_eq!(of(&[]), Latency { p50: 0, p99: 0 });
        assert_eq!(of(&[7]), Latency { p50: 7, p99: 7 });
        assert_eq!(of(&[4, 1, 3, 2]), Latency { p50: 2, p99: 4 });
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!(of(&hundred), Latency { p50: 50, p99: 99 });
    }
}
