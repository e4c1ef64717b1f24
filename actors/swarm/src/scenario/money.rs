//! Exact numbers for scenarios: decimals as a table writes them, and prices some parts per million off.

use schemas::Rational;
use schemas::limit::PPM;
use schemas::value::Bounds;

/// Millionths: six places after the point are enough for every table that we know, and more are refused.
const PLACES: usize = 6;
const UNIT: i128 = 1_000_000;

/// A decimal number of a table, in millionths. An empty cell is nought.
///
/// # Errors
/// When it is no plain decimal number, negative, or too long.
pub(super) fn millionths(text: &str) -> Result<i128, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(0);
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err("must be a decimal number, not negative");
    }
    if whole.len() > 18 || part.trim_end_matches('0').len() > PLACES {
        return Err("at most 18 digits before and 6 after the point");
    }
    let part = format!("{:0<PLACES$}", part.trim_end_matches('0'));
    let number = |text: &str| text.parse::<i128>().map_err(|_| "must be a decimal number");
    Ok(number(whole)? * UNIT + number(&part)?)
}

/// Whole units of an amount in millionths, the rest cut off.
pub(super) fn whole_units(millionths: i128) -> Option<i64> {
    i64::try_from(millionths / UNIT).ok()
}

/// The interval of `bounds_ppm` on both sides of `price` and `off_ppm`.
pub(super) fn bounds(price: Rational, off_ppm: i64, bounds_ppm: i64) -> Option<Bounds> {
    let factor = i128::from(PPM) + i128::from(off_ppm);
    let end = |side: i64| scaled(price, &[factor, i128::from(PPM) + i128::from(side)]);
    Some(Bounds { lo: end(-bounds_ppm)?, hi: end(bounds_ppm)? })
}

fn scaled(price: Rational, factors: &[i128]) -> Option<Rational> {
    let mut top = i128::from(price.numerator());
    let mut bottom = i128::from(price.denominator());
    for factor in factors {
        // Reduced each time, so that the products stay within bounds for as long as the result does.
        let reduced = reduce(top.checked_mul(*factor)?, bottom.checked_mul(i128::from(PPM))?);
        (top, bottom) = reduced;
    }
    Rational::new(top, bottom)
}

fn reduce(top: i128, bottom: i128) -> (i128, i128) {
    let (mut a, mut b) = (top.unsigned_abs(), bottom.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let divisor = i128::try_from(a.max(1)).unwrap_or(1);
    (top / divisor, bottom / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        assert_eq!(millionths("45.2"), Ok(45_200_000));
        assert_eq!(millionths(" 7 "), Ok(7_000_000));
        assert_eq!(millionths(""), Ok(0));
        assert_eq!(millionths("0.100000000"), Ok(100_000));
        for bad in ["-1", "1e3", "1,5", ".", "1.", "nan", "0.0000001", "1234567890123456789"] {
            assert!(millionths(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bounds_lie_around_what_is_off() {
        let price = Rational::whole(200);
        let Bounds { lo, hi } = bounds(price, 100_000, 10_000).unwrap();
        assert_eq!((lo.to_string(), hi.to_string()), ("1089/5".to_owned(), "1111/5".to_owned()));
        assert_eq!(bounds(price, -50_000, 0).unwrap(), Bounds::exactly(Rational::whole(190)));
    }
}
