//! What the protocol keeps, and the windows in which it cannot.

use codex_router_model::{Event, Setup, Stamps, Window, explore};

use Window::{
    AnswerCut, CodexAgainstCodex, CodexCut, NotRecoveredInTime, RouterAgainstCodex,
    SwitchDuringCodexRefresh,
};

/// Everything is renewed ahead of Codex's window, and nothing is cut short.
fn undisturbed() -> Setup {
    Setup {
        codexes: 1,
        copy: true,
        refreshes: 2,
        switches: 1,
        ticks: 2,
        codex_refreshes: 1,
        ahead_of_codex: true,
        ..Setup::default()
    }
    .enlarged()
}

/// Routers are killed at every step, and answers to them get lost.
fn cut_short() -> Setup {
    Setup {
        copy: false,
        crashes: 1,
        lost_answers: 1,
        admitted: &[AnswerCut, NotRecoveredInTime],
        ..undisturbed()
    }
}

/// Tokens come into Codex's window, where it refreshes them itself.
fn late() -> Setup {
    Setup {
        copy: false,
        switches: 0,
        ticks: 3,
        codex_refreshes: 2,
        ahead_of_codex: false,
        admitted: &[RouterAgainstCodex],
        ..undisturbed()
    }
}

/// Explores, and wants to have seen these events, and a loss in each admitted window: a window in
/// which nothing can be lost would not have to be admitted.
#[track_caller]
#[expect(clippy::print_stdout, reason = "the figures are worth reading")]
fn prove(setup: Setup, events: &[Event]) {
    let admitted = setup.admitted;
    let findings = explore(setup);
    println!("{findings}");
    findings.assert_safe();
    for event in events {
        assert!(findings.saw(*event), "never seen: {event:?}");
    }
    for window in admitted {
        assert!(findings.lost_in(*window), "nothing lost in {window:?}");
    }
}

#[test]
fn nothing_is_lost_while_routers_refresh_ahead_of_codex() {
    use Event::{CodexAdopted, CopyRenewed, RouterAdopted, SwitchTriedAgain};
    let seen = [RouterAdopted, CodexAdopted, CopyRenewed, SwitchTriedAgain];
    prove(undisturbed(), &seen);
}

#[test]
fn nothing_is_lost_when_another_account_is_live_and_a_third_signs_in() {
    let setup = Setup {
        other_is_live: true,
        codex_login: true,
        ..undisturbed()
    };
    prove(setup, &[Event::StrangerKept, Event::CopyRenewed]);
}

#[test]
fn nothing_is_lost_to_time_stamps_that_lie() {
    let setup = Setup {
        stamps: Stamps::Reversed,
        ..undisturbed()
    };
    prove(setup, &[Event::RouterAdopted, Event::CodexAdopted]);
}

#[test]
fn a_crash_costs_a_login_only_before_the_answer_is_noted_or_when_codex_is_quicker() {
    use Event::{OutcomeUnknown, Rescued, SecondAttemptTaken, SwitchFinished, SwitchForgotten};
    let seen = [
        Rescued,
        SecondAttemptTaken,
        OutcomeUnknown,
        SwitchFinished,
        SwitchForgotten,
    ];
    prove(cut_short(), &seen);
}

#[test]
fn without_codex_a_crash_costs_a_login_only_before_the_answer_is_noted() {
    let setup = Setup {
        codexes: 0,
        copy: true,
        switches: 0,
        refreshes: 3,
        lost_answers: 2,
        admitted: &[AnswerCut],
        ..cut_short()
    };
    prove(
        setup,
        &[Event::Rescued, Event::CopyRenewed, Event::OutcomeUnknown],
    );
}

#[test]
fn a_crash_in_the_middle_of_switches_costs_nothing_more() {
    let setup = Setup {
        codexes: 0,
        copy: true,
        other_is_live: true,
        crashes: 2,
        lost_answers: 0,
        refreshes: 1,
        switches: 2,
        admitted: &[AnswerCut],
        ..cut_short()
    };
    prove(
        setup,
        &[
            Event::SwitchFinished,
            Event::SwitchForgotten,
            Event::Rescued,
        ],
    );
}

#[test]
fn a_sign_in_of_codex_is_kept_through_crashes() {
    let setup = Setup {
        codex_login: true,
        refreshes: 1,
        lost_answers: 0,
        ..cut_short()
    };
    prove(setup, &[Event::StrangerKept]);
}

#[test]
fn time_stamps_that_lie_cost_nothing_more_in_a_crash() {
    let setup = Setup {
        stamps: Stamps::Reversed,
        copy: true,
        switches: 0,
        ..cut_short()
    };
    prove(setup, &[Event::Rescued, Event::CopyRenewed]);
}

#[test]
fn a_codex_that_runs_is_left_alone_in_its_window() {
    let setup = Setup {
        codex_runs: true,
        ticks: 1,
        admitted: &[],
        ..late()
    };
    prove(setup, &[Event::LeftToCodex, Event::RouterAdopted]);
}

#[test]
fn in_codexs_window_a_login_is_lost_only_when_both_post_at_once() {
    use Event::{CodexAdopted, LeftToCodex, Reused, RouterAdopted};
    prove(late(), &[LeftToCodex, CodexAdopted, RouterAdopted, Reused]);
    let lying = Setup {
        stamps: Stamps::Reversed,
        ..late()
    };
    prove(lying, &[CodexAdopted, RouterAdopted]);
    let copied = Setup {
        copy: true,
        ..late()
    };
    prove(copied, &[Event::CopyRenewed]);
}

#[test]
fn a_401_to_both_or_a_computer_that_sleeps_opens_that_same_window() {
    let unauthorized = Setup {
        unauthorized: true,
        ..late()
    };
    prove(unauthorized, &[Event::RouterAdopted]);
    let asleep = Setup {
        sleeps: true,
        ..late()
    };
    prove(asleep, &[Event::RouterAdopted]);
}

#[test]
fn a_switch_costs_a_login_only_while_codex_refreshes_it() {
    let setup = Setup {
        switches: 1,
        admitted: &[RouterAgainstCodex, SwitchDuringCodexRefresh],
        ..late()
    };
    let seen = [
        Event::CodexThrewAway,
        Event::SwitchTriedAgain,
        Event::SavedBack,
    ];
    prove(setup, &seen);
}

#[test]
fn in_codexs_window_a_crash_adds_its_own_windows_and_no_others() {
    for stamps in [Stamps::Honest, Stamps::Reversed] {
        let setup = Setup {
            stamps,
            crashes: 1,
            lost_answers: 1,
            admitted: &[AnswerCut, RouterAgainstCodex, NotRecoveredInTime],
            ..late()
        };
        prove(setup, &[Event::Rescued, Event::OutcomeUnknown]);
    }
}

#[test]
fn codex_loses_logins_on_its_own_and_no_others_are_lost_with_it() {
    let setup = Setup {
        codexes: 2,
        ticks: 2,
        codex_cuts: 1,
        admitted: &[RouterAgainstCodex, CodexAgainstCodex, CodexCut],
        ..late()
    };
    prove(setup, &[Event::CodexAdopted]);
}
