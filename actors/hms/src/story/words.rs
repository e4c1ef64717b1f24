//! Goods, amounts and prices as people read them.

use schemas::{
    Good,
    deal::Transfer,
    market::{Intent, Market},
    value::Bounds,
};
use serde::Serialize;

/// What a market calls things; without a declaration, amounts are in minor units that nobody named.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'a> {
    pub(super) market: Option<&'a Market>,
}

impl Words<'_> {
    /// So much of a good: `1,200 tonne of wheat`.
    pub(super) fn amount(&self, quantity: i64, good: &Good) -> String {
        match self.market.and_then(|market| market.good(good)) {
            Some(spec) => format!("{} {} of {good}", grouped(quantity), spec.unit),
            None => format!("{} {good}", grouped(quantity)),
        }
    }

    /// What goes from whom to whom.
    pub(super) fn transfers(&self, transfers: &[Transfer]) -> String {
        let each = |transfer: &Transfer| {
            let Transfer { from, to, good, quantity, .. } = transfer;
            format!("{from} → {to} {}", self.amount(quantity.get(), good))
        };
        listed(&transfers.iter().map(each).collect::<Vec<_>>(), "nothing yet")
    }

    /// What an intent gives and wants, and at which prices for a minor unit.
    pub(super) fn offer(&self, intent: &Intent) -> String {
        let gives: Vec<String> = intent
            .gives
            .iter()
            .map(|give| format!("{} from {}", self.amount(give.limit.get(), &give.good), price(&give.cost)))
            .collect();
        let wants: Vec<String> = intent
            .wants
            .iter()
            .map(|want| {
                let ways = want.any_of.iter();
                let ways =
                    ways.map(|way| format!("{} to {}", self.amount(way.limit.get(), &way.good), price(&way.value)));
                ways.collect::<Vec<_>>().join(" or ")
            })
            .collect();
        let account = self.market.map_or_else(String::new, |market| format!(" (prices in {})", market.unit_of_account));
        format!("offers up to {} for up to {}{account}", listed(&gives, "nothing"), listed(&wants, "nothing"))
    }
}

fn price(bounds: &Bounds) -> String {
    if bounds.lo == bounds.hi { bounds.lo.to_string() } else { format!("{}…{}", bounds.lo, bounds.hi) }
}

/// Things one after the other; `none` where there are none.
pub(super) fn listed(things: &[String], none: &str) -> String {
    if things.is_empty() { none.to_owned() } else { things.join(", ") }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        shown.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The word that the wire has for something.
pub(super) fn word_of(thing: &impl Serialize) -> String {
    serde_json::to_value(thing).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, shown) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-12_345, "-12,345"),
            (1_234_567, "1,234,567"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(grouped(number), shown);
        }
    }
}
