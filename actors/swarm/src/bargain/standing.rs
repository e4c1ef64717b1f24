//! What came of it: how many agreed, and how well each strategy did.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use negotiation::figure;
use schemas::hash::Hash;
use schemas::profile::Profile;
use schemas::{AgentId, DealId};
use serde::Serialize;

use super::{Gathering, Manner, Meeting, Seat};

/// What came of a gathering.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The seed that it was drawn with.
    pub seed: u64,
    /// How many agents there were.
    pub agents: usize,
    /// How many of them were in Python.
    pub python: usize,
    /// How many meetings were to be.
    pub meetings: usize,
    /// How many of them came to an agreement that all have signed.
    pub agreements: usize,
    /// How many ended without.
    pub without: usize,
    /// How many lapsed, or were still under way when it was enough: what depends on the clock.
    pub unfinished: usize,
    /// How many words were said in those that ended.
    pub words: u64,
    /// How many words were refused that were not there already.
    pub refused: u64,
    /// What went wrong, a few of them.
    pub errors: Vec<String>,
    /// SHA-256 over all outcomes, by deal: the same seed has the same.
    pub outcomes: Hash,
    /// How long it took from the first opening, in seconds.
    pub seconds: f64,
    /// The strategies, the best of each protocol first.
    pub strategies: Vec<StrategyStanding>,
    /// What everybody said and heard, where that was asked for.
    #[serde(skip)]
    pub kept: Vec<Kept>,
}

/// What one party of a talk said and heard: what a dispute is settled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The deal.
    pub deal: DealId,
    /// Who.
    pub agent: AgentId,
    /// The words, in their exact bytes and order.
    pub words: Vec<Vec<u8>>,
}

/// How well a strategy did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StrategyStanding {
    /// In which protocol.
    pub protocol: Profile,
    /// Which.
    pub manner: Manner,
    /// How often somebody negotiated so, in meetings that ended.
    pub seats: u64,
    /// How many of these agreed, in parts of a million.
    pub agreed_ppm: i64,
    /// What they got on average, in parts of a million: the outcome's worth, or the reservation where there was none.
    pub utility_ppm: i64,
    /// How far from the Pareto front their agreements are on average, in parts of a million.
    pub from_front_ppm: i64,
    /// How far from the Nash point, where there is one.
    pub from_nash_ppm: i64,
}

/// How a meeting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// On an outcome.
    Agreed {
        /// Which.
        outcome: Vec<u32>,
        /// After so many words.
        words: u32,
        /// Between whom, sorted: all parties; manager and awarded of a contract net.
        between: Vec<AgentId>,
    },
    /// Without, after so many words.
    Without(u32),
}

#[derive(Default)]
struct Sums {
    seats: u64,
    agreed: u64,
    utility: i128,
    from_front: i128,
    from_nash: i128,
    with_nash: u64,
}

impl Sums {
    fn standing(self, protocol: Profile, manner: Manner) -> StrategyStanding {
        let mean =
            |sum: i128, count: u64| i64::try_from(sum.checked_div(i128::from(count)).unwrap_or(0)).unwrap_or(i64::MAX);
        StrategyStanding {
            protocol,
            manner,
            seats: self.seats,
            agreed_ppm: mean(i128::from(self.agreed) * 1_000_000, self.seats),
            utility_ppm: mean(self.utility, self.seats),
            from_front_ppm: mean(self.from_front, self.agreed),
            from_nash_ppm: mean(self.from_nash, self.with_nash),
        }
    }
}

/// Ranks the strategies of each protocol by what they got.
pub(super) fn ranked(gathering: &Gathering, endings: &BTreeMap<DealId, Ending>) -> Vec<StrategyStanding> {
    let mut sums: BTreeMap<(Profile, Manner), Sums> = BTreeMap::new();
    for meeting in &gathering.meetings {
        if let Some(ending) = endings.get(&meeting.deal) {
            count(meeting, ending, &mut sums);
        }
    }
    let standing = |((protocol, manner), sums): (_, Sums)| sums.standing(protocol, manner);
    let mut ranked: Vec<StrategyStanding> = sums.into_iter().map(standing).collect();
    ranked.sort_by_key(|row| (row.protocol, Reverse(row.utility_ppm), row.manner));
    ranked
}

fn count(meeting: &Meeting, ending: &Ending, sums: &mut BTreeMap<(Profile, Manner), Sums>) {
    let Ending::Agreed { outcome, between, .. } = ending else {
        return meeting.seats.iter().for_each(|seat| {
            let sum = sums.entry((meeting.profile(), seat.manner)).or_default();
            sum.seats += 1;
            sum.utility += i128::from(seat.preferences.reserved_ppm);
        });
    };
    // Front and Nash point are those of the parties who agreed.
    let agreed: Vec<&Seat> = meeting.seats.iter().filter(|seat| between.contains(&seat.agent)).collect();
    let wishes: Vec<_> = agreed.iter().map(|seat| seat.preferences.clone()).collect();
    let worths: Vec<i64> = wishes.iter().map(|wish| wish.utility.of(outcome)).collect();
    let known = figure(&meeting.space, &wishes);
    let (front, nash) = (known.from_front_ppm(&worths).unwrap_or(0), known.from_nash_ppm(&worths));
    for seat in &meeting.seats {
        let sum = sums.entry((meeting.profile(), seat.manner)).or_default();
        sum.seats += 1;
        if !between.contains(&seat.agent) {
            sum.utility += i128::from(seat.preferences.reserved_ppm);
            continue;
        }
        sum.utility += i128::from(seat.preferences.utility.of(outcome));
        sum.agreed += 1;
        sum.from_front += i128::from(front);
        sum.from_nash += i128::from(nash.unwrap_or(0));
        sum.with_nash += u64::from(nash.is_some());
    }
}

/// Names what was agreed on, everywhere.
pub(super) fn outcomes(endings: &BTreeMap<DealId, Ending>) -> Hash {
    let mut told = String::new();
    for (deal, ending) in endings {
        let outcome = match ending {
            Ending::Agreed { outcome, words, between } => {
                let between: Vec<&str> = between.iter().map(AgentId::as_str).collect();
                format!("{outcome:?} {words} {}", between.join(" "))
            }
            Ending::Without(words) => format!("none {words}"),
        };
        told.push_str(&format!("{deal} {outcome}\n"));
    }
    Hash::of(told.as_bytes())
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = |count: usize| {
            #[allow(clippy::cast_precision_loss)] // for people
            let count = count as f64;
            if self.seconds > 0.0 { count / self.seconds } else { 0.0 }
        };
        let ended = self.agreements + self.without;
        writeln!(f, "seed        {}", self.seed)?;
        writeln!(f, "agents      {}, {} of them in Python", self.agents, self.python)?;
        writeln!(
            f,
            "meetings    {}: {} agreed, {} ended without, {} unfinished",
            self.meetings, self.agreements, self.without, self.unfinished
        )?;
        writeln!(f, "words       {}, {} more refused", self.words, self.refused)?;
        writeln!(f, "took        {:.1} s, {:.0} negotiations a second", self.seconds, per_second(ended))?;
        writeln!(f, "outcomes    {}", self.outcomes)?;
        for error in &self.errors {
            writeln!(f, "error       {error}")?;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["PROTOCOL", "STRATEGY", "SEATS", "AGREED", "MEAN UTILITY", "FROM PARETO", "FROM NASH"]);
        for row in &self.strategies {
            #[allow(clippy::cast_precision_loss)] // for people
            let share = |ppm: i64| format!("{:.3}", ppm as f64 / 1e6);
            let name = serde_json::to_value(row.manner).ok().and_then(|name| name.as_str().map(str::to_owned));
            table.add_row([
                row.protocol.to_string(),
                name.unwrap_or_default(),
                row.seats.to_string(),
                share(row.agreed_ppm),
                share(row.utility_ppm),
                share(row.from_front_ppm),
                share(row.from_nash_ppm),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
        write!(f, "\n{}", lines.join("\n"))
    }
}
