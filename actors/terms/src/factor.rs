//! Time and risk as two whole numbers.
//!
//! D = 1 / (1 + rate·days/365) discounts with simple interest, days counted from the terms' expiry to the
//! due date. What a party receives with probability p counts φ⁺ = ⌊10⁹·D·p·(1 − ρ·(1 − p))⌋, a certainty
//! equivalent that rises with p for every ρ in [0, 1]; what it gives counts φ⁻ = ⌈10⁹·D⌉. Each is rounded
//! once, against the party, so that whoever computes it again gets the same whole number and nobody is
//! told that it gains when it does not.

use schemas::Rational;
use schemas::body::Refused;
use schemas::value::Outlook;

use crate::error::TermsError;
use crate::exact::Exact;
use crate::kind::defaults;

/// Parts in a billion: the whole.
pub const PPB: i64 = 1_000_000_000;

const DAY_MS: i128 = 24 * 60 * 60 * 1000;
const YEAR_DAYS: i64 = 365;

/// φ⁺ and φ⁻ of a party for one due date, in units of 10⁻⁹.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factors {
    /// φ⁺, from 0 to 10⁹: what a unit received counts.
    pub receipt_ppb: i64,
    /// φ⁻, from 1 to 10⁹: what a unit given counts.
    pub giving_ppb: i64,
}

impl Factors {
    /// Now, and for certain.
    pub const UNIT: Self = Self { receipt_ppb: PPB, giving_ppb: PPB };

    /// The factors of a party with this outlook for goods due in so many whole days.
    ///
    /// # Errors
    /// [`TermsError::Stated`] when the outlook breaks its rules (a negative rate, p or ρ outside [0, 1]).
    pub fn of(outlook: &Outlook, days: u64) -> Result<Self, TermsError> {
        outlook.check("outlook")?;
        let usual = defaults(outlook.kind);
        let rate = Exact::from(outlook.rate.unwrap_or(usual.rate));
        let aversion = Exact::from(outlook.risk_aversion.unwrap_or(usual.risk_aversion));
        let arrival = Exact::from(outlook.arrival.unwrap_or(Rational::ONE));
        let one = Exact::from(1);

        let days = i64::try_from(days).map_err(|_| TermsError::Overflow("the number of days"))?;
        let interest = rate.scaled(days, YEAR_DAYS);
        // At least 1, since the rate is not negative.
        let discount = (&one + &interest).inverse().ok_or(TermsError::Overflow("the discount factor"))?;
        let certainty = arrival.product(&(&one - &aversion.product(&(&one - &arrival))));
        Ok(Self {
            receipt_ppb: discount.product(&certainty).times(PPB).floor("a receipt's factor")?,
            giving_ppb: discount.times(PPB).ceil("a gift's factor")?,
        })
    }

    pub(crate) fn check(self) -> Result<(), TermsError> {
        let sound = (0..=PPB).contains(&self.receipt_ppb) && (1..=PPB).contains(&self.giving_ppb);
        if sound {
            Ok(())
        } else {
            Err(Refused::new("factors", "must be parts of a billion, and giving at least one").into())
        }
    }
}

/// Whole days from the terms' expiry to a due date, at least 0.
#[must_use]
pub fn days_between(expires_unix_ms: i64, due_unix_ms: i64) -> u64 {
    let days = (i128::from(due_unix_ms) - i128::from(expires_unix_ms)) / DAY_MS;
    u64::try_from(days).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::value::PartyKind;

    use super::*;

    fn outlook(rate: &str, aversion: &str, arrival: &str) -> Outlook {
        let read = |text: &str| Some(text.parse().unwrap());
        Outlook { rate: read(rate), risk_aversion: read(aversion), arrival: read(arrival), ..Outlook::default() }
    }

    #[test]
    fn now_and_for_certain_is_the_whole_for_every_kind() {
        for kind in [PartyKind::Government, PartyKind::Corporate, PartyKind::Ngo, PartyKind::Civilian] {
            assert_eq!(Factors::of(&Outlook { kind, ..Outlook::default() }, 0), Ok(Factors::UNIT), "{kind}");
        }
    }

    #[test]
    fn by_hand() {
        // D = 1 / (1 + 1/10) = 10/11; 10⁹·10/11 = 909 090 909.09…: down for receipts, up for gifts.
        let sure = Factors::of(&outlook("1/10", "0", "1"), 365).unwrap();
        assert_eq!(sure, Factors { receipt_ppb: 909_090_909, giving_ppb: 909_090_910 });
        // p = 4/5, ρ = 1/2: 4/5·(1 − 1/2·1/5) = 18/25 = 0.72; no interest.
        let risky = Factors::of(&outlook("0", "1/2", "4/5"), 3650).unwrap();
        assert_eq!(risky, Factors { receipt_ppb: 720_000_000, giving_ppb: PPB });
        // Both: 10/11·18/25 = 36/55; 10⁹·36/55 = 654 545 454.54…
        assert_eq!(Factors::of(&outlook("1/10", "1/2", "4/5"), 365).unwrap().receipt_ppb, 654_545_454);
        // ρ = 1: p². Nothing that never arrives is worth anything.
        assert_eq!(Factors::of(&outlook("0", "1", "1/2"), 0).unwrap().receipt_ppb, 250_000_000);
        assert_eq!(Factors::of(&outlook("0", "0", "0"), 0).unwrap().receipt_ppb, 0);
        // The default of a company: 8 %, 73 days are a fifth of a year: D = 1/(1 + 2/125) = 125/127.
        let company = Factors::of(&Outlook::default(), 73).unwrap();
        assert_eq!(company, Factors { receipt_ppb: 984_251_968, giving_ppb: 984_251_969 });
    }

    #[test]
    fn what_the_contract_refuses_is_refused_here_too() {
        assert!(
            matches!(Factors::of(&outlook("-1/10", "0", "1"), 1), Err(TermsError::Stated(r)) if r.field == "outlook.rate")
        );
        assert!(
            matches!(Factors::of(&outlook("0", "0", "3/2"), 1), Err(TermsError::Stated(r)) if r.field == "outlook.arrival")
        );
        assert_eq!(Factors::of(&Outlook::default(), u64::MAX), Err(TermsError::Overflow("the number of days")));
    }

    #[test]
    fn days_are_whole_and_never_negative() {
        let day = 86_400_000;
        assert_eq!(days_between(5, 5 + day - 1), 0);
        assert_eq!(days_between(5, 5 + day), 1);
        assert_eq!(days_between(5 + 3 * day, 5), 0);
        assert_eq!(days_between(i64::MIN, i64::MAX), 213_503_982_334);
        assert_eq!(days_between(i64::MAX, i64::MIN), 0);
    }

    fn unit() -> impl Strategy<Value = Rational> {
        (1i128..=1_000_000)
            .prop_flat_map(|bottom| (0..=bottom, Just(bottom)))
            .prop_map(|(top, bottom)| Rational::new(top, bottom).unwrap())
    }

    proptest! {
        #[test]
        fn receipts_count_more_the_likelier_they_are(p in unit(), q in unit(), aversion in unit(), days in 0u64..4000) {
            let of = |arrival| {
                Factors::of(&Outlook { risk_aversion: Some(aversion), arrival: Some(arrival), ..Outlook::default() }, days).unwrap()
            };
            let (less, more) = (of(p.min(q)), of(p.max(q)));
            prop_assert!(less.receipt_ppb <= more.receipt_ppb);
            prop_assert_eq!(less.giving_ppb, more.giving_ppb);
        }

        #[test]
        fn factors_are_parts_of_the_whole_and_rounding_is_against_the_party(
            p in unit(), aversion in unit(), rate in unit(), days in 0u64..1_000_000,
        ) {
            let outlook = Outlook { rate: Some(rate), risk_aversion: Some(aversion), arrival: Some(p), ..Outlook::default() };
            let Factors { receipt_ppb, giving_ppb } = Factors::of(&outlook, days).unwrap();
            prop_assert!((0..=PPB).contains(&receipt_ppb));
            prop_assert!((1..=PPB).contains(&giving_ppb));
            prop_assert!(receipt_ppb <= giving_ppb);
        }

        #[test]
        fn later_never_counts_more(rate in unit(), early in 0u64..10_000, wait in 0u64..10_000) {
            let outlook = Outlook { rate: Some(rate), ..Outlook::default() };
            let (now, then) = (Factors::of(&outlook, early).unwrap(), Factors::of(&outlook, early + wait).unwrap());
            prop_assert!(then.receipt_ppb <= now.receipt_ppb && then.giving_ppb <= now.giving_ppb);
        }
    }
}
