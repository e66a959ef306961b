//! Playing a seed.

use eruca_store::Plant;

use super::{
    crew::{Crew, Nobody},
    world::World,
};
use crate::{random::Random, trace::Trace};

/// How a group is played.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClusterOptions {
    /// A fault that is planted in every broker.
    pub plant: Option<Plant>,
    /// Every step goes to standard output.
    pub print: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOutcome {
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Messages that a master acknowledged at once, which no other broker may have.
    pub acknowledged_alone: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Elections by the controller alone.
    pub elections: u64,
    /// How often another broker became master.
    pub changes: u64,
    /// How often a slave cut the end of its log off.
    pub cuts: u64,
    /// What was not as it must be.
    pub failure: Option<String>,
    /// Two runs that did the same have the same.
    pub trace_hash: u64,
}

/// Plays a seed.
pub fn play_cluster(seed: u64, options: ClusterOptions) -> ClusterOutcome {
    play_with_crew(seed, options, &mut Nobody)
}

/// Plays a seed, with these in the brokers.
pub fn play_with_crew(seed: u64, options: ClusterOptions, crew: &mut dyn Crew) -> ClusterOutcome {
    Plant::on_this_thread(options.plant);
    let mut world = World::new(Random::new(seed), Trace::new(options.print), crew);
    let failure = run(&mut world).err().map(|what| format!("seed {seed}: {what}"));
    Plant::on_this_thread(None);
    ClusterOutcome {
        acknowledged: world.oracle.acknowledgements(),
        acknowledged_alone: world.acknowledged_alone,
        crashes: world.crashes,
        elections: world.elections,
        changes: world.controllers.changes,
        cuts: world.cuts,
        failure,
        trace_hash: world.trace.hash(),
    }
}

fn run(world: &mut World<'_>) -> Result<(), String> {
    for _ in 0..world.scenario.steps {
        world.step()?;
    }
    world.heal()?;
    while let Some(ms) = world.rest()? {
        world.pass(ms);
        world.heal()?;
    }
    world.check_all()
}
