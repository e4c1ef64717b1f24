//! What is made of a clearing's answer, by the very cores that are asked.

use std::sync::Arc;

use runtime::memory::Memory;
use runtime::service::{Limits, Running, Service};
use schemas::clearing::{Objective, Offer};
use schemas::market::{Give, Want};
use schemas::value::Outlook;

use super::*;
use crate::fixtures::{NOW, agent, cleared, give, market, ring, want};

/// A bus with the cores that divide and evolve.
async fn town() -> (Arc<dyn Port>, [Running; 2]) {
    let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
    let divide = Service::new("trade_balance", "0").core(Limits::default(), <trade_balance::Divide>::default);
    let evolve = Service::new("genetic", "0").core(Limits::default(), <genetic::Evolve>::default);
    let running = [divide.start(port.clone()).await.unwrap(), evolve.start(port.clone()).await.unwrap()];
    (port, running)
}

fn offer(id: &str, gives: Vec<Give>, wants: Vec<Want>) -> Offer {
    Offer { agent: agent(id), sequence: Some(7), gives, wants, margin_ppm: 0, outlook: Outlook::default() }
}

fn brief(offers: Vec<Offer>, evolve: Option<u32>) -> Brief {
    let market = Market { division: Some(Rule::Leximin), evolve, ..market() };
    let sequences = offers.iter().map(|offer| (offer.agent.clone(), 7)).collect();
    let request = Clear {
        goods: market.goods.clone(),
        offers,
        band: None,
        margin_ppm: 0,
        max_ring: 3,
        objective: Objective::Welfare,
        days: 0,
        time_limit_ms: 1_000,
        max_chain: None,
        then: None,
        earlier: Vec::new(),
        with_limits: false,
    };
    Brief { rule: Rule::Leximin, market, request, sequences, clearing: 3 }
}

/// Kenya is just satisfied with 100 wheat for 60 tea (it costs 6,000 and is worth 6,000), while Ghana gains 5,000 of it.
fn lopsided() -> (Brief, Cleared) {
    let kenya = offer("kenya", vec![give("wheat", 100, 60)], vec![want("tea", 80, 100)]);
    let ghana = offer("ghana", vec![give("tea", 100, 80)], vec![want("wheat", 100, 98)]);
    let ring = ring(&[("kenya", "ghana", "wheat", 100), ("ghana", "kenya", "tea", 60)]);
    (brief(vec![ghana, kenya], None), cleared(vec![ring]))
}

#[test]
fn gains_are_divided_within_what_is_left() {
    runtime::simulate(async {
        let (port, _running) = town().await;
        let (brief, cleared) = lopsided();
        let refinement = refine(port.as_ref(), &brief, &cleared).await;
        let moved: Vec<i64> = refinement.rings[0].hops.iter().map(|hop| hop.quantity.get()).collect();
        // Of at most 100 wheat and 80 tea Kenya gains 100·t − 60·w and Ghana 98·w − 80·t. Kenya's best is 80 tea for
        // 6,400/98 wheat, 4,081; Ghana's 100 wheat for 60 tea, 5,000. With all of the tea, 95 wheat leave them 2,300 and
        // 2,910, at least 563,587 ppm of that; 94 would leave Ghana 562,400 ppm.
        assert_eq!(moved, [95, 80], "{refinement:?}");
        let Refined { before, after, evolved } = refinement.figures;
        assert_eq!((before.deals, before.welfare_minor, before.least_ppm), (1, 5_000, 0));
        assert_eq!((after.deals, after.welfare_minor, after.least_ppm, evolved.deals), (1, 5_210, 563_587, 0));
        assert_eq!(before.gini_ppm, 500_000, "one of two has all");
        assert!(after.gini_ppm < 100_000, "{after:?}");
    })
    .unwrap();
}

#[test]
fn without_an_answer_everything_stays_as_it_was() {
    runtime::simulate(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
        let (brief, cleared) = lopsided();
        let refinement = refine(port.as_ref(), &brief, &cleared).await;
        assert_eq!(refinement, Refinement { rings: cleared.rings, evolved: Vec::new(), figures: Refined::default() });
    })
    .unwrap();
}

/// Wheat, coffee, tea and rye go round in a ring of four, longer than the market's.
fn ring_of_four() -> Vec<Offer> {
    let goods = ["wheat", "coffee", "tea", "rye"];
    let names = ["chad", "egypt", "ghana", "kenya"];
    (0..4).map(|at| offer(names[at], vec![give(goods[at], 50, 90)], vec![want(goods[(at + 3) % 4], 50, 120)])).collect()
}

#[test]
fn what_no_ring_could_bring_is_evolved_and_divided() {
    runtime::simulate(async {
        let (port, _running) = town().await;
        let brief = brief(ring_of_four(), Some(20_000));
        let refinement = refine(port.as_ref(), &brief, &cleared(Vec::new())).await;
        let [terms] = refinement.evolved.as_slice() else { panic!("{refinement:?}") };
        assert_eq!(terms.parties.len(), 4);
        let figures = refinement.figures.evolved;
        assert_eq!(figures.deals, 1);
        // Everybody gains 30 on each of at most 50 units.
        assert!((5_400..=6_000).contains(&figures.welfare_minor), "{figures:?}");
        assert!(figures.least_ppm > 0);
        let again = refine(port.as_ref(), &brief, &cleared(Vec::new())).await;
        assert_eq!(again.figures, refinement.figures, "the same seed, the same terms");
    })
    .unwrap();
}

#[test]
fn a_pool_is_who_can_still_gain() {
    let mut offers = ring_of_four();
    // A second giver of rye, dearer, is taken along; one whom nobody can satisfy is not.
    offers.push(offer("togo", vec![give("rye", 50, 95)], vec![want("tea", 50, 115)]));
    offers.push(offer("zambia", vec![give("wheat", 50, 200)], vec![want("maize", 50, 10)]));
    let brief = brief(offers, Some(1_000));
    let left = Left::of(&brief.request, &[]).offers();
    let searches = pool::searches(&brief, left, 1_000, NOW);
    let [Some(search)] = searches.as_slice() else { panic!("{searches:?}") };
    let parties: Vec<&str> = search.sought.valuations.iter().map(|stated| stated.party.as_str()).collect();
    assert_eq!(parties, ["chad", "egypt", "ghana", "kenya", "togo"]);
    schemas::body::Check::check(search).unwrap();
    // Nobody gains going round: nothing is sought.
    let dear = brief.request.offers.iter().map(|offer| Offer {
        gives: offer.gives.iter().map(|one| give(one.good.as_str(), 50, 130)).collect(),
        ..offer.clone()
    });
    assert!(pool::searches(&brief, dear.collect(), 1_000, NOW).is_empty());
}

#[test]
fn what_rings_took_is_not_sought_again() {
    let offers = ring_of_four();
    let brief = brief(offers, Some(1_000));
    let taken = ring(&[("chad", "egypt", "wheat", 50), ("egypt", "chad", "rye", 20)]);
    let left = Left::of(&brief.request, &[taken]).offers();
    assert!(left.iter().all(|offer| offer.agent != agent("chad")), "it has nothing left to give");
}
