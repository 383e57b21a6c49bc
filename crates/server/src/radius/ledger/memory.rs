//! Lasting sessions as they were last written here, so that a report of one need not read it first.
//! What is remembered is never believed: it is written only if the database still holds the same
//! version, and read again if not. Must never be told of anything before it is durable.

use super::Told;
use lango_store::radius::RadiusSession;
use std::collections::HashMap;

/// Sessions by the key under which NASes name them.
pub(super) type ByKey = HashMap<Vec<u8>, RadiusSession>;

/// When so many are new, those that were old are forgotten: some 60 MB in all.
const GENERATION: usize = 65_536;

/// What is remembered.
#[derive(Default)]
pub(super) struct Memory {
    new: ByKey,
    old: ByKey,
}

impl Memory {
    /// Takes those that the reports are about. Until they are durable as they became nobody knows
    /// what became of them, and they are not remembered.
    pub(super) fn take(&mut self, told: &[Told]) -> ByKey {
        let mut taken = ByKey::new();
        for key in keys(told) {
            let entry = self.new.remove_entry(key).or_else(|| self.old.remove_entry(key));
            taken.extend(entry);
        }
        taken
    }

    /// These are durable now.
    pub(super) fn keep(&mut self, written: Vec<RadiusSession>) {
        for session in written.into_iter().filter(|session| session.ended_at.is_none()) {
            self.new.insert(session.key.clone(), session);
        }
        if self.new.len() >= GENERATION {
            self.old = std::mem::take(&mut self.new);
        }
    }
}

fn keys(told: &[Told]) -> impl Iterator<Item = &Vec<u8>> {
    told.iter().filter_map(|told| match told {
        Told::Session(report) => Some(&report.key),
        Told::Reset { .. } => None,
    })
}
