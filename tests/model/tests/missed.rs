//! A promise that nothing can break proves nothing: each part of the protocol is taken out, and a
//! loss, or a token posted once too often, must turn up.

use codex_router_model::{Mutant, Setup, Stamps, Window, explore};

const AHEAD: Setup = Setup {
    codexes: 1,
    codex_runs: false,
    copy: true,
    other_is_live: false,
    refreshes: 2,
    switches: 1,
    ticks: 2,
    codex_refreshes: 1,
    crashes: 0,
    lost_answers: 0,
    codex_cuts: 0,
    codex_login: false,
    unauthorized: false,
    ahead_of_codex: true,
    sleeps: false,
    stamps: Stamps::Honest,
    admitted: &[],
    mutant: None,
};

const OTHER_IS_LIVE: Setup = Setup {
    other_is_live: true,
    ..AHEAD
};

const LYING_STAMPS: Setup = Setup {
    stamps: Stamps::Reversed,
    ..AHEAD
};

const CRASHES: Setup = Setup {
    codexes: 0,
    copy: false,
    switches: 0,
    refreshes: 3,
    crashes: 1,
    lost_answers: 2,
    admitted: &[Window::AnswerCut, Window::NotRecoveredInTime],
    ..AHEAD
};

const LATE: Setup = Setup {
    copy: false,
    codex_refreshes: 2,
    ticks: 3,
    ahead_of_codex: false,
    admitted: &[Window::RouterAgainstCodex, Window::SwitchDuringCodexRefresh],
    ..AHEAD
};

const LATE_LYING_STAMPS: Setup = Setup {
    switches: 0,
    stamps: Stamps::Reversed,
    ..LATE
};

const CODEX_RUNS: Setup = Setup {
    codex_runs: true,
    switches: 0,
    ticks: 1,
    admitted: &[],
    ..LATE
};

#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "the shortest way to the loss is worth reading"
)]
fn is_missed(mutant: Mutant, setup: Setup) {
    let whole = explore(setup.clone());
    whole.assert_safe();
    let findings = explore(setup.without(mutant));
    println!("{mutant:?}: {findings}");
    assert!(!findings.broken.is_empty(), "{mutant:?} is not missed");
}

#[test]
fn the_ledger_is_missed() {
    is_missed(Mutant::NoLedger, LYING_STAMPS);
    is_missed(Mutant::NoOrigin, LATE_LYING_STAMPS);
    is_missed(Mutant::BareAdoption, LATE_LYING_STAMPS);
}

#[test]
fn the_lock_of_the_token_and_the_reading_under_it_are_missed() {
    is_missed(Mutant::LockByIdentity, AHEAD);
    is_missed(Mutant::NoReadUnderLock, LATE);
    is_missed(Mutant::Overtaking, OTHER_IS_LIVE);
}

#[test]
fn the_journal_is_missed() {
    is_missed(Mutant::NoIntent, CRASHES);
    is_missed(Mutant::NoRescue, CRASHES);
}

#[test]
fn the_order_of_writing_is_missed() {
    is_missed(Mutant::LedgerLast, CRASHES);
    is_missed(Mutant::CopiesLast, OTHER_IS_LIVE);
    is_missed(Mutant::NoCopies, OTHER_IS_LIVE);
    is_missed(Mutant::LiveFirst, OTHER_IS_LIVE);
}

#[test]
fn looking_again_before_the_live_file_is_replaced_is_missed() {
    is_missed(Mutant::BlindPublish, LATE);
    is_missed(Mutant::BlindSwitch, LATE);
    is_missed(Mutant::NoSaveBack, LATE);
}

#[test]
fn waiting_for_codex_is_missed() {
    is_missed(Mutant::NoWaitForCodex, CODEX_RUNS);
}
