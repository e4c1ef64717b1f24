//! Traders: the agents of `swarm`, which decide for themselves what they accept.

use std::sync::Arc;

use runtime::{
    dice::{Dice, number_of},
    peer::Host,
    port::Port,
};
use schemas::{
    Good, Quantity, Rational,
    market::{Alternative, Give, Want},
    value::Bounds,
};
use swarm::{
    plan::{Action, AgentPlan, Policy, Step},
    trader::Trader,
};

use super::{keys, script};

/// How they behave: most are honest.
const POLICIES: [Policy; 6] =
    [Policy::Honest, Policy::Honest, Policy::Honest, Policy::Rejects, Policy::Silent, Policy::Unconfirming];
/// What they give in all.
const GIVES: (u64, u64) = (10, 40);
/// What they want of each good.
const WANTS: i64 = 60;

/// The traders of a run. Dropped, they are gone.
pub struct Crowd {
    _host: Host,
}

impl Crowd {
    /// Brings them to the bus.
    ///
    /// # Errors
    /// Outside of an actor system.
    pub fn gather(seed: u64, port: Arc<dyn Port>) -> anyhow::Result<Self> {
        let host = Host::new(port.clone(), 1)?;
        for (name, own) in script::TRADERS.iter().zip(script::GOODS) {
            let mut dice = Dice::of(&[seed, number_of(name), number_of("trader")]);
            let limit = Quantity::new(i64::try_from(dice.between(GIVES.0, GIVES.1))?)?;
            let gives = vec![Give { good: own.parse()?, limit, cost: exactly(10) }];
            let others = script::GOODS.iter().filter(|good| **good != own);
            let want = |good: Good| -> anyhow::Result<Want> {
                Ok(Want { any_of: vec![Alternative { good, limit: Quantity::new(WANTS)?, value: exactly(40) }] })
            };
            let wants = others.map(|good| want(good.parse()?)).collect::<anyhow::Result<_>>()?;
            let market = script::BOOKS.first().copied().unwrap_or_default().parse()?;
            let mut plan = AgentPlan::new(name.parse()?, keys::seed_of(name)?, market, gives, wants);
            plan.policy = dice.one_of(&POLICIES).copied().unwrap_or_default();
            plan.schedule = vec![Step { at_ms: 0, action: Action::Join }];
            let trader = Trader::new(plan, keys::account()?, port.now_unix_ms(), Arc::new(|_| {}))?;
            host.spawn(*name, trader);
        }
        Ok(Self { _host: host })
    }
}

fn exactly(price: i64) -> Bounds {
    Bounds::exactly(Rational::whole(price))
}
