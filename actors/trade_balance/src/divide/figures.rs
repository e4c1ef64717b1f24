//! How even a division is: what every answer reports besides the shares.

use num_bigint::BigInt;
use schemas::AgentId;
use schemas::limit::PPM;
use schemas::ratio::Ratio;

/// Most parties whose gains are multiplied out.
const MOST_FACTORS: usize = 64;

/// Gini's coefficient of the gains in parts per million, rounded down; losses count as 0, and where nobody gains
/// anything it is 0. Σ (2k − n − 1)·g_k / (n·Σ g) over the gains in rising order.
pub(super) fn gini_ppm(gains: &[i64]) -> i64 {
    let mut rising: Vec<i128> = gains.iter().map(|gain| i128::from((*gain).max(0))).collect();
    rising.sort_unstable();
    let parties = rising.len() as i128;
    let sum: i128 = rising.iter().sum();
    let weighed: i128 = rising.iter().zip(1_i128..).map(|(gain, rank)| (2 * rank - parties - 1) * gain).sum();
    // At most 10⁴ gains of 63 bits: the products fit.
    let below = parties * sum;
    if below == 0 { 0 } else { i64::try_from(weighed * i128::from(PPM) / below).unwrap_or(PPM) }
}

/// The product of the gains, 0 where anyone gains nothing; `None` for more than [`MOST_FACTORS`] parties.
pub(super) fn nash_product(gains: &[i64]) -> Option<Ratio> {
    if gains.len() > MOST_FACTORS {
        return None;
    }
    Ratio::new(product(gains), BigInt::from(1))
}

fn product(gains: &[i64]) -> BigInt {
    gains.iter().map(|gain| BigInt::from((*gain).max(0))).product()
}

/// The geometric mean of the gains, rounded down. For more than [`MOST_FACTORS`] parties it is computed in floats: it
/// reports, and decides nothing.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
pub(super) fn nash_mean(gains: &[i64]) -> i64 {
    if gains.iter().any(|gain| *gain <= 0) {
        return 0;
    }
    match u32::try_from(gains.len()) {
        Ok(parties) if parties > 0 && gains.len() <= MOST_FACTORS => {
            i64::try_from(product(gains).nth_root(parties)).unwrap_or(i64::MAX)
        }
        _ => {
            let logs: f64 = gains.iter().map(|gain| (*gain as f64).ln()).sum();
            // A little up, so that what is whole stays so.
            ((logs / gains.len().max(1) as f64).exp() * (1.0 + 1e-12)) as i64
        }
    }
}

/// Who has the least: of those with a best, the least part of it, else the least gain; the first by id of several.
pub(super) fn least_satisfied<'a>(
    shares: impl Iterator<Item = (&'a AgentId, i64, Option<i64>)>,
) -> Option<&'a AgentId> {
    // Parts are compared as cross products: gain/best < gain'/best'.
    let mut least: Option<(&AgentId, i128, i128)> = None;
    for (party, gain, best) in shares {
        let best = match best {
            Some(best) if best <= 0 => continue,
            Some(best) => i128::from(best),
            None => 1,
        };
        let gain = i128::from(gain);
        let is_less = least.is_none_or(|(other, most, of)| {
            let (mine, others) = (gain * of, most * best);
            mine < others || (mine == others && party < other)
        });
        if is_less {
            least = Some((party, gain, best));
        }
    }
    least.map(|(party, ..)| party)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenness_by_hand() {
        assert_eq!(gini_ppm(&[5, 5, 5]), 0);
        // One has all of it: (n − 1)/n.
        assert_eq!(gini_ppm(&[0, 0, 0, 12]), 750_000);
        // (−2·1 + 0·2 + 2·3)/(3·6) = 4/18.
        assert_eq!(gini_ppm(&[3, 1, 2]), 222_222);
        assert_eq!((gini_ppm(&[]), gini_ppm(&[-4, 0])), (0, 0));
        assert_eq!(gini_ppm(&[i64::MAX; 3]), 0);
    }

    #[test]
    fn products_and_means() {
        assert_eq!(nash_product(&[2, 3, 7]).unwrap().to_string(), "42");
        assert_eq!(nash_product(&[i64::MAX; 64]).unwrap().numerator().bits(), 63 * 64);
        assert_eq!(nash_product(&[2, -3, 7]).unwrap().to_string(), "0");
        assert!(nash_product(&[1; 65]).is_none());
        assert_eq!((nash_mean(&[2, 3, 7]), nash_mean(&[8, 27]), nash_mean(&[1, 0])), (3, 14, 0));
        assert_eq!(nash_mean(&[1000; 100]), 1000);
    }

    #[test]
    fn least_by_part_then_by_id() {
        let [a, b, c] = ["a", "b", "c"].map(|name| AgentId::parse(name).unwrap());
        let of = |shares: &[(&AgentId, i64, Option<i64>)]| {
            least_satisfied(shares.iter().map(|(p, g, b)| (*p, *g, *b))).map(ToString::to_string)
        };
        assert_eq!(of(&[(&b, 5, Some(10)), (&a, 4, Some(8)), (&c, 0, Some(0))]).as_deref(), Some("a"));
        assert_eq!(of(&[(&b, 5, None), (&a, 6, None)]).as_deref(), Some("b"));
        assert_eq!(of(&[]), None);
    }
}
