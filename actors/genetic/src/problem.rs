//! What is searched: genes, what they come to, and how far they break the rules.

use crate::gene::Gene;

/// A problem of several objectives, each to be made small.
pub trait Problem: Sync {
    /// The genes.
    fn genes(&self) -> &[Gene];

    /// How many objectives there are.
    fn objectives(&self) -> usize;

    /// Brings a genome back to where it is allowed; what it leaves is what is kept.
    fn repair(&self, _genome: &mut [f64]) {}

    /// What a genome comes to: one cost an objective, written into `costs`; and by how much it breaks the
    /// constraints, 0 where it breaks none. All are finite.
    fn evaluate(&self, genome: &[f64], costs: &mut [f64]) -> f64;
}

/// One candidate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Individual {
    /// Its genes.
    pub genome: Vec<f64>,
    /// What it comes to, one cost an objective.
    pub costs: Vec<f64>,
    /// By how much it breaks the constraints.
    pub violation: f64,
    /// Its distance from its neighbours in its front; what lies alone is worth keeping.
    pub(crate) crowding: f64,
}

impl Individual {
    /// A genome, repaired and evaluated.
    pub fn born(problem: &dyn Problem, mut genome: Vec<f64>) -> Self {
        problem.repair(&mut genome);
        Self::of(problem, genome)
    }

    /// A genome that was repaired, evaluated.
    pub(crate) fn of(problem: &dyn Problem, genome: Vec<f64>) -> Self {
        let mut costs = vec![0.0; problem.objectives()];
        let violation = problem.evaluate(&genome, &mut costs);
        Self { genome, costs, violation, crowding: 0.0 }
    }

    /// Whether it breaks no constraint.
    #[must_use]
    pub fn is_feasible(&self) -> bool {
        self.violation <= 0.0
    }
}
