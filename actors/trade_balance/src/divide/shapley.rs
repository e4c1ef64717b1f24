//! Shapley's value: each player's mean contribution over all orders in which they may come.
//!
//! Up to 16 players it is summed over all sets, exactly. Beyond, agreements and runways have closed forms for any
//! number of players, and for all else orders are drawn at random from the seed: in each order the contributions sum to
//! what all players together are worth, so the means do too. The interval around a mean comes from the normal
//! approximation, widened by what a rare large contribution that was never drawn could still add.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use schemas::ErrorReply;
use schemas::division::GameKind;
use schemas::limit::PPM;
use terms::Exact;

use super::game::{Function, Mask, players_of};
use crate::patience::Patience;

/// Fewer orders than this say nothing of how far their mean may be off.
const LEAST_ORDERS: u32 = 2;

/// The exact value, for as many players as a table of all sets has bits for.
pub(super) fn exact(function: &Function<'_>) -> Vec<Exact> {
    let players = function.players();
    let table = function.table();
    // A set of s others comes before a player in s!·(n − s − 1)! of n! orders. Worths of up to 80 bits and 16! of 45
    // leave room in 128.
    let factorial = |n: usize| (1..=n as i128).product::<i128>();
    let orders: Vec<i128> = (0..players).map(|others| factorial(others) * factorial(players - others - 1)).collect();
    let all = Exact::wide(factorial(players)).inverse().unwrap_or_else(Exact::zero);
    let value = |player: usize| {
        let bit = 1_usize << player;
        let mut sum = 0_i128;
        for (mask, worth) in table.iter().enumerate().filter(|(mask, _)| mask & bit == 0) {
            let with = table.get(mask | bit).copied().unwrap_or_default();
            sum += orders.get(mask.count_ones() as usize).copied().unwrap_or_default() * (with - worth);
        }
        Exact::wide(sum).product(&all)
    };
    (0..players).map(value).collect()
}

/// The exact value of games that have a closed form.
pub(super) fn closed(function: &Function<'_>) -> Option<Vec<Exact>> {
    let mut values = vec![Exact::zero(); function.players()];
    match function.game.kind {
        // Each agreement's worth is split evenly among its members.
        GameKind::Agreements => {
            // What each player's agreements are worth, by how many members they have: whole numbers.
            let mut sums = vec![vec![0_i128; values.len() + 1]; values.len()];
            for (mask, worth) in &function.listed {
                for player in players_of(*mask) {
                    *sums.get_mut(player)?.get_mut(mask.count_ones() as usize)? += i128::from(*worth);
                }
            }
            for (value, sums) in values.iter_mut().zip(sums) {
                for (sum, members) in sums.into_iter().zip(0_i64..).skip(1) {
                    *value += &Exact::wide(sum).product(&Exact::ratio(1, members)?);
                }
            }
        }
        // Each further stretch of the runway is split evenly among those who need it (Littlechild and Owen, 1973).
        GameKind::Largest => {
            let mut rising: Vec<(i64, usize)> = function.game.numbers.iter().copied().zip(0..).collect();
            rising.sort_unstable();
            let (mut before, mut paid) = (0, Exact::zero());
            let mut users = i64::try_from(rising.len()).ok()?;
            for (need, index) in rising {
                paid += &Exact::ratio(need - before, users)?;
                before = need;
                users -= 1;
                *values.get_mut(index)? = -&paid;
            }
        }
        _ => return None,
    }
    Some(values)
}

/// Means of sampled contributions.
pub(super) struct Sampled {
    /// How many orders were drawn.
    pub(super) orders: u32,
    /// By player; they sum to what all players together are worth.
    pub(super) means: Vec<Exact>,
    /// Half the width of the interval around each.
    pub(super) within: Vec<Exact>,
}

/// Draws orders of the players and takes the mean of what each adds where it comes. Where patience ends, those drawn by
/// then have to do.
#[allow(clippy::cast_precision_loss)]
pub(super) fn sampled(
    function: &Function<'_>,
    seed: u64,
    samples: u32,
    confidence_ppm: i64,
    patience: &Patience,
) -> Result<Sampled, ErrorReply> {
    let players = function.players();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..players).collect();
    let mut sums = vec![0_i128; players];
    // Mean and squared distances from it, by Welford's recurrence: floats, as they only say how wide an interval is.
    let mut spread = vec![(0.0_f64, 0.0_f64); players];
    let mut largest = 0.0_f64;
    let mut orders = 0;
    for drawn in 1..=samples {
        if patience.is_over() {
            break;
        }
        // Fisher and Yates.
        for last in (1..players).rev() {
            order.swap(last, below(&mut random, last + 1));
        }
        let (mut walk, mut before) = (Walk::default(), 0_i128);
        for player in &order {
            let now = walk.worth_with(function, *player);
            let added = now - before;
            before = now;
            if let (Some(sum), Some((mean, squares))) = (sums.get_mut(*player), spread.get_mut(*player)) {
                *sum += added;
                let by = added as f64 - *mean;
                *mean += by / f64::from(drawn);
                *squares += by * (added as f64 - *mean);
                largest = largest.max((added as f64).abs());
            }
        }
        orders = drawn;
    }
    if orders < LEAST_ORDERS {
        return Err(patience.ended());
    }
    let count = f64::from(orders);
    let z = quantile(0.5 + confidence_ppm as f64 / PPM as f64 / 2.0);
    let within = spread.iter().map(|(_, squares)| {
        let deviation = (squares / (count - 1.0)).sqrt();
        let half = z * deviation / count.sqrt() + largest * z * z / (2.0 * count);
        Exact::from_f64(half).unwrap_or_else(Exact::zero)
    });
    let part = Exact::ratio(1, orders.into()).unwrap_or_else(Exact::zero);
    Ok(Sampled {
        orders,
        within: within.collect(),
        means: sums.iter().map(|sum| Exact::wide(*sum).product(&part)).collect(),
    })
}

/// A whole number below `end`, each as likely as the other but for one part in 2³².
fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    let scaled = u64::from(random.next_u32()) * end as u64;
    usize::try_from(scaled >> 32).unwrap_or_default()
}

/// An order as it fills up, so that a further player costs no look at all those before.
#[derive(Default)]
struct Walk {
    mask: Mask,
    numbers: i128,
}

impl Walk {
    fn worth_with(&mut self, function: &Function<'_>, player: usize) -> i128 {
        self.mask |= 1 << player;
        self.numbers += i128::from(function.game.numbers.get(player).copied().unwrap_or_default());
        function.worth_of(self.mask, self.numbers)
    }
}

/// Which number a standard normal variable is below with this probability, above one half: the rational approximation
/// of Abramowitz and Stegun, 26.2.23, off by less than 4.5·10⁻⁴.
fn quantile(probability: f64) -> f64 {
    let t = (-2.0 * (1.0 - probability).ln()).sqrt();
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let bottom = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - top / bottom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_table() {
        for (probability, z) in [(0.975, 1.959_964), (0.995, 2.575_829), (0.75, 0.674_490)] {
            assert!((quantile(probability) - z).abs() < 5e-4, "{probability}: {}", quantile(probability));
        }
    }
}
