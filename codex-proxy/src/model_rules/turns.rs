//! Rules for connections, each turn of which names its model.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderName};

use super::{
    ModelRules, Ruled,
    find::{Finder, Told},
};
use crate::conversation::thread_of;

/// What Codex says of a connection's model before its first turn. *Source:* wire reference 5.2.
const X_CODEX_ROUTING_HINT: HeaderName = HeaderName::from_static("x-codex-routing-hint");
/// More threads than this do not wait to connect anew.
const MOST_MOVES: usize = 1024;

/// The model that a turn asked for, if it named one.
type Asked = Option<String>;

/// The models that threads were told to connect anew for. A handshake names no model for sure, so
/// that without this it would lead to the same profile again, and again.
#[derive(Default)]
pub(super) struct Moves(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    models: HashMap<String, Asked>,
    in_order: VecDeque<String>,
}

impl Moves {
    fn note(&self, thread: &str, model: Asked) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.models.insert(thread.to_owned(), model).is_none() {
            noted.in_order.push_back(thread.to_owned());
        }
        if noted.in_order.len() > MOST_MOVES
            && let Some(oldest) = noted.in_order.pop_front()
        {
            noted.models.remove(&oldest);
        }
    }

    fn take(&self, thread: &str) -> Option<Asked> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let model = noted.models.remove(thread)?;
        noted.in_order.retain(|name| name != thread);
        Some(model)
    }
}

impl fmt::Debug for Moves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moves").finish_non_exhaustive()
    }
}

/// In the extensions of a handshake: the rules, to be asked for each turn of the connection. Not
/// there where the client names its profile.
#[derive(Debug, Clone)]
pub(crate) struct TurnRules {
    rules: Arc<dyn ModelRules>,
    moves: Arc<Moves>,
    thread: Option<String>,
    /// There were rules when it connected.
    judged: bool,
}

/// What a turn asks for, where there are rules.
pub(crate) struct RuledTurn {
    model: Option<String>,
    /// The rule that counts for it, if any does.
    pub(crate) ruled: Option<Ruled>,
}

impl TurnRules {
    pub(super) fn new(rules: Arc<dyn ModelRules>, moves: Arc<Moves>, headers: &HeaderMap) -> Self {
        Self {
            rules,
            moves,
            thread: thread_of(headers),
            judged: false,
        }
    }

    /// The rule for the connection itself, by what is known of its first turn.
    pub(super) async fn judge(&mut self, headers: &HeaderMap) -> Option<Ruled> {
        let table = self.rules.rules().await?;
        self.judged = true;
        let noted = self.thread.as_ref().and_then(|it| self.moves.take(it));
        let model = noted.unwrap_or_else(|| hinted(headers))?;
        table.rule_for(&model)
    }

    /// Whether there were rules when it connected, so that its turns may be for different profiles.
    pub(crate) fn apply(&self) -> bool {
        self.judged
    }

    /// What a message asks for; nothing where there are no rules now.
    pub(crate) async fn of(&self, message: &str) -> Option<RuledTurn> {
        let table = self.rules.rules().await?;
        let model = match Finder::new().push(message.as_bytes()) {
            Told::Model(model) => model,
            Told::GoOn => None,
        };
        let ruled = model.as_deref().and_then(|model| table.rule_for(model));
        Some(RuledTurn { model, ruled })
    }

    /// Takes note of a turn for which the client is to connect anew. False when nothing would tell
    /// that connection from this one.
    pub(crate) fn moved(&self, turn: &RuledTurn) -> bool {
        let Some(thread) = &self.thread else {
            return !self.judged;
        };
        self.moves.note(thread, turn.model.clone());
        true
    }
}

/// `model=NAME`, and what else there is behind a semicolon.
fn hinted(headers: &HeaderMap) -> Option<String> {
    let hint = headers.get(X_CODEX_ROUTING_HINT)?.to_str().ok()?;
    let mut fields = hint.split(';').map(str::trim);
    let model = fields.find_map(|field| field.strip_prefix("model="))?;
    Some(model.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_known_once_and_the_oldest_are_forgotten() {
        let moves = Moves::default();
        for n in 0..=MOST_MOVES {
            moves.note(&n.to_string(), Some(format!("m{n}")));
        }
        assert_eq!(moves.take("0"), None);
        assert_eq!(moves.take("1"), Some(Some("m1".to_owned())));
        assert_eq!(moves.take("1"), None);
        moves.note("2", None);
        assert_eq!(moves.take("2"), Some(None));
        assert_eq!(moves.0.lock().unwrap().in_order.len(), MOST_MOVES - 2);
    }

    #[test]
    fn the_hint_of_codex_names_the_model_first() {
        let hinted = |hint: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_CODEX_ROUTING_HINT, hint.parse().unwrap());
            hinted(&headers)
        };
        assert_eq!(hinted("model=gpt-6.1-sol").as_deref(), Some("gpt-6.1-sol"));
        assert_eq!(hinted("model=m;tier=priority").as_deref(), Some("m"));
        assert_eq!(hinted("tier=priority"), None);
    }
}
