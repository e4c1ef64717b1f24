//! Offices: who stood first holds it, until he withdraws.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use tokio::sync::watch;

use crate::port::{Candidacy, Standing};

/// Every office with its candidates, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Offices(Arc<Mutex<BTreeMap<String, Candidates>>>);

type Candidates = VecDeque<(u64, watch::Sender<Standing>)>;

impl Offices {
    /// Stands for an office, under a number that nobody else has.
    pub(super) fn stand(&self, office: &str, number: u64) -> Candidacy {
        let mut offices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let candidates = offices.entry(office.to_owned()).or_default();
        let standing = if candidates.is_empty() { Standing::Holds } else { Standing::Waits };
        let (sender, mut receiver) = watch::channel(standing);
        candidates.push_back((number, sender));
        receiver.mark_changed();
        let candidate = Candidate { offices: self.clone(), office: office.to_owned(), number, receiver };
        stream::unfold(candidate, |mut candidate| async move {
            candidate.receiver.changed().await.ok()?;
            let standing = *candidate.receiver.borrow_and_update();
            Some((standing, candidate))
        })
        .boxed()
    }

    fn withdraw(&self, office: &str, number: u64) {
        let mut offices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(candidates) = offices.get_mut(office) else { return };
        candidates.retain(|(other, _)| *other != number);
        if let Some((_, first)) = candidates.front() {
            first.send_if_modified(|standing| std::mem::replace(standing, Standing::Holds) == Standing::Waits);
        }
    }
}

struct Candidate {
    offices: Offices,
    office: String,
    number: u64,
    receiver: watch::Receiver<Standing>,
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.offices.withdraw(&self.office, self.number);
    }
}
