//! The logins under way, each under the State that its NAS repeats.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lango_domain::time::Timestamp;

use super::conversation::Conversation;
use super::limits::Limits;
use super::random;

/// The value of State: which login a message belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct State([u8; 16]);

impl State {
    /// The octets, for the attribute.
    pub fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    fn new(number: u64, token: [u8; 8]) -> State {
        let number = number.to_be_bytes();
        State(std::array::from_fn(|place| if place < 8 { number[place] } else { token[place - 8] }))
    }

    fn read(octets: &[u8]) -> Option<(u64, [u8; 8])> {
        let (number, token) = octets.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*number), token.try_into().ok()?))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({})", State::read(&self.0).map_or(0, |(number, _)| number))
    }
}

/// The logins under way, oldest first.
pub(super) struct Conversations {
    limits: Limits,
    next: u64,
    held: BTreeMap<u64, Held>,
}

struct Held {
    /// What nobody can guess of the State.
    token: [u8; 8],
    began: Timestamp,
    conversation: Arc<Mutex<Conversation>>,
}

impl Conversations {
    pub(super) fn new(limits: Limits) -> Conversations {
        Conversations { limits, next: 0, held: BTreeMap::new() }
    }

    /// Keeps a login that just began.
    pub(super) fn open(&mut self, conversation: Conversation, now: Timestamp) -> State {
        self.sweep(now);
        while self.held.len() >= self.limits.conversations.max(1) {
            self.held.pop_first();
        }
        let (number, token) = (self.next, random());
        self.next = self.next.wrapping_add(1);
        let conversation = Arc::new(Mutex::new(conversation));
        self.held.insert(number, Held { token, began: now, conversation });
        State::new(number, token)
    }

    /// A login that is not over.
    pub(super) fn find(
        &mut self,
        state: &[u8],
        now: Timestamp,
    ) -> Option<(State, Arc<Mutex<Conversation>>)> {
        self.sweep(now);
        let (number, token) = State::read(state)?;
        let held = self.held.get(&number).filter(|held| held.token == token)?;
        Some((State::new(number, token), Arc::clone(&held.conversation)))
    }

    /// Forgets a login.
    pub(super) fn close(&mut self, state: State) {
        if let Some((number, _)) = State::read(&state.0) {
            self.held.remove(&number);
        }
    }

    /// Forgets what took too long. The order of beginning is the order of forgetting.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        while let Some(oldest) = self.held.first_entry()
            && now.since(oldest.get().began) >= self.limits.lifetime
        {
            oldest.remove();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.held.len()
    }
}
