//! The items of an answer, and what of each was given to the client.

use std::ops::{Index, IndexMut};

use crate::{
    json::Escaped,
    responses::{
        event::{DeltaKind, Place},
        wire::{Family, Item},
    },
};

/// An item of the output.
#[derive(Debug)]
pub(super) struct OpenItem {
    family: Family,
    output_index: Option<u64>,
    id: String,
    pub(super) call: Option<ToolCall>,
    /// Parts of which something was given: what their item repeats at its end is not given again.
    pub(super) given: Vec<(DeltaKind, u64)>,
    pub(super) annotated: bool,
    /// Its text was given.
    pub(super) spoke: bool,
    pub(super) done: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ToolCall {
    pub(super) index: usize,
    pub(super) custom: bool,
}

impl OpenItem {
    fn new(family: Family) -> Self {
        Self {
            family,
            output_index: None,
            id: String::new(),
            call: None,
            given: Vec::new(),
            annotated: false,
            spoke: false,
            done: false,
        }
    }

    fn locate(&mut self, place: Place<'_>) {
        self.output_index = self.output_index.or(place.output_index);
        if let Some(id) = place.item_id.filter(|_| self.id.is_empty()) {
            self.id = id.as_str().into();
        }
    }

    fn may_be_at(&self, index: Option<u64>) -> bool {
        index.is_none() || self.output_index.is_none()
    }

    fn is_nowhere(&self) -> bool {
        self.output_index.is_none() && self.id.is_empty()
    }
}

/// The items so far, each known by its number.
#[derive(Debug, Default)]
pub(super) struct OpenItems(Vec<OpenItem>);

impl Index<usize> for OpenItems {
    type Output = OpenItem;

    fn index(&self, at: usize) -> &OpenItem {
        &self.0[at]
    }
}

impl IndexMut<usize> for OpenItems {
    fn index_mut(&mut self, at: usize) -> &mut OpenItem {
        &mut self.0[at]
    }
}

impl OpenItems {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The item that an event speaks of, known from now on.
    pub(super) fn at(&mut self, place: Place<'_>, family: Family) -> usize {
        let at = self
            .known(place, family)
            .unwrap_or_else(|| self.begin(family));
        self.0[at].locate(place);
        at
    }

    fn begin(&mut self, family: Family) -> usize {
        self.0.push(OpenItem::new(family));
        self.0.len() - 1
    }

    /// By its position, else by its id: some upstreams give an item another id in each event. An
    /// event that says neither speaks of the item under way, and the other way round.
    fn known(&self, place: Place<'_>, family: Family) -> Option<usize> {
        let find = |test: &dyn Fn(&OpenItem) -> bool| self.0.iter().rposition(test);
        let id = place.item_id.map(Escaped::as_str).unwrap_or_default();
        let index = place.output_index;
        let under_way = |item: &OpenItem| item.family == family && !item.done;
        if index.is_none() && id.is_empty() {
            return find(&under_way);
        }
        find(&|item| index.is_some() && item.output_index == index)
            .or_else(|| find(&|item| !id.is_empty() && item.id == id && item.may_be_at(index)))
            .or_else(|| find(&|item| under_way(item) && item.is_nowhere()))
    }

    /// The item that one of the last event completes, if any; `told` items were known before it.
    /// Its position says nothing here: some upstreams leave others out.
    pub(super) fn untold(&mut self, item: &Item<'_>, told: usize) -> Option<usize> {
        let (id, family) = (item.id().unwrap_or_default(), item.family());
        let mut known = self.0[..told].iter();
        let has_id = |it: &OpenItem| !it.id.is_empty() && it.id == id.as_str();
        if let Some(same) = known.clone().position(has_id) {
            return Some(same);
        }
        if known.any(|it| it.family == family) {
            let under_way = |it: &OpenItem| it.family == family && !it.done;
            return self.0[..told].iter().position(under_way);
        }
        Some(self.begin(family))
    }

    /// Whether a message other than this one has had text.
    pub(super) fn others_spoke(&self, at: usize) -> bool {
        let mut all = self.0.iter().enumerate();
        all.any(|(other, item)| other != at && item.spoke)
    }
}
