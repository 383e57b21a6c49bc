//! Waking: a nudge to look into the store again, after a commit.
//!
//! A wake carries no truth. It may be lost (a node was away) or come twice, so
//! whoever waits also looks by a timer. Must never be sent before the commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// What there may be news about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A deadline became earlier.
    Deadlines,
    /// A job was pushed.
    Jobs,
    /// Something was written into the account.
    Activity,
    /// Money is to be asked for, or a provider said something.
    Money,
    /// What this router is wanted to hold has changed.
    Router(i64),
    /// A device at this router was logged in, or is one step further.
    Admissions(i64),
}

/// One listener's place. A wake that comes while nobody waits is kept, once.
#[derive(Debug)]
pub struct Subscription {
    notify: Arc<Notify>,
}

impl Subscription {
    /// Waits for the next wake. Loses nothing when dropped and called again.
    pub async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// Who listens in this process.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    listeners: Mutex<HashMap<Topic, Vec<Weak<Notify>>>>,
}

impl Wakes {
    pub(crate) fn subscribe(&self, topic: Topic) -> Subscription {
        let notify = Arc::new(Notify::new());
        let mut listeners = self.listeners();
        let of_topic = listeners.entry(topic).or_default();
        of_topic.retain(|listener| listener.strong_count() > 0);
        of_topic.push(Arc::downgrade(&notify));
        Subscription { notify }
    }

    pub(crate) fn fire(&self, topics: &BTreeSet<Topic>) {
        if topics.is_empty() {
            return;
        }
        let listeners = self.listeners();
        topics.iter().filter_map(|topic| listeners.get(topic)).for_each(|all| notify_all(all));
    }

    /// After the listening connection was away nobody knows what was missed.
    pub(crate) fn fire_everything(&self) {
        self.listeners().values().for_each(|all| notify_all(all));
    }

    /// A payload from another node; one that this version cannot read wakes all.
    pub(crate) fn fire_payload(&self, payload: &str) {
        match read_payload(payload) {
            Some(topics) => self.fire(&topics),
            None => self.fire_everything(),
        }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Topic, Vec<Weak<Notify>>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notify_all(listeners: &[Weak<Notify>]) {
    for listener in listeners.iter().filter_map(Weak::upgrade) {
        listener.notify_one();
    }
}

/// PostgreSQL takes payloads below 8000 bytes.
const LONGEST_PAYLOAD: usize = 7_000;

/// One text for all topics of a transaction: `d,j,r17`; `*` when they are too many.
pub(crate) fn payload(topics: &BTreeSet<Topic>) -> String {
    let words: Vec<String> = topics
        .iter()
        .map(|topic| match topic {
            Topic::Deadlines => "d".to_owned(),
            Topic::Jobs => "j".to_owned(),
            Topic::Activity => "a".to_owned(),
            Topic::Money => "m".to_owned(),
            Topic::Router(router) => format!("r{router}"),
            Topic::Admissions(router) => format!("h{router}"),
        })
        .collect();
    let text = words.join(",");
    if text.len() > LONGEST_PAYLOAD { "*".to_owned() } else { text }
}

fn read_payload(text: &str) -> Option<BTreeSet<Topic>> {
    text.split(',')
        .map(|word| match word {
            "d" => Some(Topic::Deadlines),
            "j" => Some(Topic::Jobs),
            "a" => Some(Topic::Activity),
            "m" => Some(Topic::Money),
            _ => match word.strip_prefix('h') {
                Some(router) => router.parse().ok().map(Topic::Admissions),
                None => word.strip_prefix('r')?.parse().ok().map(Topic::Router),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_the_same_on_the_other_node() {
        let topics = BTreeSet::from([Topic::Jobs, Topic::Router(17), Topic::Deadlines]);
        assert_eq!(payload(&topics), "d,j,r17");
        assert_eq!(read_payload("d,j,r17"), Some(topics));
        assert_eq!(read_payload("h5"), Some(BTreeSet::from([Topic::Admissions(5)])));
    }

    #[test]
    fn too_many_topics_or_unknown_words_wake_everybody() {
        let many: BTreeSet<Topic> = (0..5_000).map(Topic::Router).collect();
        assert_eq!(payload(&many), "*");
        assert_eq!(read_payload("*"), None);
        assert_eq!(read_payload("d,future-word"), None);
    }

    #[tokio::test]
    async fn a_wake_before_the_wait_is_not_lost_and_others_sleep() {
        let wakes = Wakes::default();
        let (jobs, router) = (wakes.subscribe(Topic::Jobs), wakes.subscribe(Topic::Router(1)));
        wakes.fire(&BTreeSet::from([Topic::Jobs]));
        jobs.woken().await;
        let asleep = tokio::time::timeout(std::time::Duration::ZERO, router.woken()).await;
        assert!(asleep.is_err(), "news about jobs are none about a router");
        wakes.fire_payload("r1");
        router.woken().await;
    }
}
