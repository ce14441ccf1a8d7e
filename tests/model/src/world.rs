//! The world as the checker wants it: beginnings, what can happen, and what must hold.

use stateright::{Model, Property};

use crate::{
    action::Action,
    disk::Live,
    history::{Event, Window},
    setup::Setup,
    state::State,
};

/// A setup, and so all the histories that it allows.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) setup: Setup,
}

/// The names of what must hold.
pub(crate) const SAFE: [&str; 5] = [
    "a token is posted again only when nobody can know the outcome of the first time",
    "without a long pause no token is posted more than twice",
    "a login is lost only in an admitted window",
    "what codex login wrote is kept",
    "a router left alone heals everything or says why it cannot",
];

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.setup)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.possible(&self.setup, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.happens(&self.setup, action).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(SAFE[0], |_, state: &State| !state.history.posted_needlessly),
            Property::always(SAFE[1], |_, state: &State| {
                state.history.posts.iter().all(|posts| *posts <= 2)
            }),
            Property::always(SAFE[2], |world: &Self, state: &State| {
                !state.is_lost() || state.was_admitted(&world.setup)
            }),
            Property::always(SAFE[3], |_, state: &State| state.keeps_stranger()),
            Property::always(SAFE[4], |world: &Self, state: &State| {
                !state.is_quiet() || state.heals_or_says_why(&world.setup)
            }),
        ];
        properties.extend(events());
        properties.extend(losses());
        properties
    }
}

impl State {
    fn was_admitted(&self, setup: &Setup) -> bool {
        let mut admitted = setup.admitted.iter();
        admitted.any(|window| self.history.was_in(*window))
    }

    fn keeps_stranger(&self) -> bool {
        let signed_in = self.history.stranger;
        !signed_in || self.disk.live == Live::Stranger || self.disk.stranger_kept
    }
}

fn saw<const EVENT: usize>(_: &World, state: &State) -> bool {
    state.history.has_seen(Event::ALL[EVENT])
}

/// Lost through this window and no other.
fn lost_in<const WINDOW: usize>(_: &World, state: &State) -> bool {
    state.is_lost() && state.history.was_only_in(Window::ALL[WINDOW])
}

fn events() -> impl Iterator<Item = Property<World>> {
    let conditions: [fn(&World, &State) -> bool; Event::ALL.len()] = [
        saw::<0>, saw::<1>, saw::<2>, saw::<3>, saw::<4>, saw::<5>, saw::<6>, saw::<7>, saw::<8>,
        saw::<9>, saw::<10>, saw::<11>, saw::<12>, saw::<13>,
    ];
    let named = Event::ALL.iter().zip(conditions);
    named.map(|(event, condition)| Property::sometimes(event.name(), condition))
}

fn losses() -> impl Iterator<Item = Property<World>> {
    let conditions: [fn(&World, &State) -> bool; Window::ALL.len()] = [
        lost_in::<0>,
        lost_in::<1>,
        lost_in::<2>,
        lost_in::<3>,
        lost_in::<4>,
        lost_in::<5>,
        lost_in::<6>,
    ];
    let named = Window::ALL.iter().zip(conditions);
    named.map(|(window, condition)| Property::sometimes(window.name(), condition))
}
