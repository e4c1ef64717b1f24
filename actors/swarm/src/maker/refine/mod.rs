//! What is made of a clearing's answer before it is proposed.
//!
//! A clearing looks for the most welfare, and who gets how much of it is what the corner of a programme happens to be: in
//! one ring a party is just satisfied while another has all there is to gain. And it looks for rings of so many parties,
//! where sometimes only a longer one, or none with the shape of a ring, has gains left. In a market that states a rule of
//! division two other cores go on from there. `trade_balance.divide` moves each ring's quantities, within what its parties
//! have left, until the gains are divided by the rule: that is what sets the prices at which goods change hands.
//! `genetic.evolve` seeks exchanges among those that were left out (`pool`), and what it finds is divided too.
//!
//! What is asked and what is made of the answers is decided without I/O; only [`refine`] asks. Whatever is not answered in
//! the time that a clearing may take stays as it was: nothing here is needed for a market to work.

mod division;
mod left;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};
use runtime::port::{Message, Port};
use schemas::body::Message as Body;
use schemas::clearing::{Clear, Cleared, Evenness, Offer, Refined, Ring};
use schemas::deal::Terms;
use schemas::division::{Divided, Rule};
use schemas::evolution::Evolved;
use schemas::market::Market;
use schemas::value::PartyValuation;
use schemas::{AgentId, subject};

use self::left::Left;
use super::proposal;
use crate::remaining::Use;
use crate::{stated, voice};

/// Questions under way at once.
const ASKING: usize = 32;

/// What is known of a clearing whose answer is refined.
#[derive(Debug, Clone)]
pub struct Brief {
    /// The market.
    pub market: Market,
    /// Its rule of division.
    pub rule: Rule,
    /// What was cleared.
    pub request: Clear,
    /// The sequences of the intents that the offers came from.
    pub sequences: BTreeMap<AgentId, u64>,
    /// The clearing's number.
    pub clearing: u32,
}

impl Brief {
    /// What an offer states of the goods that it would give and receive.
    fn states(&self, offer: &Offer, moved: &Use) -> PartyValuation {
        let margin_ppm = offer.margin_ppm.max(self.market.margin_ppm);
        let valuation = stated::valuation(&offer.gives, &offer.wants, margin_ppm, &offer.outlook, moved);
        PartyValuation { party: offer.agent.clone(), valuation }
    }
}

/// What is to be proposed instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Refinement {
    /// The rings, in their order.
    pub rings: Vec<Ring>,
    /// Terms of other shapes, which no ring takes anything from.
    pub evolved: Vec<Terms>,
    /// What came of it.
    pub figures: Refined,
}

/// Asks the cores.
pub async fn refine(port: &dyn Port, brief: &Brief, cleared: &Cleared) -> Refinement {
    let asking = Asking::new(port, brief.market.time_limit_ms);
    let mut figures = Refined::default();
    let mut left = Left::of(&brief.request, &cleared.rings);
    let questions: Vec<_> = cleared
        .rings
        .iter()
        .map(|ring| {
            let terms = proposal::terms(&brief.market, ring, &brief.sequences, asking.began_unix_ms)?;
            division::question(brief, terms, &mut left)
        })
        .collect();
    let answers = asking.all::<_, Divided>("trade_balance", "divide", &questions).await;
    let mut rings = cleared.rings.clone();
    for ((ring, question), answer) in rings.iter_mut().zip(&questions).zip(answers) {
        let Some((question, answer)) = question.as_ref().zip(answer) else { continue };
        let Some(terms) = division::read(question, &answer) else { continue };
        for (hop, transfer) in ring.hops.iter_mut().zip(&terms.transfers) {
            hop.quantity = transfer.quantity;
        }
        ring.welfare_minor = answer.shares.iter().map(|share| share.gain_minor).sum();
        figures.before.add(&division::before(&answer));
        figures.after.add(&division::after(&answer));
    }
    let evolved = evolve(&asking, brief, Left::of(&brief.request, &rings), &mut figures.evolved).await;
    Refinement { rings, evolved, figures }
}

/// Seeks exchanges in what is left, and divides them.
async fn evolve(asking: &Asking<'_>, brief: &Brief, mut left: Left<'_>, figures: &mut Evenness) -> Vec<Terms> {
    let Some(evaluations) = brief.market.evolve else { return Vec::new() };
    let searches = pool::searches(brief, left.offers(), evaluations, asking.began_unix_ms);
    let found = asking.all::<_, Evolved>("genetic", "evolve", &searches).await;
    let chosen: Vec<Terms> = found.iter().flatten().filter_map(pool::choose).cloned().collect();
    for transfer in chosen.iter().flat_map(|terms| &terms.transfers) {
        left.take(transfer);
    }
    let questions: Vec<_> = chosen.iter().map(|terms| division::question(brief, terms.clone(), &mut left)).collect();
    let answers = asking.all::<_, Divided>("trade_balance", "divide", &questions).await;
    let mut evolved = Vec::with_capacity(chosen.len());
    for (question, answer) in questions.iter().zip(answers) {
        // What was found and not divided waits for the next clearing.
        let Some((question, answer)) = question.as_ref().zip(answer) else { continue };
        if let Some(terms) = division::read(question, &answer) {
            evolved.push(terms.clone());
            figures.add(&division::after(&answer));
        }
    }
    evolved
}

/// Questions, until a time.
struct Asking<'a> {
    port: &'a dyn Port,
    began_unix_ms: i64,
    until_unix_ms: i64,
}

impl<'a> Asking<'a> {
    fn new(port: &'a dyn Port, time_limit_ms: u32) -> Self {
        let began_unix_ms = port.now_unix_ms();
        Self { port, began_unix_ms, until_unix_ms: began_unix_ms.saturating_add(time_limit_ms.into()) }
    }

    /// Asks all, and answers in their order; nothing where there is no question, or no answer in time.
    async fn all<Q: Body, A: Body>(&self, service: &str, verb: &str, questions: &[Option<Q>]) -> Vec<Option<A>> {
        let to = subject::endpoint(service, verb);
        let said = |question: &Option<Q>| question.as_ref().map(|question| voice::plain(to.clone(), question));
        let messages: Vec<Option<Message>> = questions.iter().map(said).collect();
        stream::iter(messages.into_iter().map(|message| self.one(message))).buffered(ASKING).collect().await
    }

    async fn one<A: Body>(&self, message: Option<Message>) -> Option<A> {
        let left_ms = u64::try_from(self.until_unix_ms.saturating_sub(self.port.now_unix_ms())).ok()?;
        let answer = voice::ask(self.port, message?, left_ms).await;
        answer.inspect_err(|error| tracing::debug!(%error, "a clearing's answer stays as it was")).ok()
    }
}
