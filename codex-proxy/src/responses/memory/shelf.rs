//! Which conversations are held, and which goes first.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::time::Instant;

use super::{Item, KeptItem, Key, MemoryLimits, Turn};

/// Conversations, each a tree of turns that is held and let go as a whole, so that the sum of
/// their sizes is the memory in use: a turn holds on to all before it.
pub(super) struct Shelf {
    limits: MemoryLimits,
    conversations: HashMap<Number, Conversation>,
    /// The conversations in the order in which they were last used.
    in_order: BTreeMap<u64, Number>,
    answers: HashMap<Key, Held>,
    items: HashMap<Key, KeptItem>,
    held_bytes: usize,
    /// Numbers conversations, and their uses.
    next: u64,
}

type Number = u64;

struct Conversation {
    turns: Vec<Arc<Turn>>,
    bytes: usize,
    used: u64,
    used_at: Instant,
}

struct Held {
    turn: Arc<Turn>,
    conversation: Number,
    /// Later turns still need it.
    deleted: bool,
}

impl Shelf {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self {
            limits,
            conversations: HashMap::new(),
            in_order: BTreeMap::new(),
            answers: HashMap::new(),
            items: HashMap::new(),
            held_bytes: 0,
            next: 0,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub(super) fn fits(&self, answer_bytes: usize) -> bool {
        answer_bytes <= self.limits.answer_bytes.min(self.limits.total_bytes)
    }

    /// Makes room for a turn and holds it, unless its conversation alone is too large; says whether
    /// it is held.
    pub(super) fn keep(&mut self, turn: &Arc<Turn>) -> bool {
        self.let_go_of_the_old();
        let known = self.conversation_before(turn);
        let (added, others) = match known.and_then(|number| self.conversations.get(&number)) {
            Some(conversation) => (turn.own_bytes(), conversation.bytes),
            None => (turn.chain_bytes(), 0),
        };
        if others + added > self.limits.total_bytes {
            return false;
        }
        let number = known.unwrap_or_else(|| self.begin());
        self.touch(number);
        while self.held_bytes + added > self.limits.total_bytes && self.let_go_of_the_first() {}
        self.add(number, turn, added);
        true
    }

    /// The number of a new connection.
    pub(super) fn connect(&mut self) -> u64 {
        self.tick()
    }

    /// Lets go of all that only this connection would find.
    pub(super) fn disconnect(&mut self, connection: u64) {
        // A conversation is of one connection, as its turns are found by no other.
        let is_its = |turn: &Arc<Turn>| turn.key.owner.connection == Some(connection);
        let its = |all: &Conversation| all.turns.first().is_some_and(is_its);
        let numbers: Vec<Number> = (self.conversations.iter())
            .filter_map(|(number, all)| its(all).then_some(*number))
            .collect();
        for number in numbers {
            self.let_go(number);
        }
    }

    pub(super) fn find(&mut self, key: &Key) -> Option<Arc<Turn>> {
        self.let_go_of_the_old();
        let held = self.answers.get(key).filter(|held| !held.deleted)?;
        let (turn, number) = (held.turn.clone(), held.conversation);
        self.touch(number);
        Some(turn)
    }

    pub(super) fn find_item(&mut self, key: &Key) -> Option<KeptItem> {
        self.let_go_of_the_old();
        let item = self.items.get(key)?.clone();
        if let Some(held) = self.answers.get(&item.turn.key) {
            self.touch(held.conversation);
        }
        Some(item)
    }

    pub(super) fn delete(&mut self, key: &Key) -> bool {
        self.let_go_of_the_old();
        let Some(held) = self.answers.get_mut(key).filter(|held| !held.deleted) else {
            return false;
        };
        held.deleted = true;
        let (turn, number) = (held.turn.clone(), held.conversation);
        self.forget_items(&turn);
        if self.is_deleted(number) {
            self.let_go(number);
        }
        true
    }

    fn conversation_before(&self, turn: &Turn) -> Option<Number> {
        let before = turn.before.as_ref()?;
        let held = self.answers.get(&before.key)?;
        Arc::ptr_eq(&held.turn, before).then_some(held.conversation)
    }

    fn begin(&mut self) -> Number {
        let number = self.tick();
        let conversation = Conversation {
            turns: Vec::new(),
            bytes: 0,
            used: number,
            used_at: Instant::now(),
        };
        self.conversations.insert(number, conversation);
        number
    }

    fn touch(&mut self, number: Number) {
        let now = self.tick();
        if let Some(conversation) = self.conversations.get_mut(&number) {
            self.in_order.remove(&conversation.used);
            self.in_order.insert(now, number);
            conversation.used = now;
            conversation.used_at = Instant::now();
        }
    }

    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn add(&mut self, number: Number, turn: &Arc<Turn>, bytes: usize) {
        let Some(conversation) = self.conversations.get_mut(&number) else {
            return;
        };
        conversation.bytes += bytes;
        conversation.turns.push(turn.clone());
        self.held_bytes += bytes;
        // The first of two with the same id is written last, and stays.
        for (number, item) in turn.items.iter().enumerate().rev() {
            let turn = turn.clone();
            let kept = KeptItem { turn, number };
            self.items.insert(item.key.clone(), kept);
        }
        let held = Held {
            turn: turn.clone(),
            conversation: number,
            deleted: false,
        };
        self.answers.insert(turn.key.clone(), held);
    }

    fn let_go_of_the_old(&mut self) {
        while self.first_is_old() && self.let_go_of_the_first() {}
    }

    fn first_is_old(&self) -> bool {
        let first = self.in_order.first_key_value();
        let first = first.and_then(|(_, number)| self.conversations.get(number));
        first.is_some_and(|first| first.used_at.elapsed() > self.limits.age)
    }

    fn let_go_of_the_first(&mut self) -> bool {
        let first = self.in_order.first_key_value().map(|(_, number)| *number);
        first.is_some_and(|number| self.let_go(number))
    }

    fn let_go(&mut self, number: Number) -> bool {
        let Some(conversation) = self.conversations.remove(&number) else {
            return false;
        };
        self.in_order.remove(&conversation.used);
        self.held_bytes -= conversation.bytes;
        for turn in &conversation.turns {
            self.forget_items(turn);
            // An upstream that gives an id twice has written the later answer over it.
            if (self.answers.get(&turn.key)).is_some_and(|held| Arc::ptr_eq(&held.turn, turn)) {
                self.answers.remove(&turn.key);
            }
        }
        true
    }

    fn forget_items(&mut self, turn: &Arc<Turn>) {
        for Item { key, .. } in &turn.items {
            if (self.items.get(key)).is_some_and(|other| Arc::ptr_eq(&other.turn, turn)) {
                self.items.remove(key);
            }
        }
    }

    fn is_deleted(&self, number: Number) -> bool {
        let turns = self.conversations.get(&number).map(|all| &all.turns);
        let deleted = |turn: &Arc<Turn>| self.answers.get(&turn.key).is_none_or(|h| h.deleted);
        turns.is_some_and(|turns| turns.iter().all(deleted))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::responses::memory::{Draft, Owner};

    fn owner(account: &str) -> Owner {
        Owner {
            account: account.into(),
            connection: None,
        }
    }

    fn key(id: &str) -> Key {
        Key::new(&owner("a"), id)
    }

    fn turn(id: &str, before: Option<Arc<Turn>>, bytes: usize) -> Arc<Turn> {
        let item = format!(
            r#"{{"type":"message","id":"m_{id}","x":"{}"}}"#,
            "x".repeat(bytes)
        );
        Arc::new(Turn::new(Draft {
            owner: &owner("a"),
            id,
            before,
            input: item.into(),
            response: "{}".into(),
        }))
    }

    fn shelf(total_bytes: usize) -> Shelf {
        Shelf::new(MemoryLimits {
            total_bytes,
            ..MemoryLimits::default()
        })
    }

    #[test]
    fn the_longest_unused_conversation_goes_first_and_as_a_whole() {
        let mut shelf = shelf(50_000);
        let first = turn("a1", None, 10_000);
        shelf.keep(&first);
        shelf.keep(&turn("a2", Some(first), 10_000));
        shelf.keep(&turn("b", None, 10_000));
        assert!(shelf.find(&key("a1")).is_some(), "used again");
        shelf.keep(&turn("c", None, 20_000));
        assert!(shelf.find(&key("b")).is_none());
        assert!(shelf.find(&key("a2")).is_some());
        shelf.keep(&turn("d", None, 20_000));
        shelf.keep(&turn("e", None, 20_000));
        for id in ["a1", "a2", "c"] {
            assert!(shelf.find(&key(id)).is_none(), "{id}");
            assert!(shelf.find_item(&key(&format!("m_{id}"))).is_none(), "{id}");
        }
    }

    #[test]
    fn what_is_too_large_drives_nothing_out() {
        let mut shelf = shelf(50_000);
        shelf.keep(&turn("a", None, 10_000));
        let huge = turn("b", None, 60_000);
        shelf.keep(&huge);
        assert!(shelf.find(&key("b")).is_none());
        // Small itself, but it would hold on to the huge one.
        assert!(!shelf.keep(&turn("c", Some(huge), 10)));
        assert!(shelf.find(&key("c")).is_none() && shelf.find(&key("a")).is_some());
    }

    #[test]
    fn a_deleted_answer_is_gone_and_those_after_it_are_not() {
        let mut shelf = shelf(1 << 20);
        let first = turn("a1", None, 10);
        shelf.keep(&first);
        shelf.keep(&turn("a2", Some(first), 10));
        assert!(shelf.delete(&key("a1")) && !shelf.delete(&key("a1")));
        assert!(shelf.find(&key("a1")).is_none() && shelf.find_item(&key("m_a1")).is_none());
        assert_eq!(shelf.find(&key("a2")).unwrap().asked().len(), 3);
        assert!(shelf.delete(&key("a2")));
        assert_eq!(shelf.held_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_conversation_past_its_age_is_gone() {
        let mut shelf = shelf(1 << 20);
        shelf.keep(&turn("a", None, 10));
        let age = MemoryLimits::default().age;
        tokio::time::advance(age).await;
        assert!(shelf.find(&key("a")).is_some(), "which is a use of it");
        tokio::time::advance(age + Duration::from_secs(1)).await;
        assert!(shelf.find(&key("a")).is_none());
        assert_eq!(shelf.held_bytes(), 0);
    }

    #[test]
    fn an_account_does_not_find_what_another_was_told() {
        let mut shelf = shelf(1 << 20);
        shelf.keep(&turn("a", None, 10));
        let other = owner("other");
        assert!(shelf.find(&Key::new(&other, "a")).is_none());
        assert!(shelf.find_item(&Key::new(&other, "m_a")).is_none());
        assert!(!shelf.delete(&Key::new(&other, "a")));
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_is_held(
            steps in prop::collection::vec((0..12_u8, 0..12_u8, 0..4000_usize, any::<bool>()), 0..60),
        ) {
            let mut shelf = shelf(20_000);
            for (id, before, bytes, delete) in steps {
                let id = id.to_string();
                if delete {
                    shelf.delete(&key(&id));
                } else {
                    let before = shelf.find(&key(&before.to_string()));
                    shelf.keep(&turn(&id, before, bytes));
                }
                let turns = || shelf.conversations.values().flat_map(|all| &all.turns);
                let held: usize = turns().map(|turn| turn.own_bytes()).sum();
                prop_assert_eq!(shelf.held_bytes(), held);
                prop_assert!(held <= 20_000);
                prop_assert_eq!(shelf.in_order.len(), shelf.conversations.len());
                prop_assert!(shelf.answers.len() <= turns().count());
            }
        }
    }
}
