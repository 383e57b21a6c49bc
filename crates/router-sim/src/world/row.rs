//! Owns what leaves the world: rows, and the changes that listeners get.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::items::Spot;
use super::query::Query;
use super::table::Id;

/// One object as the router prints it: names and raw values in print order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    fields: Vec<(&'static str, Vec<u8>)>,
}

impl Row {
    pub(crate) fn push(&mut self, name: &'static str, value: impl Into<Vec<u8>>) {
        self.fields.push((name, value.into()));
    }

    /// Every property that the object has.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.fields.iter().map(|(name, value)| (*name, value.as_slice()))
    }

    /// The raw value of a property.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_slice())
    }

    /// The value of a property as text; what is not UTF-8 is replaced.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name).map(String::from_utf8_lossy)
    }

    pub(crate) fn keep(&mut self, wanted: &Wanted) {
        if let Wanted::These(names) = wanted {
            self.fields.retain(|(name, _)| names.iter().any(|wanted| wanted == name));
        }
    }
}

/// The properties asked for.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    All,
    These(Vec<String>),
}

impl Wanted {
    pub(crate) fn parse(list: Option<&[u8]>) -> Wanted {
        match list {
            None => Wanted::All,
            Some(list) => {
                Wanted::These(String::from_utf8_lossy(list).split(',').map(str::to_owned).collect())
            }
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Wanted::All => true,
            Wanted::These(names) => names.iter().any(|wanted| wanted == name),
        }
    }
}

/// A change that a listener is told of.
#[derive(Debug)]
pub(crate) enum Told {
    Row(Row),
    Dead(String),
}

/// Somebody who listens to a menu. When its queue is full it is dropped: the router would rather
/// lose a listener than its memory.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Which listener of which connection; no two are the same.
    pub(crate) number: u64,
    pub(crate) spot: Spot,
    pub(crate) wanted: Wanted,
    pub(crate) sensitive: bool,
    pub(crate) query: Query,
    pub(crate) told: mpsc::Sender<(u64, Told)>,
    /// Set when changes were lost; whoever reads them then has to start anew.
    pub(crate) lost: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn tell(&self, told: Told) -> bool {
        let kept = self.told.try_send((self.number, told)).is_ok();
        if !kept {
            self.lost.store(true, Ordering::SeqCst);
        }
        kept
    }
}

/// An id as it is printed.
pub(crate) fn id_text(id: Id) -> String {
    format!("*{id:X}")
}

/// The number in `*1A`.
pub(crate) fn parse_id(text: &str) -> Option<Id> {
    u64::from_str_radix(text.strip_prefix('*')?, 16).ok()
}
