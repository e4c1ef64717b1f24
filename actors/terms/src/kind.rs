//! What a kind of party takes for granted when it states nothing else.
//!
//! Defaults, not findings: a party that knows better states its own weights, rate and risk aversion. They
//! bear only on what they are about: with goods due on the day that the terms expire the rate is idle, with
//! certain arrival the risk aversion is, and with unit values given directly the weights are.

use schemas::Rational;
use schemas::value::{PartyKind, Weights};

/// The weights, discount rate and risk aversion of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// Weights of the value dimensions, in parts per million.
    pub weights: Weights,
    /// Discount rate a year.
    pub rate: Rational,
    /// Risk aversion ρ in [0, 1].
    pub risk_aversion: Rational,
}

/// The table: kind; weights (economic, social, environmental, security); rate; risk aversion.
///
/// | kind | weights, % | rate | ρ | why |
/// |---|---|---|---|---|
/// | `government` | 40, 25, 15, 20 | 7/200 | 0 | the social time preference rate of the British Treasury's Green Book, 3.5 %; a state that spreads a risk over all is neutral to it (Arrow and Lind, 1970) |
/// | `corporate` | 100, 0, 0, 0 | 2/25 | 1/10 | money alone, at a round cost of capital |
/// | `ngo` | 20, 40, 35, 5 | 1/25 | 1/5 | its purpose first, patient, with little to absorb a loss |
/// | `civilian` | 55, 25, 10, 10 | 1/10 | 1/2 | borrows dearly, and feels a loss most |
#[must_use]
pub fn defaults(kind: PartyKind) -> Defaults {
    let ratio = |top, bottom| Rational::new(top, bottom).unwrap_or(Rational::ZERO);
    let of = |[economic, social, environmental, security]: [i64; 4], rate, risk_aversion| Defaults {
        weights: Weights {
            economic_ppm: economic * 10_000,
            social_ppm: social * 10_000,
            environmental_ppm: environmental * 10_000,
            security_ppm: security * 10_000,
        },
        rate,
        risk_aversion,
    };
    match kind {
        PartyKind::Government => of([40, 25, 15, 20], ratio(7, 200), Rational::ZERO),
        PartyKind::Corporate => of([100, 0, 0, 0], ratio(2, 25), ratio(1, 10)),
        PartyKind::Ngo => of([20, 40, 35, 5], ratio(1, 25), ratio(1, 5)),
        PartyKind::Civilian => of([55, 25, 10, 10], ratio(1, 10), ratio(1, 2)),
    }
}

#[cfg(test)]
mod tests {
    use schemas::value::Outlook;

    use super::*;

    #[test]
    fn what_every_kind_takes_for_granted_could_have_been_stated() {
        for kind in [PartyKind::Government, PartyKind::Corporate, PartyKind::Ngo, PartyKind::Civilian] {
            let Defaults { weights, rate, risk_aversion } = defaults(kind);
            let stated = Outlook {
                kind,
                rate: Some(rate),
                risk_aversion: Some(risk_aversion),
                arrival: None,
                weights: Some(weights),
            };
            assert_eq!(stated.check("outlook"), Ok(()), "{kind}");
            assert!(rate > Rational::ZERO, "{kind}");
        }
    }
}
