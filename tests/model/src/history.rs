//! What has happened so far, as nobody in the world can know it; the promises are about this.

use crate::state::{Generation, PerToken};

/// A stretch of time in which a login can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Window {
    /// A router was killed, or its answer lost, between sending a token and noting the answer.
    AnswerCut,
    /// The same happened to a Codex.
    CodexCut,
    /// Two Codex processes posted the same token.
    CodexAgainstCodex,
    /// The live login was switched while a Codex was refreshing it.
    SwitchDuringCodexRefresh,
    /// A router wrote newer tokens to the live file while a Codex was refreshing.
    PublishDuringCodexRefresh,
    /// A router and a Codex posted the same token, both of them undisturbed.
    RouterAgainstCodex,
    /// A Codex posted a token that a router had spent before it was killed or cut off.
    NotRecoveredInTime,
}

/// Something worth seeing at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// A router found a newer copy instead of posting.
    RouterAdopted,
    /// A Codex found a newer copy instead of posting.
    CodexAdopted,
    /// A Codex threw away what it had received.
    CodexThrewAway,
    /// An answer that a killed router had noted was put in place.
    Rescued,
    /// A token was posted a second time, and taken.
    SecondAttemptTaken,
    /// A token was given up because an outcome stayed unknown.
    OutcomeUnknown,
    /// A token was given up because somebody else had used it.
    Reused,
    /// A router left the refresh to Codex.
    LeftToCodex,
    /// A switch that was cut short was finished.
    SwitchFinished,
    /// A switch that was cut short was forgotten.
    SwitchForgotten,
    /// The live login changed between its saving and its replacement.
    SwitchTriedAgain,
    /// A copy under another identity got the new token.
    CopyRenewed,
    /// The live login was saved back by a switch.
    SavedBack,
    /// A login of an unknown account was kept.
    StrangerKept,
}

impl Event {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RouterAdopted => "a router adopted",
            Self::CodexAdopted => "a Codex adopted",
            Self::CodexThrewAway => "a Codex threw tokens away",
            Self::Rescued => "an answer was rescued",
            Self::SecondAttemptTaken => "a second attempt was taken",
            Self::OutcomeUnknown => "an outcome stayed unknown",
            Self::Reused => "a token was used by others",
            Self::LeftToCodex => "a refresh was left to Codex",
            Self::SwitchFinished => "a switch was finished",
            Self::SwitchForgotten => "a switch was forgotten",
            Self::SwitchTriedAgain => "a switch was tried again",
            Self::CopyRenewed => "a copy was renewed",
            Self::SavedBack => "a login was saved back",
            Self::StrangerKept => "a stranger was kept",
        }
    }

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::RouterAdopted,
        Self::CodexAdopted,
        Self::CodexThrewAway,
        Self::Rescued,
        Self::SecondAttemptTaken,
        Self::OutcomeUnknown,
        Self::Reused,
        Self::LeftToCodex,
        Self::SwitchFinished,
        Self::SwitchForgotten,
        Self::SwitchTriedAgain,
        Self::CopyRenewed,
        Self::SavedBack,
        Self::StrangerKept,
    ];
}

impl Window {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AnswerCut => "lost: answer cut",
            Self::CodexCut => "lost: Codex cut",
            Self::CodexAgainstCodex => "lost: Codex against Codex",
            Self::SwitchDuringCodexRefresh => "lost: switch during Codex's refresh",
            Self::PublishDuringCodexRefresh => "lost: publish during Codex's refresh",
            Self::RouterAgainstCodex => "lost: router against Codex",
            Self::NotRecoveredInTime => "lost: not recovered in time",
        }
    }

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::AnswerCut,
        Self::CodexCut,
        Self::CodexAgainstCodex,
        Self::SwitchDuringCodexRefresh,
        Self::PublishDuringCodexRefresh,
        Self::RouterAgainstCodex,
        Self::NotRecoveredInTime,
    ];
}

/// Facts about the past of one world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct History {
    windows: u8,
    events: u16,
    /// How often routers posted each token.
    pub(crate) posts: PerToken<u8>,
    /// How often Codex processes did.
    pub(crate) codex_posts: PerToken<u8>,
    /// The last post of the token by a router ended without its outcome being known to anybody.
    pub(crate) unknown: PerToken<bool>,
    /// A router was killed or cut off after it had sent this token, and before it was through.
    pub(crate) cut: PerToken<bool>,
    /// A router posted a token although the outcome of the post before was known, or to come.
    pub(crate) posted_needlessly: bool,
    /// `codex login` has revoked the login.
    pub(crate) signed_out: bool,
    /// `codex login` has written the login of an account of which nobody knew.
    pub(crate) stranger: bool,
}

impl History {
    pub(crate) fn enter(&mut self, window: Window) {
        self.windows |= 1 << window as u8;
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.events |= 1 << event as u16;
    }

    pub(crate) fn has_seen(&self, event: Event) -> bool {
        self.events & (1 << event as u16) != 0
    }

    pub(crate) fn was_in(&self, window: Window) -> bool {
        self.windows & (1 << window as u8) != 0
    }

    pub(crate) fn was_only_in(&self, window: Window) -> bool {
        self.windows == 1 << window as u8
    }

    /// A router sends a token.
    pub(crate) fn post(&mut self, token: Generation) {
        let posts = &mut self.posts[usize::from(token)];
        let unknown = &mut self.unknown[usize::from(token)];
        self.posted_needlessly |= *posts > 0 && !*unknown;
        *posts += 1;
        *unknown = false;
    }

    /// Nobody will know the outcome of the last post of this token.
    pub(crate) fn lose_outcome(&mut self, token: Generation) {
        self.unknown[usize::from(token)] = true;
        self.cut[usize::from(token)] = true;
        self.enter(Window::AnswerCut);
    }
}
