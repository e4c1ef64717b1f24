//! `trade_balance.return`: the weighted agreement return, a figure for reports.
//!
//! Σ wᵢ·(outcomeᵢ − baselineᵢ) / |baselineᵢ| over indicators whose weights and units are declared: how much better than
//! its baseline an agreement does, by the weights of whoever asks. It compares nothing but what it was given, and no
//! core decides anything by it.

use schemas::ErrorReply;
use schemas::core::{Call, Core};
use schemas::limit::PPM;
use schemas::trade::{ReturnPart, ReturnReply, ReturnRequest};
use terms::{Exact, TermsError};

use crate::SERVICE;

/// Weighs an agreement's outcomes against their baselines.
#[derive(Debug, Clone, Copy, Default)]
pub struct AgreementReturn;

impl Core for AgreementReturn {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "return";
    type Request = ReturnRequest;
    type Reply = ReturnReply;

    fn handle(&self, request: ReturnRequest, _: &Call) -> Result<ReturnReply, ErrorReply> {
        let mut sum = Exact::zero();
        let mut parts = Vec::with_capacity(request.indicators.len());
        for indicator in &request.indicators {
            let baseline = Exact::from(indicator.baseline);
            let size = if baseline.is_negative() { -&baseline } else { baseline.clone() };
            let inverse = size.inverse().ok_or(TermsError::Overflow("what is compared with a baseline of 0"))?;
            let change = (&Exact::from(indicator.outcome) - &baseline).product(&inverse).times(PPM);
            let adds = change.millionths(indicator.weight_ppm);
            parts.push(ReturnPart {
                name: indicator.name.clone(),
                change_ppm: change.floor("an indicator's change")?,
                adds_ppm: adds.floor("what an indicator adds")?,
            });
            sum += &adds;
        }
        Ok(ReturnReply { return_ppm: sum.floor("the return")?, parts })
    }
}

#[cfg(test)]
mod tests {
    use schemas::trade::Indicator;

    use super::*;

    fn indicator(name: &str, baseline: &str, outcome: &str, weight_ppm: i64) -> Indicator {
        let [baseline, outcome] = [baseline, outcome].map(|number| number.parse().unwrap());
        Indicator { name: name.into(), unit: "of its own".into(), baseline, outcome, weight_ppm }
    }

    fn ask(indicators: Vec<Indicator>) -> ReturnReply {
        AgreementReturn.handle(ReturnRequest { indicators }, &Call::default()).unwrap()
    }

    #[test]
    fn by_hand() {
        // Exports +25 % at 0.6, emissions −10 % at −0.3, a deficit of 50 down to 40 (+20 %) at 0.1.
        let reply = ask(vec![
            indicator("exports", "400", "500", 600_000),
            indicator("emissions", "10", "9", -300_000),
            indicator("balance", "-50", "-40", 100_000),
        ]);
        assert_eq!(
            reply.parts.iter().map(|part| (part.change_ppm, part.adds_ppm)).collect::<Vec<_>>(),
            [(250_000, 150_000), (-100_000, 30_000), (200_000, 20_000)]
        );
        assert_eq!(reply.return_ppm, 200_000);
    }

    #[test]
    fn units_don_t_matter_and_nothing_changed_is_nothing() {
        let tonnes = ask(vec![indicator("wheat", "1/3", "1/2", 1_000_000)]);
        let grams = ask(vec![indicator("wheat", "1000000/3", "500000", 1_000_000)]);
        assert_eq!((tonnes.return_ppm, grams.return_ppm), (500_000, 500_000));
        assert_eq!(ask(vec![indicator("wheat", "7", "7", -1_000_000)]).return_ppm, 0);
    }
}
