//! Makes a failing seed small: the fewest deals and faults, of those that it has, with which it still fails.
//!
//! Delta debugging (Zeller and Hildebrandt, 2002), deals first, then faults. Leaving one thing out may change all that
//! comes after it, so what is kept is what was tried, and nothing is concluded from what was not. What counts as failing
//! is that the same promise is broken.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{DEALS, Only, Plan, Report, run};

/// So many attempts are enough.
const ATTEMPTS: u32 = 400;

/// A failing seed, made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is left of it, with its story.
    pub report: Report,
    /// The faults and deals that are left.
    pub only: Only,
    /// Attempts it took.
    pub attempts: u32,
}

struct Shrinking<'a> {
    plan: &'a Plan,
    promise: &'static str,
    attempts: u32,
}

/// Makes the run of `plan`, which came to `report`, as small as can be. Gives nothing for one that is good.
///
/// # Errors
/// When the simulator itself is at fault.
pub fn shrink(plan: &Plan, report: &Report) -> Result<Option<Shrunk>> {
    let Some(broken) = &report.broken else { return Ok(None) };
    let mut shrinking = Shrinking { plan, promise: broken.promise, attempts: 0 };
    let all = Only { faults: report.struck.clone(), deals: (0..DEALS).collect() };
    let only = shrinking.smallest(all)?;
    let attempts = shrinking.attempts;
    let report = run(&Plan { only: Some(only.clone()), ..plan.clone() }, true)?;
    Ok(Some(Shrunk { report, only, attempts }))
}

impl Shrinking<'_> {
    fn smallest(&mut self, mut only: Only) -> Result<Only> {
        loop {
            let before = only.clone();
            let faults = only.faults.clone();
            only.deals = self.fewest(only.deals, |deals| Only { faults: faults.clone(), deals })?;
            let deals = only.deals.clone();
            only.faults = self.fewest(only.faults, |faults| Only { faults, deals: deals.clone() })?;
            if only == before || self.attempts >= ATTEMPTS {
                return Ok(only);
            }
        }
    }

    fn still_fails(&mut self, only: Only) -> Result<bool> {
        self.attempts += 1;
        let report = run(&Plan { only: Some(only), ..self.plan.clone() }, false)?;
        Ok(report.broken.is_some_and(|broken| broken.promise == self.promise))
    }

    /// The fewest of these with which it still fails: first none, then ever smaller parts left out.
    fn fewest<T: Ord + Clone>(
        &mut self,
        things: BTreeSet<T>,
        with: impl Fn(BTreeSet<T>) -> Only,
    ) -> Result<BTreeSet<T>> {
        if things.is_empty() || self.still_fails(with(BTreeSet::new()))? {
            return Ok(BTreeSet::new());
        }
        let mut things: Vec<T> = things.into_iter().collect();
        let mut part = things.len().div_ceil(2);
        loop {
            let mut at = 0;
            let mut found = false;
            while at < things.len() && self.attempts < ATTEMPTS {
                let end = (at + part).min(things.len());
                let rest: Vec<T> = things.iter().take(at).chain(things.iter().skip(end)).cloned().collect();
                if rest.len() < things.len() && self.still_fails(with(rest.iter().cloned().collect()))? {
                    things = rest;
                    found = true;
                } else {
                    at = end;
                }
            }
            if self.attempts >= ATTEMPTS || (part <= 1 && !found) {
                return Ok(things.into_iter().collect());
            }
            part = if found { part.min(things.len().div_ceil(2)).max(1) } else { part.div_ceil(2).max(1) };
        }
    }
}
