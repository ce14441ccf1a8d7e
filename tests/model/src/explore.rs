//! Exploring a world to its last state.

use std::{
    fmt,
    time::{Duration, Instant},
};

use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::{
    action::Action,
    history::{Event, Window},
    router::Task,
    setup::Setup,
    state::State,
    world::{SAFE, World},
};

/// What was found.
#[derive(Debug)]
pub struct Findings {
    /// How many different states there are.
    pub states: usize,
    /// How long the longest shortest way to one of them is.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The promises that are broken, each with the shortest way there.
    pub broken: Vec<Broken>,
    reached: Vec<&'static str>,
}

/// A broken promise.
#[derive(Debug)]
pub struct Broken {
    /// Which one.
    pub promise: &'static str,
    /// The shortest way there, one line for each thing that happens.
    pub trace: String,
}

/// Explores everything that can happen, or until a promise is found broken.
#[must_use]
pub fn explore(setup: Setup) -> Findings {
    let began = Instant::now();
    let checker = World { setup }
        .checker()
        .finish_when(HasDiscoveries::AnyFailures);
    // On one thread, breadth first: what is found is found by a short way.
    let checker = checker.threads(1).spawn_bfs().join();
    let found = checker.discoveries();
    let broken = SAFE.iter().filter_map(|promise| {
        let path = found.get(promise)?;
        let steps = path.clone().into_vec();
        let trace = steps
            .iter()
            .filter_map(|(state, action)| line(state, (*action)?));
        let trace = trace.collect();
        Some(Broken { promise, trace })
    });
    Findings {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: began.elapsed(),
        broken: broken.collect(),
        reached: found.keys().copied().collect(),
    }
}

/// What happens, and in which state of whoever does it.
fn line(state: &State, action: Action) -> Option<String> {
    let doer = match action {
        Action::RouterWorks(router) => match state.task(router) {
            Task::Idle => return None,
            Task::Refresh(refresh) => {
                format!(" {:?} {}: {:?}", refresh.place, refresh.token, refresh.step)
            }
            Task::Switch(switch) => format!(" switch to {:?}: {:?}", switch.to, switch.step),
        },
        _ => String::new(),
    };
    Some(format!("  {action:?}{doer}\n"))
}

impl Findings {
    /// Whether this happened in some history.
    #[must_use]
    pub fn saw(&self, event: Event) -> bool {
        self.reached.contains(&event.name())
    }

    /// Whether a login was lost in some history that went through this window and no other.
    #[must_use]
    pub fn lost_in(&self, window: Window) -> bool {
        self.reached.contains(&window.name())
    }

    /// Fails with every broken promise, unless there is none.
    ///
    /// # Panics
    /// If there is one.
    #[track_caller]
    pub fn assert_safe(&self) {
        assert!(self.broken.is_empty(), "{self}");
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            states,
            depth,
            took,
            ..
        } = self;
        writeln!(out, "{states} states, {depth} deep, {took:.1?}")?;
        for broken in &self.broken {
            writeln!(out, "broken: {}\n{}", broken.promise, broken.trace)?;
        }
        write!(out, "seen: {}", self.reached.join(", "))
    }
}
