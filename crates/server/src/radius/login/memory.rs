//! Grants as they were last read for a login, so that the next login need not read and unseal them
//! again. What is remembered is never believed: it counts only while the database names the same
//! version.

use lango_domain::access::Access;
use lango_domain::ids::GrantId;
use lango_domain::language::Language;
use lango_store::grants::{LoginVersion, StoredGrant};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// When so many are new, those that were old are forgotten: some 100 MB in all.
const GENERATION: usize = 65_536;

/// What a login is checked against.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stored: StoredGrant,
    pub(super) access: Access,
    /// The language of who has it, if he has one of his own.
    pub(super) language: Option<Language>,
}

impl Known {
    fn is(&self, now: &LoginVersion) -> bool {
        self.stored.version == now.version && self.language == now.language
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    new: HashMap<GrantId, Arc<Known>>,
    old: HashMap<GrantId, Arc<Known>>,
}

impl Memory {
    /// Those that are what the database holds now.
    pub(super) fn recall<'v>(
        &self,
        versions: impl Iterator<Item = &'v LoginVersion>,
    ) -> HashMap<GrantId, Arc<Known>> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let still = versions.filter_map(|now| {
            let known = generations.recall(now.grant)?;
            known.is(now).then_some((now.grant, known))
        });
        still.collect()
    }

    /// This was read just now.
    pub(super) fn keep(&self, known: &Arc<Known>) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.keep(known.stored.grant.id, known.clone());
    }
}

impl Generations {
    fn recall(&mut self, grant: GrantId) -> Option<Arc<Known>> {
        if let Some(known) = self.new.get(&grant) {
            return Some(known.clone());
        }
        let known = self.old.remove(&grant)?;
        self.keep(grant, known.clone());
        Some(known)
    }

    fn keep(&mut self, grant: GrantId, known: Arc<Known>) {
        if self.new.len() >= GENERATION {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(grant, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radius::login::decision::tests::{hour, sold};
    use lango_domain::ids::Id;

    fn known(number: i64, version: i64) -> Arc<Known> {
        let mut stored = sold(hour());
        (stored.grant.id, stored.version) = (GrantId::from_raw(number), version);
        let access = Access::StaticIp { address: [10, 0, 0, 9].into(), mac: None };
        Arc::new(Known { stored, access, language: None })
    }

    fn version(number: i64, version: i64, language: Option<Language>) -> LoginVersion {
        LoginVersion { login_hash: vec![], grant: GrantId::from_raw(number), version, language }
    }

    #[test]
    fn what_changed_since_is_not_recalled() {
        let memory = Memory::default();
        memory.keep(&known(1, 7));
        assert_eq!(memory.recall([version(1, 7, None)].iter()).len(), 1);
        assert_eq!(memory.recall([version(1, 8, None)].iter()).len(), 0, "the grant changed");
        let french = version(1, 7, Some(Language::Fr));
        assert_eq!(memory.recall([french].iter()).len(), 0, "its customer changed");
        assert_eq!(memory.recall([version(2, 7, None)].iter()).len(), 0, "another grant");
    }

    #[test]
    fn who_comes_again_is_kept_and_the_others_are_forgotten() {
        let memory = Memory::default();
        let many = GENERATION as i64;
        memory.keep(&known(0, 1));
        for number in 1..=many {
            memory.keep(&known(number, 1));
        }
        assert_eq!(memory.recall([version(0, 1, None)].iter()).len(), 1, "of the old ones, again");
        for number in many + 1..2 * many {
            memory.keep(&known(number, 1));
        }
        assert_eq!(memory.recall([version(0, 1, None)].iter()).len(), 1);
        assert_eq!(memory.recall([version(1, 1, None)].iter()).len(), 0);
        let generations = memory.0.lock().unwrap();
        assert!(generations.new.len() <= GENERATION && generations.old.len() <= GENERATION);
    }
}
