//! The logins under way, each under the State that its NAS repeats.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use lango_domain::time::Timestamp;

use super::Abandoned;
use super::conversation::Conversation;
use super::limits::Limits;
use super::random;
use super::refusal::Refusal;

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
    abandoned: VecDeque<Abandoned>,
}

struct Held {
    /// What nobody can guess of the State.
    token: [u8; 8],
    began: Timestamp,
    conversation: Arc<Mutex<Conversation>>,
}

impl Conversations {
    pub(super) fn new(limits: Limits) -> Conversations {
        Conversations { limits, next: 0, held: BTreeMap::new(), abandoned: VecDeque::new() }
    }

    /// Keeps a login that just began.
    pub(super) fn open(&mut self, conversation: Conversation, now: Timestamp) -> State {
        self.sweep(now);
        while self.held.len() >= self.limits.conversations.max(1) {
            if let Some((_, oldest)) = self.held.pop_first() {
                self.note(oldest, Some(Refusal::Forgotten));
            }
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
    fn sweep(&mut self, now: Timestamp) {
        while let Some(oldest) = self.held.first_entry()
            && now.since(oldest.get().began) >= self.limits.lifetime
        {
            let oldest = oldest.remove();
            self.note(oldest, None);
        }
    }

    /// Notes a login that is gone, unless it is being advanced at this moment. No lock is waited
    /// for: whoever holds a login's lock waits for ours.
    fn note(&mut self, held: Held, why: Option<Refusal>) {
        let Some(conversation) = Arc::into_inner(held.conversation) else {
            return;
        };
        if self.abandoned.len() >= self.limits.conversations {
            self.abandoned.pop_front();
        }
        let conversation = conversation.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.abandoned.push_back(Abandoned {
            user_name: conversation.user_name().map(str::to_owned),
            outer_identity: conversation.outer_identity().to_owned(),
            why: why.unwrap_or_else(|| conversation.why_unfinished()),
        });
    }

    /// The logins that were noted since the last call.
    pub(super) fn abandoned(&mut self, now: Timestamp) -> Vec<Abandoned> {
        self.sweep(now);
        std::mem::take(&mut self.abandoned).into()
    }

    pub(super) fn count(&self) -> usize {
        self.held.len()
    }
}
