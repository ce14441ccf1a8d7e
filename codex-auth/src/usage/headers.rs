//! `x-codex-…` headers, in minutes. *Source:* wire reference 9.1.

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::{
    Credits, UsageSource,
    reading::{
        LimitId, LimitReading, MOST_LIMITS, RawNumbers, Reading, Told, display_name, number_in,
        plan,
    },
};

const SUFFIXES: [&str; 2] = ["-primary-used-percent", "-secondary-used-percent"];
/// The other kinds of `x-codex-rate-limit-reached-type` are about money.
const LIMIT_OF_TIME: &str = "rate_limit_reached";

pub(super) fn reading(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Reading> {
    // Most answers of most servers hold none of this.
    headers
        .keys()
        .any(|name| name.as_str().starts_with("x-codex-") || is_of_a_limit(name.as_str()))
        .then(|| {
            let is_refusal = status == StatusCode::TOO_MANY_REQUESTS;
            Answer {
                is_refusal,
                headers,
                now,
            }
            .reading()
        })
}

/// The headers of one answer.
struct Answer<'a> {
    is_refusal: bool,
    headers: &'a HeaderMap,
    now: Timestamp,
}

impl Answer<'_> {
    fn reading(&self) -> Reading {
        let names = self.limit_names();
        let active = self.active(&names);
        let mut limits: Vec<LimitReading> =
            names.iter().filter_map(|name| self.limit(name)).collect();
        // The limit of this request comes twice: by its own name, and as the plain one.
        if let Some(active) = &active
            && limits.iter().any(|it| it.id == *active && !it.id.is_main())
        {
            limits.retain(|limit| !limit.id.is_main());
        }
        if let Some(id) = self.reached(active) {
            match limits.iter_mut().find(|limit| limit.id == id) {
                Some(limit) => limit.reached = true,
                None => limits.push(LimitReading {
                    reached: true,
                    ..LimitReading::new(id)
                }),
            }
        }
        Reading {
            limits,
            credits: self.credits(),
            plan: self.text("x-codex-plan-type").and_then(plan),
            source: UsageSource::Headers,
            read_at: self.now,
        }
    }

    /// What stands between `x-` and the suffix, each once, the main limit first.
    fn limit_names(&self) -> Vec<String> {
        let mut names = vec!["codex".to_owned()];
        for name in self.headers.keys() {
            if let Some(name) = limit_of(name.as_str())
                && names.len() < MOST_LIMITS
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        }
        names
    }

    fn limit(&self, name: &str) -> Option<LimitReading> {
        let limit = LimitReading {
            primary: self.window(name, "primary"),
            secondary: self.window(name, "secondary"),
            ..LimitReading::new(LimitId::new(name)?)
        };
        let limit = limit.called(self.text(&format!("x-{name}-limit-name")));
        limit.tells_something().then_some(limit)
    }

    fn window(&self, limit: &str, slot: &str) -> Told {
        let number = |what: &str| {
            let name = format!("x-{limit}-{slot}-{what}");
            self.text(&name).and_then(number_in)
        };
        let used_percent = number("used-percent");
        if used_percent.is_none() {
            return Told::Nothing;
        }
        let numbers = RawNumbers {
            used_percent,
            duration_seconds: number("window-minutes").map(|minutes| minutes * 60.0),
            reset_at: number("reset-at"),
            reset_after_seconds: number("reset-after-seconds"),
        };
        numbers.told(self.now)
    }

    /// The limit that counts for this request, if it is one: ordinary answers name it too, and
    /// some have a word there that is none.
    fn active(&self, names: &[String]) -> Option<LimitId> {
        let active = LimitId::new(self.text("x-codex-active-limit")?)?;
        let is_told = names
            .iter()
            .any(|name| LimitId::new(name).as_ref() == Some(&active));
        (is_told || active.is_of_codex()).then_some(active)
    }

    /// The limit that a refusal is for.
    fn reached(&self, active: Option<LimitId>) -> Option<LimitId> {
        let kind = self.text("x-codex-rate-limit-reached-type");
        if kind.is_some_and(|kind| kind.trim() != LIMIT_OF_TIME) {
            return None;
        }
        match kind {
            Some(_) => active.or_else(|| Some(LimitId::main())),
            None => active.filter(|_| self.is_refusal),
        }
    }

    fn credits(&self) -> Option<Credits> {
        let flag = |name| self.text(name).and_then(flag);
        Some(Credits {
            has_credits: flag("x-codex-credits-has-credits")?,
            unlimited: flag("x-codex-credits-unlimited")?,
            balance: self.text("x-codex-credits-balance").and_then(display_name),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn is_of_a_limit(header: &str) -> bool {
    limit_of(header).is_some()
}

fn limit_of(header: &str) -> Option<&str> {
    let rest = header.strip_prefix("x-")?;
    let name = SUFFIXES
        .iter()
        .find_map(|suffix| rest.strip_suffix(suffix))?;
    (!name.is_empty()).then_some(name)
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
