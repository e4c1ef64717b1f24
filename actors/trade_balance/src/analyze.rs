//! `trade_balance.analyze`: each party's gain taken apart, and who is not satisfied.

use schemas::ErrorReply;
use schemas::core::{Call, Core, Monotonic, Stopwatch};
use schemas::value::{AnalyzeReply, AnalyzeRequest, Component, PartyAnalysis};
use terms::{TermsError, Worth, appraise, welfare_minor};

use crate::SERVICE;
use crate::mend::mend;
use crate::patience::Patience;

/// Says who gains what, transfer by transfer, what those who are not satisfied lack, and which least change of the
/// terms would satisfy everyone. Where time ends before that is known, the rest is answered, and that it ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Analyze<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Analyze<S> {
    /// A core that tells the time by `stopwatch`.
    pub fn with(stopwatch: S) -> Self {
        Self { stopwatch }
    }
}

impl<S: Stopwatch> Core for Analyze<S> {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "analyze";
    type Request = AnalyzeRequest;
    type Reply = AnalyzeReply;

    fn handle(&self, request: AnalyzeRequest, call: &Call) -> Result<AnalyzeReply, ErrorReply> {
        let patience = Patience::of_call(self.stopwatch.start(), call);
        let worths = appraise(&request.terms, &request.valuations)?;
        // Of several that gain as little, the first by id; the contract has terms name two parties at least.
        let least =
            worths.iter().reduce(|least, next| if next.worst_gain() < least.worst_gain() { next } else { least });
        let least_satisfied = match least {
            Some(worth) => worth.party.clone(),
            None => return Err(ErrorReply::refused("no_parties", "the terms name no party").at_field("terms.parties")),
        };
        let parties = worths.iter().map(taken_apart).collect::<Result<Vec<_>, TermsError>>()?;
        let totals: Vec<_> = parties.iter().map(|party| party.worth.clone()).collect();
        let unsatisfied: Vec<_> = worths.iter().filter(|w| !w.is_satisfied()).map(|w| w.party.clone()).collect();
        let mend = if unsatisfied.is_empty() {
            None
        } else {
            Some(mend(&request.terms, &request.valuations, request.room.as_ref(), &patience)?)
        };
        Ok(AnalyzeReply {
            win_win: unsatisfied.is_empty(),
            mend,
            welfare_minor: welfare_minor(&totals)?,
            parties,
            unsatisfied,
            least_satisfied,
        })
    }
}

fn taken_apart(worth: &Worth) -> Result<PartyAnalysis, TermsError> {
    let component = |part: &terms::Part| {
        Ok(Component {
            transfer: u32::try_from(part.transfer).map_err(|_| TermsError::Overflow("a transfer's index"))?,
            good: part.good.clone(),
            gain_minor: part.gain().floor("what a transfer adds")?,
            factor_ppb: part.factor_ppb,
        })
    };
    let slack = worth.slack();
    let short_by_minor = if slack.is_negative() { Some((-&slack).ceil("what a party lacks")?) } else { None };
    Ok(PartyAnalysis {
        worth: worth.to_wire()?,
        components: worth.parts.iter().map(component).collect::<Result<_, TermsError>>()?,
        short_by_minor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{barter, states};

    fn ask(kenya_margin: i64) -> AnalyzeReply {
        let valuations = vec![
            states("kenya", kenya_margin, &[("oil", "25", "27")], &[("tea", "9", "21/2")]),
            states("angola", 0, &[("tea", "31/3", "31/3")], &[("oil", "20", "20")]),
        ];
        <Analyze>::default()
            .handle(AnalyzeRequest { terms: barter(100, 50), valuations, room: None }, &Call::default())
            .unwrap()
    }

    #[test]
    fn gains_come_apart_and_rounding_is_against_the_party() {
        let reply = ask(0);
        let parts: Vec<_> = reply
            .parties
            .iter()
            .flat_map(|p| &p.components)
            .map(|c| (c.transfer, c.good.as_str(), c.gain_minor, c.factor_ppb))
            .collect();
        // angola receives 100·31/3 = 1033.33… and gives 1000; kenya gives 100·9.75 and receives 1300.
        assert_eq!(
            parts,
            [
                (0, "tea", 1033, 1_000_000_000),
                (1, "oil", -1000, 1_000_000_000),
                (0, "tea", -975, 1_000_000_000),
                (1, "oil", 1300, 1_000_000_000),
            ]
        );
        assert!(reply.win_win && reply.unsatisfied.is_empty());
        assert_eq!((reply.least_satisfied.as_str(), reply.welfare_minor), ("angola", 33 + 325));
        assert!(reply.parties.iter().all(|p| p.short_by_minor.is_none()));
    }

    #[test]
    fn what_a_party_lacks_would_just_satisfy_it() {
        // kenya asks for 20 % over 1050 at worst, 1260, and receives 1250 at worst: 10 short.
        let reply = ask(200_000);
        assert_eq!(reply.unsatisfied.iter().map(|a| a.as_str()).collect::<Vec<_>>(), ["kenya"]);
        assert_eq!(reply.parties.iter().map(|p| p.short_by_minor).collect::<Vec<_>>(), [None, Some(10)]);
        assert_eq!(reply.least_satisfied.as_str(), "angola", "wanting more is not gaining less");
        // A millionth more asked for, 0.00105 more lacked: a whole unit more would be needed.
        assert_eq!(ask(200_001).parties[1].short_by_minor, Some(11));
    }
}
