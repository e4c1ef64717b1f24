//! `trade_balance.value`: what terms are worth to each party.

use schemas::ErrorReply;
use schemas::core::{Call, Core};
use schemas::value::{PartyWorth, ValueReply, ValueRequest};
use terms::{TermsError, Worth, appraise, welfare_minor};

use crate::SERVICE;

/// Says what terms are worth to each party, and whether everyone gains.
#[derive(Debug, Clone, Copy, Default)]
pub struct Value;

impl Core for Value {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "value";
    type Request = ValueRequest;
    type Reply = ValueReply;

    fn handle(&self, request: ValueRequest, _: &Call) -> Result<ValueReply, ErrorReply> {
        let worths = appraise(&request.terms, &request.valuations)?;
        let parties = worths.iter().map(Worth::to_wire).collect::<Result<Vec<PartyWorth>, TermsError>>()?;
        let welfare_minor = welfare_minor(&parties)?;
        Ok(ValueReply { win_win: worths.iter().all(Worth::is_satisfied), parties, welfare_minor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{barter, states};

    fn ask(margins: [i64; 2]) -> Result<ValueReply, ErrorReply> {
        // kenya's 100 tea cost it 9 to 11 and are worth 14 to angola, whose 50 oil cost 20 and are worth 25 to 27.
        let [kenya, angola] = margins;
        let valuations = vec![
            states("kenya", kenya, &[("oil", "25", "27")], &[("tea", "9", "11")]),
            states("angola", angola, &[("tea", "14", "14")], &[("oil", "20", "20")]),
        ];
        Value.handle(ValueRequest { terms: barter(100, 50), valuations }, &Call::default())
    }

    #[test]
    fn both_gain() {
        // angola: 1400 − 1000; kenya: 26·50 − 10·100 central, 25·50 − 11·100 at worst.
        let reply = ask([100_000, 400_000]).unwrap();
        let shown: Vec<_> = reply
            .parties
            .iter()
            .map(|p| (p.party.as_str(), p.received_minor, p.given_minor, p.gain_minor, p.worst_gain_minor, p.satisfied))
            .collect();
        assert_eq!(shown, [("angola", 1400, 1000, 400, 400, true), ("kenya", 1300, 1000, 300, 150, true)]);
        assert_eq!((reply.win_win, reply.welfare_minor), (true, 700));
    }

    #[test]
    fn one_who_asks_for_more_is_not_satisfied_and_gains_no_less() {
        // 1250 ≥ (1 + μ)·1100 up to μ = 15/110 = 136363.6… ppm.
        assert!(ask([136_363, 0]).unwrap().win_win);
        let reply = ask([136_364, 0]).unwrap();
        assert_eq!((reply.win_win, reply.welfare_minor), (false, 700));
        assert_eq!(reply.parties.iter().map(|p| p.satisfied).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_refused_by_its_rule() {
        let dear = "9223372036854775807";
        let valuations = vec![
            states("kenya", 0, &[("oil", dear, dear)], &[("tea", "1", "1")]),
            states("angola", 0, &[("tea", "1", "1")], &[("oil", "1", "1")]),
        ];
        let error = Value.handle(ValueRequest { terms: barter(1, 2), valuations }, &Call::default()).unwrap_err();
        assert_eq!((error.code, error.rule.as_deref()), (422, Some("overflow")));
    }

    #[test]
    fn who_gives_without_a_cost_is_named() {
        let valuations = vec![states("kenya", 0, &[], &[("tea", "1", "1")]), states("angola", 0, &[], &[])];
        let error = Value.handle(ValueRequest { terms: barter(1, 2), valuations }, &Call::default()).unwrap_err();
        assert_eq!((error.code, error.rule.as_deref()), (422, Some("no_cost")));
        assert!(error.message.contains("angola") && error.message.contains("oil"), "{error}");
    }
}
