//! Owns the items of one menu: their ids, their order, and finding them by property without
//! looking at all of them. Never interprets a value.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::menu::{Menu, Shape};

/// The number in `*1A`.
pub(crate) type Id = u64;

const GAP: u64 = 1 << 32;

/// Ids by the value of one property.
type Index = HashMap<Box<[u8]>, Vec<Id>>;

#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Made by the router itself; cannot be edited and does not survive a reboot.
    pub(crate) dynamic: bool,
    rank: u64,
    values: Vec<(u8, Box<[u8]>)>,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) menu: &'static Menu,
    items: HashMap<Id, Item>,
    order: BTreeMap<u64, Id>,
    indexes: Vec<(u8, Index)>,
    next: Id,
}

impl Item {
    fn get(&self, field: u8) -> Option<&[u8]> {
        self.values.iter().find(|(at, _)| *at == field).map(|(_, value)| &**value)
    }
}

impl Table {
    pub(crate) fn new(menu: &'static Menu) -> Table {
        let indexed = menu.indexed.iter().filter_map(|name| menu.field(name));
        let indexes = indexed.map(|(at, _)| (position(at), HashMap::new())).collect();
        let mut table =
            Table { menu, items: HashMap::new(), order: BTreeMap::new(), indexes, next: 1 };
        if menu.shape == Shape::Single {
            table.add(Vec::new(), false, None);
        }
        table
    }

    pub(crate) fn item(&self, id: Id) -> Option<&Item> {
        self.items.get(&id)
    }

    /// Ids in the order in which the menu shows them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.order.values().copied()
    }

    /// The value that a reader sees: what was written or the default.
    pub(crate) fn value(&self, id: Id, name: &str) -> Option<Cow<'_, [u8]>> {
        let (at, field) = self.menu.field(name)?;
        let written = self.items.get(&id)?.get(position(at)).map(Cow::Borrowed);
        written.or(field.default.map(|text| Cow::Borrowed(text.as_bytes())))
    }

    pub(crate) fn text(&self, id: Id, name: &str) -> String {
        self.value(id, name)
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .unwrap_or_default()
    }

    pub(crate) fn is(&self, id: Id, name: &str, wanted: &str) -> bool {
        self.value(id, name).is_some_and(|value| *value == *wanted.as_bytes())
    }

    pub(crate) fn is_enabled(&self, id: Id) -> bool {
        !self.is(id, "disabled", "true")
    }

    pub(crate) fn is_written(&self, id: Id, name: &str) -> bool {
        let field = self.menu.field(name);
        field.is_some_and(|(at, _)| {
            self.items.get(&id).is_some_and(|item| item.get(position(at)).is_some())
        })
    }

    /// Items whose written `name` is `value`, in order; `None` if that property is not indexed.
    pub(crate) fn indexed(&self, name: &str, value: &[u8]) -> Option<Vec<Id>> {
        let (at, _) = self.menu.field(name)?;
        let (_, index) = self.indexes.iter().find(|(field, _)| *field == position(at))?;
        let mut ids = index.get(value).cloned().unwrap_or_default();
        if ids.len() > 1 {
            ids.sort_unstable_by_key(|id| self.items.get(id).map(|item| item.rank));
        }
        Some(ids)
    }

    pub(crate) fn find(&self, name: &str, value: &str) -> Vec<Id> {
        match self.indexed(name, value.as_bytes()) {
            Some(ids) => ids,
            None => self.ids().filter(|id| self.is(*id, name, value)).collect(),
        }
    }

    pub(crate) fn first(&self, name: &str, value: &str) -> Option<Id> {
        self.find(name, value).first().copied()
    }

    /// Another item that has the same values in `names`.
    pub(crate) fn twin(&self, id: Option<Id>, values: &[(&str, Cow<'_, [u8]>)]) -> Option<Id> {
        let (first, wanted) = values.first()?;
        let candidates = match self.indexed(first, wanted) {
            Some(ids) => ids,
            None => self.ids().collect(),
        };
        candidates.into_iter().find(|other| {
            Some(*other) != id
                && values
                    .iter()
                    .all(|(name, wanted)| self.value(*other, name).unwrap_or_default() == *wanted)
        })
    }

    pub(crate) fn add(
        &mut self,
        values: Vec<(usize, Vec<u8>)>,
        dynamic: bool,
        before: Option<Id>,
    ) -> Id {
        let id = self.next;
        self.next += 1;
        let rank = self.rank_before(before);
        self.items.insert(id, Item { dynamic, rank, values: Vec::new() });
        self.order.insert(rank, id);
        for (at, value) in values {
            self.put(id, at, Some(value));
        }
        id
    }

    /// Writes or clears one property.
    pub(crate) fn put(&mut self, id: Id, at: usize, value: Option<Vec<u8>>) {
        let field = position(at);
        let Some(item) = self.items.get_mut(&id) else { return };
        let old = item.values.iter().position(|(other, _)| *other == field);
        let old = old.map(|slot| item.values.swap_remove(slot).1);
        let new = value.map(Vec::into_boxed_slice);
        if let Some((_, index)) = self.indexes.iter_mut().find(|(other, _)| *other == field) {
            if let Some(old) = &old {
                forget(index, old, id);
            }
            if let Some(new) = &new {
                index.entry(new.clone()).or_default().push(id);
            }
        }
        if let Some(new) = new {
            item.values.push((field, new));
        }
    }

    pub(crate) fn put_named(&mut self, id: Id, name: &str, value: &str) {
        if let Some((at, _)) = self.menu.field(name) {
            self.put(id, at, Some(value.as_bytes().to_vec()));
        }
    }

    pub(crate) fn mark_dynamic(&mut self, id: Id, dynamic: bool) {
        if let Some(item) = self.items.get_mut(&id) {
            item.dynamic = dynamic;
        }
    }

    pub(crate) fn remove(&mut self, id: Id) -> bool {
        let Some(item) = self.items.remove(&id) else { return false };
        self.order.remove(&item.rank);
        for (field, index) in &mut self.indexes {
            if let Some(value) = item.get(*field) {
                forget(index, value, id);
            }
        }
        true
    }

    /// Puts an item before another, or last.
    pub(crate) fn shift(&mut self, id: Id, before: Option<Id>) {
        let Some(old) = self.items.get(&id).map(|item| item.rank) else { return };
        if before == Some(id) {
            return;
        }
        let rank = self.rank_before(before);
        // Making room may have renumbered everything.
        let old = self.items.get(&id).map_or(old, |item| item.rank);
        self.order.remove(&old);
        self.order.insert(rank, id);
        if let Some(item) = self.items.get_mut(&id) {
            item.rank = rank;
        }
    }

    fn rank_before(&mut self, before: Option<Id>) -> u64 {
        let Some(next) = before.and_then(|id| self.items.get(&id)).map(|item| item.rank) else {
            return self.order.last_key_value().map_or(GAP, |(rank, _)| rank + GAP);
        };
        let previous = self.order.range(..next).next_back().map_or(0, |(rank, _)| *rank);
        if next - previous >= 2 {
            return previous + (next - previous) / 2;
        }
        self.renumber();
        self.rank_before(before)
    }

    fn renumber(&mut self) {
        let ids: Vec<Id> = self.ids().collect();
        self.order.clear();
        let mut rank = GAP;
        for id in ids {
            self.order.insert(rank, id);
            if let Some(item) = self.items.get_mut(&id) {
                item.rank = rank;
            }
            rank += GAP;
        }
    }
}

fn forget(index: &mut Index, value: &[u8], id: Id) {
    let Some(ids) = index.get_mut(value) else { return };
    ids.retain(|other| *other != id);
    if ids.is_empty() {
        index.remove(value);
    }
}

fn position(at: usize) -> u8 {
    u8::try_from(at).expect("menus have fewer than 256 properties")
}

#[cfg(test)]
mod tests {
    use super::super::menu::Field;
    use super::*;

    static RULES: Menu = Menu {
        path: "/rules",
        fields: &[Field::text("name"), Field::flag("disabled")],
        name: Some("name"),
        indexed: &["name"],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    };

    fn named(table: &Table) -> Vec<String> {
        table.ids().map(|id| table.text(id, "name")).collect()
    }

    #[test]
    fn items_go_where_they_are_put_however_often() {
        let mut table = Table::new(&RULES);
        let last = table.add(vec![(0, b"last".to_vec())], false, None);
        for number in 0..100 {
            table.add(vec![(0, number.to_string().into_bytes())], false, Some(last));
        }
        let names = named(&table);
        assert_eq!(names.len(), 101);
        assert_eq!(
            (names[0].as_str(), names[99].as_str(), names[100].as_str()),
            ("0", "99", "last")
        );
        let first = table.first("name", "0").unwrap();
        table.shift(last, Some(first));
        assert_eq!(named(&table)[0], "last");
    }

    #[test]
    fn the_index_follows_every_change() {
        let mut table = Table::new(&RULES);
        let id = table.add(vec![(0, b"a".to_vec())], false, None);
        table.put(id, 0, Some(b"b".to_vec()));
        assert_eq!(table.first("name", "a"), None);
        assert_eq!(table.first("name", "b"), Some(id));
        assert!(table.remove(id));
        assert_eq!(table.first("name", "b"), None);
        assert!(!table.remove(id));
    }
}
