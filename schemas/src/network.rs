//! Networks of dealings: who matters in them, and what breaks where someone fails. What `graph.analyze` reads and
//! answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::id::AgentId;
use crate::limit::MAX_LINKS;

/// One agent deals with another: it gives to it, or could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkLink {
    /// The giver.
    pub from: AgentId,
    /// The receiver.
    pub to: AgentId,
    /// How much it matters, in a unit of the asker's own (a value, a count); the same two may be linked repeatedly.
    #[schemars(range(min = 1))]
    pub weight: i64,
}

/// Asks `graph.analyze` for the shape of a network: its pieces, its brokers, what each agent's failure would cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.analyze")]
pub struct AnalyzeNetwork {
    /// Who deals with whom.
    pub links: Vec<NetworkLink>,
    /// Draws the agents from which shortest ways are counted, where there is no time for all.
    #[serde(default)]
    pub seed: u64,
    /// When to stop and answer what is known, in milliseconds of computing.
    pub time_limit_ms: u32,
}

crate::message!(AnalyzeNetwork, "graph.analyze", |analyze| {
    if analyze.links.len() > MAX_LINKS {
        return Err(Refused::new("links", format!("at most {MAX_LINKS} links")));
    }
    for (index, link) in analyze.links.iter().enumerate() {
        if link.from == link.to {
            return Err(Refused::new(format!("links[{index}].to"), format!("{} is linked with itself", link.from)));
        }
        if link.weight <= 0 {
            return Err(Refused::new(format!("links[{index}].weight"), "must be positive"));
        }
    }
    if analyze.time_limit_ms == 0 {
        return Err(Refused::new("time_limit_ms", "must be positive"));
    }
    Ok(())
});

/// What would be lost with an agent, its own dealings first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureLoss {
    /// Weight of the links that end with it.
    pub weight: i64,
    /// Into how many pieces the rest of its component falls; 0 where it stood alone, 1 where the rest holds together.
    pub pieces: u32,
    /// The agents that are cut off from the largest of these pieces.
    pub cut_off: u32,
    /// Pairs of other agents that were in one component and are no longer.
    pub separated_pairs: u64,
}

/// An agent's place in the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkNode {
    /// The agent.
    pub agent: AgentId,
    /// How many agents it gives to.
    pub receivers: u32,
    /// How many agents give to it.
    pub givers: u32,
    /// Weight of what it gives.
    pub given: i64,
    /// Weight of what it receives.
    pub received: i64,
    /// Its component, links taken in either direction: 0 is the largest.
    pub component: u32,
    /// Its strong component, in which every agent reaches every other along the links: 0 is the largest. Only within
    /// one can there be rings.
    pub strong_component: u32,
    /// Its share of shortest ways between other agents (Freeman 1977), along the links, of all pairs of others, in
    /// parts per million.
    pub betweenness_ppm: i64,
    /// How near it is to those whom it reaches (Wasserman and Faust 1994): the share of others that it reaches over
    /// the mean length of the way there, in parts per million. Left out where time ran out before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closeness_ppm: Option<i64>,
    /// Its share of a walk that follows links by weight and starts anew with probability 15 % (Brin and Page 1998), in
    /// parts per million.
    pub rank_ppm: i64,
    /// Whether it is a broker: without it, others fall apart.
    pub is_broker: bool,
    /// What its failure would cut.
    pub failure: FailureLoss,
}

/// A pair of agents whose dealings alone hold two parts of a component together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bridge {
    /// One.
    pub a: AgentId,
    /// The other, later in the alphabet.
    pub b: AgentId,
    /// Agents in the smaller part.
    pub cut_off: u32,
}

/// The answer of `graph.analyze`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.analyzed")]
pub struct NetworkAnalyzed {
    /// Every agent, by name.
    pub nodes: Vec<NetworkNode>,
    /// How many agents each component has, the largest first.
    pub components: Vec<u32>,
    /// How many agents each strong component has, the largest first.
    pub strong_components: Vec<u32>,
    /// The links without which a component would fall in two, by name.
    pub bridges: Vec<Bridge>,
    /// The agents from which shortest ways were counted: all, unless time ran out.
    pub counted_from: u32,
    /// Whether that were all, so that betweenness and closeness are no estimates.
    pub is_exact: bool,
    /// Time spent, in milliseconds.
    pub took_ms: u32,
}
crate::message!(NetworkAnalyzed, "graph.analyzed");
