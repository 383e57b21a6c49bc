//! Requests that come again (RFC 5080 §2.2.2). A NAS that hears nothing asks again with the same
//! octets: while the first is being worked at the second is dropped, afterwards it gets the same
//! answer. One of these per socket, because the kernel keeps a NAS's port with one socket.

use lango_radius::Code;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer is kept: longer than any NAS goes on asking with the same octets.
const KEEP: Duration = Duration::from_secs(10);
/// How many are kept at most; the oldest go first. 40 bytes and an answer each.
const MOST: usize = 65_536;

/// What a request is told apart by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Name {
    from: SocketAddr,
    code: u8,
    identifier: u8,
}

/// Requests of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Duplicates(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_name: HashMap<Name, Entry>,
    by_age: VecDeque<(Instant, Name, u64)>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    authenticator: [u8; 16],
    answer: Option<Arc<[u8]>>,
}

/// What became of a request that came.
pub(super) enum Met {
    /// It is new: work at it, then say what was answered, or forget it.
    New(Ticket),
    /// It is being worked at.
    UnderWay,
    /// It was answered like this.
    Answered(Arc<[u8]>),
}

/// The right to answer a request.
#[derive(Debug)]
pub(super) struct Ticket {
    name: Name,
    number: u64,
}

impl Duplicates {
    /// Looks a request up and keeps it if it is new. Only requests that are believed come here:
    /// otherwise anybody could push others out.
    pub(super) fn meet(
        &self,
        from: SocketAddr,
        code: Code,
        identifier: u8,
        authenticator: &[u8; 16],
        now: Instant,
    ) -> Met {
        let name = Name { from, code: code as u8, identifier };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget_old(now);
        if let Some(entry) = kept.by_name.get(&name)
            && entry.authenticator == *authenticator
        {
            return entry.answer.clone().map_or(Met::UnderWay, Met::Answered);
        }
        let number = kept.next;
        kept.next += 1;
        // The same identifier with another authenticator is another request: the old one is over.
        kept.by_name.insert(name, Entry { number, authenticator: *authenticator, answer: None });
        kept.by_age.push_back((now, name, number));
        Met::New(Ticket { name, number })
    }

    /// Keeps the answer for those who ask again.
    pub(super) fn answered(&self, ticket: &Ticket, answer: Arc<[u8]>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept.by_name.get_mut(&ticket.name)
            && entry.number == ticket.number
        {
            entry.answer = Some(answer);
        }
    }

    /// Forgets a request that was not answered: if it comes again it is worked at again.
    pub(super) fn forget(&self, ticket: &Ticket) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(ticket.name, ticket.number);
    }
}

impl Kept {
    fn forget_old(&mut self, now: Instant) {
        while let Some((at, name, number)) = self.by_age.front().copied() {
            if self.by_age.len() <= MOST && now.saturating_duration_since(at) < KEEP {
                return;
            }
            self.by_age.pop_front();
            self.remove(name, number);
        }
    }

    fn remove(&mut self, name: Name, number: u64) {
        if self.by_name.get(&name).is_some_and(|entry| entry.number == number) {
            self.by_name.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from() -> SocketAddr {
        "10.0.0.1:1024".parse().unwrap()
    }

    fn meet(kept: &Duplicates, authenticator: u8, now: Instant) -> Met {
        kept.meet(from(), Code::AccessRequest, 7, &[authenticator; 16], now)
    }

    #[test]
    fn the_first_is_worked_at_the_second_dropped_and_the_third_told_the_same() {
        let (kept, now) = (Duplicates::default(), Instant::now());
        let Met::New(ticket) = meet(&kept, 1, now) else { panic!("the first is new") };
        assert!(matches!(meet(&kept, 1, now), Met::UnderWay));
        kept.answered(&ticket, Arc::from(*b"yes"));
        let Met::Answered(answer) = meet(&kept, 1, now) else { panic!("the third is told") };
        assert_eq!(&*answer, b"yes");
        assert!(matches!(meet(&kept, 1, now + KEEP), Met::New(_)), "much later it is new");
    }

    #[test]
    fn another_request_with_the_same_number_ends_the_old_one() {
        let (kept, now) = (Duplicates::default(), Instant::now());
        let Met::New(old) = meet(&kept, 1, now) else { panic!() };
        let Met::New(_) = meet(&kept, 2, now) else { panic!("another authenticator is another") };
        // The old one is answered late: that must not become the answer of the new one.
        kept.answered(&old, Arc::from(*b"old"));
        kept.forget(&old);
        assert!(matches!(meet(&kept, 2, now), Met::UnderWay));
    }

    #[test]
    fn what_was_not_answered_may_be_asked_again() {
        let (kept, now) = (Duplicates::default(), Instant::now());
        let Met::New(ticket) = meet(&kept, 1, now) else { panic!() };
        kept.forget(&ticket);
        assert!(matches!(meet(&kept, 1, now), Met::New(_)));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let (kept, now) = (Duplicates::default(), Instant::now());
        for port in 0..u16::MAX {
            for identifier in 0..2 {
                let from = SocketAddr::new([10, 0, 0, 1].into(), port);
                kept.meet(from, Code::AccessRequest, identifier, &[1; 16], now);
            }
        }
        let kept = kept.0.lock().unwrap();
        assert!(kept.by_name.len() <= MOST + 1 && kept.by_age.len() <= MOST + 1);
    }
}
