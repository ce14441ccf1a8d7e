//! Native notifications of what a person may want to act on. A click opens the window, where the
//! system tells of clicks.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use codex_auth::ProfileRef;
use codex_profiles::{Limit, Notice, Switched};
use jiff::Zoned;
use tokio::sync::mpsc;

use super::words::{Words, filled};

/// What is to be shown and was not yet; more than that is left out.
const MAX_WAITING: usize = 16;
/// The same thing is not said again before this has passed.
const PAUSE: Duration = Duration::from_mins(10);
/// No more than this many in a minute, whatever happens.
const MAX_IN_A_MINUTE: usize = 5;

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) body: String,
    /// Whether a person asked for what it answers; such are never held back.
    pub(crate) is_answer: bool,
}

impl Note {
    /// What is shown of a notice, if it is of a kind to interrupt a person for.
    pub(crate) fn of(notice: &Notice, said: &Said<'_>) -> Option<Self> {
        let words = said.words;
        let told = |title: String, body: String| Self {
            title,
            body,
            is_answer: false,
        };
        Some(match notice {
            Notice::LoginRequired { profile, .. } => told(
                filled(words.needs_login, &[&said.name(profile)]),
                words.how_to_log_in.to_owned(),
            ),
            Notice::SignedOutElsewhere { profile } => told(
                filled(words.signed_out, &[&said.name(profile)]),
                words.may_have_ended.to_owned(),
            ),
            Notice::UnsavedLogin => {
                told(words.unsaved_login.to_owned(), words.how_to_save.to_owned())
            }
            Notice::LimitNear(limit) => {
                let used = limit.used_percent.map(|percent| format!("{percent}%"));
                let used = used.unwrap_or_else(|| "?".to_owned());
                let (name, window) = (said.name(&limit.profile), words.window(&limit.window));
                let title = filled(words.limit_near, &[&name, &used, window]);
                told(title, said.resets(limit))
            }
            Notice::LimitReached(limit) => {
                let (name, window) = (said.name(&limit.profile), words.window(&limit.window));
                let title = filled(words.limit_reached, &[&name, window]);
                told(title, said.resets(limit))
            }
            Notice::LimitReset(limit) => {
                let (name, window) = (said.name(&limit.profile), words.window(&limit.window));
                told(filled(words.limit_reset, &[window, &name]), String::new())
            }
            Notice::FallbackUsed { from, to } => told(
                filled(words.fallback_used, &[&said.name(from), &said.name(to)]),
                String::new(),
            ),
            _ => return None,
        })
    }

    /// The answer to a click on a profile: what became of the logins, and of a running Codex.
    pub(crate) fn of_switch(switched: &Switched, is_attached: bool, said: &Said<'_>) -> Self {
        let (words, name) = (said.words, |name: &str| said.name_of(name));
        let kept = switched.kept_as.as_ref();
        let kept = kept.map(|kept| filled(words.kept_as, &[&name(kept.as_str())]));
        let unknown = switched.live_unknown.as_ref();
        let unknown = unknown.map(|why| filled(words.live_unknown, &[&why.to_string()]));
        let restart = (switched.published && !is_attached).then(|| words.restart_codex.to_owned());
        let body: Vec<_> = [kept, unknown, restart].into_iter().flatten().collect();
        Self {
            title: filled(words.now_using, &[&name(switched.current.as_str())]),
            body: body.join(" "),
            is_answer: true,
        }
    }

    /// The answer to a click that led to nothing.
    pub(crate) fn of_failure(error: &dyn std::fmt::Display, words: &Words) -> Self {
        Self {
            title: words.not_done.to_owned(),
            body: error.to_string(),
            is_answer: true,
        }
    }
}

/// In which words, and when.
pub(crate) struct Said<'a> {
    pub(crate) words: &'a Words,
    pub(crate) now: Zoned,
    /// What profiles are called, by their names.
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
}

impl Said<'_> {
    fn name(&self, profile: &ProfileRef) -> String {
        self.name_of(profile.as_str())
    }

    fn name_of(&self, name: &str) -> String {
        let label = self.labels.get(name).copied();
        label.unwrap_or(name).to_owned()
    }

    fn resets(&self, limit: &Limit) -> String {
        let at = limit
            .resets_at
            .map(|at| at.to_zoned(self.now.time_zone().clone()));
        let clock = at.map(|at| self.words.clock(&at, &self.now));
        clock.map_or_else(String::new, |clock| filled(self.words.resets, &[&clock]))
    }
}

/// Shows notifications, one after the other and none too often.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    notes: mpsc::Sender<Note>,
}

impl Notifier {
    /// Begins to show, on this runtime; a click on a notification calls `clicked`.
    pub(crate) fn start(
        runtime: &tokio::runtime::Handle,
        clicked: impl Fn() + Send + Sync + Clone + 'static,
    ) -> Self {
        let (notes, mut waiting) = mpsc::channel::<Note>(MAX_WAITING);
        runtime.spawn(async move {
            let (mut pace, mut shown) = (Pace::default(), native::Shown::default());
            while let Some(note) = waiting.recv().await {
                if note.is_answer || pace.allows(&note.title, Instant::now()) {
                    shown.show(note, clicked.clone()).await;
                }
            }
        });
        Self { notes }
    }

    /// Shows a notification soon, or never where too many wait. Returns at once.
    pub(crate) fn show(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            tracing::debug!("too many notifications: one was left out");
        }
    }
}

/// What was said of late.
#[derive(Debug, Default)]
struct Pace {
    said: VecDeque<(String, Instant)>,
}

impl Pace {
    fn allows(&mut self, what: &str, now: Instant) -> bool {
        self.said.retain(|(_, at)| now.duration_since(*at) < PAUSE);
        let minute = Duration::from_mins(1);
        let is_recent = |(_, at): &&(String, Instant)| now.duration_since(*at) < minute;
        let is_busy = self.said.iter().filter(is_recent).count() >= MAX_IN_A_MINUTE;
        let is_known = self.said.iter().any(|(said, _)| said == what);
        let allowed = !is_busy && !is_known;
        if allowed {
            self.said.push_back((what.to_owned(), now));
        }
        allowed
    }
}

fn native_note(note: &Note) -> notify_rust::Notification {
    let mut native = notify_rust::Notification::new();
    native
        .appname("Codex Router")
        .summary(&note.title)
        .body(&note.body);
    native
}

/// Over the session bus.
#[cfg(target_os = "linux")]
mod native {
    use notify_rust::NotificationResponse;
    use tokio::task::AbortHandle;

    use super::{Note, VecDeque, native_note, plain};

    /// Clicks that are waited for; each holds a connection to the session bus.
    const MAX_SHOWN: usize = 4;

    /// Notifications that may still be clicked.
    #[derive(Debug, Default)]
    pub(super) struct Shown {
        waiting: VecDeque<AbortHandle>,
    }

    impl Shown {
        pub(super) async fn show(
            &mut self,
            note: Note,
            clicked: impl Fn() + Send + Sync + 'static,
        ) {
            let mut native = native_note(&note);
            native.body(&plain(&note.body));
            native
                .icon("codex-router")
                .action("default", "Codex Router");
            let shown = match native.show_async().await {
                Ok(shown) => shown,
                // A desktop without them is no fault.
                Err(error) => return tracing::debug!(%error, "no notification"),
            };
            let wait = async move {
                let answered = |response: &NotificationResponse| {
                    if !matches!(response, NotificationResponse::Closed(_)) {
                        clicked();
                    }
                };
                shown.wait_for_action_async(answered).await;
            };
            self.keep(tokio::spawn(wait).abort_handle());
        }

        /// Lets go of the oldest, where too many wait.
        fn keep(&mut self, handle: AbortHandle) {
            self.waiting.retain(|waiting| !waiting.is_finished());
            if self.waiting.len() >= MAX_SHOWN
                && let Some(oldest) = self.waiting.pop_front()
            {
                oldest.abort();
            }
            self.waiting.push_back(handle);
        }
    }
}

/// Text that is shown as it is, where a body is markup.
#[cfg(target_os = "linux")]
fn plain(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// With calls that wait for the person, each on a thread of its own.
#[cfg(not(target_os = "linux"))]
mod native {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use notify_rust::NotificationResponse;

    use super::{Note, native_note};

    const MAX_SHOWN: usize = 4;

    /// Notifications that may still be clicked.
    #[derive(Debug, Default)]
    pub(super) struct Shown {
        waiting: Arc<AtomicUsize>,
    }

    impl Shown {
        #[expect(clippy::unused_async, reason = "as where it is asynchronous")]
        pub(super) async fn show(&mut self, note: Note, clicked: impl Fn() + Send + 'static) {
            let waiting = self.waiting.clone();
            if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_SHOWN {
                waiting.fetch_sub(1, Ordering::Relaxed);
                return tracing::debug!("too many notifications wait for a person");
            }
            std::thread::spawn(move || {
                wait_for_click(&note, &clicked);
                waiting.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    fn wait_for_click(note: &Note, clicked: &dyn Fn()) {
        let answered = |response: &NotificationResponse| {
            if !matches!(response, NotificationResponse::Closed(_)) {
                clicked();
            }
        };
        let shown = native_note(note).show();
        if let Err(error) = shown.and_then(|shown| shown.wait_for_response(answered)) {
            tracing::debug!(%error, "no notification");
        }
    }
}

#[cfg(test)]
mod tests {
    use codex_auth::LoginReason;
    use codex_proxy::control::Language;

    use super::*;

    fn said(language: Language) -> Said<'static> {
        Said {
            words: Words::of(language, None),
            now: "2026-11-23T14:10[UTC]".parse().unwrap(),
            labels: BTreeMap::from([("work", "Work")]),
        }
    }

    #[test]
    fn the_same_is_not_said_twice_in_ten_minutes_and_nothing_in_a_burst() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(pace.allows("a", at(0)));
        assert!(!pace.allows("a", at(599)));
        assert!(pace.allows("a", at(600)));
        for name in ["b", "c", "d", "e"] {
            assert!(pace.allows(name, at(601)));
        }
        assert!(!pace.allows("f", at(602)));
        assert!(pace.allows("f", at(661)));
    }

    #[test]
    fn notices_to_act_on_become_notifications_in_the_language_of_the_person() {
        let profile = ProfileRef::new("work");
        let ended = Notice::LoginRequired {
            profile: profile.clone(),
            reason: LoginReason::Revoked,
        };
        let fallback = Notice::FallbackUsed {
            from: profile.clone(),
            to: ProfileRef::new("key"),
        };
        let (english, chinese) = (said(Language::English), said(Language::Chinese));
        let title = |notice, said| Note::of(notice, said).map(|note| note.title);
        assert_eq!(
            title(&ended, &english).as_deref(),
            Some("Work must log in again")
        );
        assert_eq!(
            title(&ended, &chinese).as_deref(),
            Some("Work 需要重新登录")
        );
        assert_eq!(
            title(&fallback, &english).as_deref(),
            Some("Work could not serve: key did")
        );
        assert_eq!(title(&Notice::Adopted { profile }, &english), None);
    }

    /// The title and the body, in English.
    fn note(notice: &Notice) -> (String, String) {
        let note = Note::of(notice, &said(Language::English)).unwrap();
        assert!(!note.is_answer, "nobody asked");
        (note.title, note.body)
    }

    fn told(title: &str, body: &str) -> (String, String) {
        (title.to_owned(), body.to_owned())
    }

    /// 5 hours of a profile, until twenty past four.
    fn five_hours(profile: &str, used_percent: Option<u8>) -> Limit {
        let mut limit = Limit::new(ProfileRef::new(profile), "5h");
        limit.used_percent = used_percent;
        limit.resets_at = Some("2026-11-23T16:20Z".parse().unwrap());
        limit
    }

    #[test]
    fn a_limit_is_told_when_it_is_near_reached_and_begun_anew() {
        assert_eq!(
            note(&Notice::LimitNear(five_hours("work", Some(83)))),
            told("Work has used 83% of its 5h limit", "resets 16:20")
        );
        assert_eq!(
            note(&Notice::LimitReached(five_hours("other", Some(100)))),
            told("other has reached its 5h limit", "resets 16:20")
        );
        assert_eq!(
            note(&Notice::LimitReset(five_hours("work", None))),
            told("The 5h limit of Work has begun anew", "")
        );
    }

    #[test]
    fn what_is_not_known_of_a_limit_is_not_made_up() {
        let limit = Limit::new(ProfileRef::new("work"), "GPT-Next");
        assert_eq!(
            note(&Notice::LimitNear(limit)),
            told("Work has used ? of its GPT-Next limit", "")
        );
    }

    #[test]
    fn a_login_that_codex_changed_needs_the_person() {
        let signed_out = Notice::SignedOutElsewhere {
            profile: ProfileRef::new("work"),
        };
        let (title, body) = note(&signed_out);
        assert_eq!(title, "Codex no longer uses the login of Work");
        assert!(
            body.ends_with("Open Codex Router to log in again."),
            "{body}"
        );
        assert_eq!(
            note(&Notice::UnsavedLogin),
            told(
                "Codex uses a login that is in no profile",
                "Open Codex Router to save it."
            )
        );
    }
}
