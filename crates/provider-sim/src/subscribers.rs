//! Owns the phones: prompts that wait on them, what their owners do, the money that left them and
//! the texts that reached them. All stand-ins share it, as all share one pocket. The state sits
//! behind a mutex that is never held across an await or a provider's own work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::agenda::Agenda;
use crate::clock::{Clock, micros};
use crate::money::{Amount, Transaction};

/// What the owner of a phone does with a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Types the right PIN after a while. If the provider has given up by then, he pays late.
    Approves {
        /// Counted from the prompt.
        after: Duration,
    },
    /// Says no.
    Cancels {
        /// Counted from the prompt.
        after: Duration,
    },
    /// Looks at it until it goes away.
    Ignores,
    /// Types the right PIN, and there is too little on his account.
    HasNoMoney {
        /// Counted from the prompt.
        after: Duration,
    },
    /// Types a wrong PIN.
    WrongPin {
        /// Counted from the prompt.
        after: Duration,
    },
    /// Is out of reach or switched off.
    Unreachable,
    /// The provider ends it with this code of its own, whatever the owner does.
    Meets {
        /// As the provider writes it, such as `1019` or `PAYER_LIMIT_REACHED`.
        code: String,
        /// Counted from the prompt.
        after: Duration,
    },
    /// Somebody decides, by [`Subscribers::approve`] and its neighbours or at the phone's page.
    Person,
}

impl Owner {
    /// Approves after two seconds.
    pub fn willing() -> Owner {
        Owner::Approves { after: Duration::from_secs(2) }
    }

    /// Approves so long after the prompt that every provider has given up: eleven minutes.
    pub fn pays_late() -> Owner {
        Owner::Approves { after: Duration::from_secs(11 * 60) }
    }
}

/// Names a prompt among all prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptId(pub u64);

/// A question on a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Its name.
    pub id: PromptId,
    /// Which provider asks, such as `daraja`.
    pub provider: &'static str,
    /// On which phone.
    pub msisdn: String,
    /// Who wants the money.
    pub payee: String,
    /// What for.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// When it appeared, in microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
}

/// What became of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Approved,
    Cancelled,
    /// Nobody decided in time. [`Decision::Approved`] may still follow.
    TimedOut,
    NoMoney,
    WrongPin,
    Unreachable,
    Code(String),
}

/// Hears a decision and its instant. Called again if somebody pays late.
pub(crate) type Decided = Arc<dyn Fn(Decision, i64) + Send + Sync>;

/// What a provider wants shown.
pub(crate) struct Question {
    pub(crate) provider: &'static str,
    pub(crate) msisdn: String,
    pub(crate) payee: String,
    pub(crate) reference: String,
    pub(crate) amount: Amount,
    /// After how long the provider gives up.
    pub(crate) patience: Duration,
    /// After how long it knows that a phone is out of reach.
    pub(crate) unreachable_after: Duration,
}

/// A text that reached a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Which gateway brought it.
    pub gateway: &'static str,
    /// What it shows as sender.
    pub from: String,
    /// What it says.
    pub text: String,
    /// The gateway's id for it.
    pub id: String,
    /// When it came, in microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
}

/// The people behind all stand-ins: their phones, prompts, money and texts. Cheap to clone.
#[derive(Clone)]
pub struct Subscribers {
    state: Arc<Mutex<State>>,
    pub(crate) agenda: Arc<Agenda>,
}

struct State {
    owners: BTreeMap<String, Owner>,
    everybody: Owner,
    next_prompt: u64,
    prompts: BTreeMap<PromptId, Open>,
    transactions: Vec<Transaction>,
    inboxes: BTreeMap<String, Vec<Text>>,
    next_receipt: u64,
}

struct Open {
    prompt: Prompt,
    decided: Decided,
    timed_out: bool,
}

impl Subscribers {
    /// Phones whose owners approve after two seconds, by this clock. Needs a tokio runtime.
    pub fn new(clock: Arc<dyn Clock>) -> Subscribers {
        let state = State {
            owners: BTreeMap::new(),
            everybody: Owner::willing(),
            next_prompt: 1,
            prompts: BTreeMap::new(),
            transactions: Vec::new(),
            inboxes: BTreeMap::new(),
            next_receipt: 0,
        };
        Subscribers { state: Arc::new(Mutex::new(state)), agenda: Agenda::start(clock) }
    }

    /// What everybody does of whom nothing else is said.
    pub fn everybody(&self, owner: Owner) {
        self.state().everybody = owner;
    }

    /// What the owner of one phone does from the next prompt on.
    pub fn owner(&self, msisdn: &str, owner: Owner) {
        self.state().owners.insert(digits(msisdn), owner);
    }

    /// What is asked on a phone at the moment, oldest first.
    pub fn pending_prompts(&self, msisdn: &str) -> Vec<Prompt> {
        let msisdn = digits(msisdn);
        self.open_prompts().into_iter().filter(|prompt| prompt.msisdn == msisdn).collect()
    }

    /// What is asked on all phones at the moment, oldest first.
    pub fn open_prompts(&self) -> Vec<Prompt> {
        let state = self.state();
        let shown = state.prompts.values().filter(|open| !open.timed_out);
        shown.map(|open| open.prompt.clone()).collect()
    }

    /// Types the right PIN. False if it was decided before; one that only timed out is paid late.
    pub fn approve(&self, id: PromptId) -> bool {
        self.decide(id, Decision::Approved, self.now())
    }

    /// Presses Cancel. False if it was decided before or timed out.
    pub fn cancel(&self, id: PromptId) -> bool {
        self.decide(id, Decision::Cancelled, self.now())
    }

    /// Puts the phone away: the provider gives up at once. False if it was decided before or timed
    /// out.
    pub fn ignore(&self, id: PromptId) -> bool {
        self.decide(id, Decision::TimedOut, self.now())
    }

    /// Everything that was really paid, in order.
    pub fn transactions(&self) -> Vec<Transaction> {
        self.state().transactions.clone()
    }

    /// What left one phone and did not come back, per currency.
    pub fn money_taken(&self, msisdn: &str) -> Vec<Amount> {
        let msisdn = digits(msisdn);
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for one in &self.state().transactions {
            if one.payer == msisdn && !one.reversed {
                *sums.entry(one.amount.currency.clone()).or_default() += one.amount.hundredths;
            }
        }
        let amounts = sums.into_iter();
        amounts.map(|(currency, hundredths)| Amount { hundredths, currency }).collect()
    }

    /// The texts that reached a phone, oldest first.
    pub fn inbox(&self, msisdn: &str) -> Vec<Text> {
        self.state().inboxes.get(&digits(msisdn)).cloned().unwrap_or_default()
    }

    /// All phones that were ever heard of.
    pub fn phones(&self) -> Vec<String> {
        let state = self.state();
        let mut phones: Vec<String> = state.owners.keys().cloned().collect();
        phones.extend(state.prompts.values().map(|open| open.prompt.msisdn.clone()));
        phones.extend(state.transactions.iter().map(|one| one.payer.clone()));
        phones.extend(state.inboxes.keys().cloned());
        phones.sort();
        phones.dedup();
        phones
    }

    /// Waits until everything that is due at the present instant has happened and every callback
    /// that was sent has been answered or given up.
    pub async fn settle(&self) {
        self.agenda.settle().await;
    }

    /// The present instant in microseconds since 1970-01-01 UTC.
    pub fn now(&self) -> i64 {
        self.agenda.now()
    }

    /// What the owner of a phone is going to do.
    pub(crate) fn owner_of(&self, msisdn: &str) -> Owner {
        let state = self.state();
        state.owners.get(msisdn).unwrap_or(&state.everybody).clone()
    }

    /// Shows a question on a phone; its owner's answer is heard by `decided`.
    pub(crate) fn ask(&self, question: Question, now: i64, decided: Decided) -> PromptId {
        let owner = self.owner_of(&question.msisdn);
        let id = self.show(&question, now, decided);
        let plan = match owner {
            Owner::Approves { after } => Some((after, Decision::Approved)),
            Owner::Cancels { after } => Some((after, Decision::Cancelled)),
            Owner::HasNoMoney { after } => Some((after, Decision::NoMoney)),
            Owner::WrongPin { after } => Some((after, Decision::WrongPin)),
            Owner::Meets { code, after } => Some((after, Decision::Code(code))),
            Owner::Unreachable => Some((question.unreachable_after, Decision::Unreachable)),
            Owner::Ignores | Owner::Person => None,
        };
        if let Some((after, decision)) = plan {
            self.decide_at(now.saturating_add(micros(after)), id, decision);
        }
        self.decide_at(now.saturating_add(micros(question.patience)), id, Decision::TimedOut);
        id
    }

    /// Lets the owner do at once what he was going to do. False if that is nothing.
    pub(crate) fn hurry(&self, id: PromptId, now: i64) -> bool {
        let msisdn = self.state().prompts.get(&id).map(|open| open.prompt.msisdn.clone());
        let decision = match msisdn.map(|msisdn| self.owner_of(&msisdn)) {
            Some(Owner::Approves { .. }) => Decision::Approved,
            Some(Owner::Cancels { .. }) => Decision::Cancelled,
            Some(Owner::HasNoMoney { .. }) => Decision::NoMoney,
            Some(Owner::WrongPin { .. }) => Decision::WrongPin,
            Some(Owner::Unreachable) => Decision::Unreachable,
            Some(Owner::Meets { code, .. }) => Decision::Code(code),
            Some(Owner::Ignores | Owner::Person) | None => return false,
        };
        self.decide(id, decision, now)
    }

    fn show(&self, question: &Question, now: i64, decided: Decided) -> PromptId {
        let mut state = self.state();
        let id = PromptId(state.next_prompt);
        state.next_prompt += 1;
        let prompt = Prompt {
            id,
            provider: question.provider,
            msisdn: question.msisdn.clone(),
            payee: question.payee.clone(),
            reference: question.reference.clone(),
            amount: question.amount.clone(),
            at_micros: now,
        };
        state.prompts.insert(id, Open { prompt, decided, timed_out: false });
        id
    }

    fn decide_at(&self, at: i64, id: PromptId, decision: Decision) {
        // The agenda must not keep itself alive by what is in it.
        let (state, agenda) = (self.state.clone(), Arc::downgrade(&self.agenda));
        self.agenda.enter(at, move |at| {
            if let Some(agenda) = agenda.upgrade() {
                Subscribers { state, agenda }.decide(id, decision, at);
            }
        });
    }

    /// A prompt is decided once; one that timed out can still be paid by an owner who is slow, but
    /// nobody sees it any more.
    fn decide(&self, id: PromptId, decision: Decision, at: i64) -> bool {
        let decided = {
            let mut state = self.state();
            let Some(open) = state.prompts.get_mut(&id) else { return false };
            match decision {
                Decision::TimedOut if open.timed_out => return false,
                Decision::TimedOut => open.timed_out = true,
                _ if open.timed_out && decision != Decision::Approved => return false,
                _ => {}
            }
            let decided = open.decided.clone();
            if decision != Decision::TimedOut {
                state.prompts.remove(&id);
            }
            decided
        };
        decided(decision, at);
        true
    }

    /// Takes the money.
    pub(crate) fn take(&self, transaction: Transaction) {
        self.state().transactions.push(transaction);
    }

    /// Changes a transaction that was made: it is reversed.
    pub(crate) fn reverse(&self, provider: &str, receipt: &str) -> Result<Transaction, Unreversed> {
        let mut state = self.state();
        let mut all = state.transactions.iter_mut();
        let found = all.find(|one| one.provider == provider && one.receipt == receipt);
        let found = found.ok_or(Unreversed::Unknown)?;
        if found.reversed {
            return Err(Unreversed::Already);
        }
        found.reversed = true;
        Ok(found.clone())
    }

    /// Somebody's text arrives.
    pub(crate) fn receive(&self, msisdn: &str, text: Text) {
        self.state().inboxes.entry(digits(msisdn)).or_default().push(text);
    }

    /// The transaction with this receipt.
    pub(crate) fn transaction(&self, provider: &str, receipt: &str) -> Option<Transaction> {
        let state = self.state();
        let mut all = state.transactions.iter().rev();
        all.find(|one| one.provider == provider && one.receipt == receipt).cloned()
    }

    /// Whether such a transaction was made after an instant. Looks at the newest only, which are
    /// what there is most of in a benchmark.
    pub(crate) fn paid_since(&self, since: i64, is: impl Fn(&Transaction) -> bool) -> bool {
        let state = self.state();
        let mut recent = state.transactions.iter().rev().take_while(|one| one.at_micros > since);
        recent.any(is)
    }

    /// What a merchant got in all, in hundredths.
    pub(crate) fn sum_paid_to(&self, provider: &str, payee: &str) -> i64 {
        let state = self.state();
        let own = state.transactions.iter();
        let own = own.filter(|one| one.provider == provider && one.payee == payee && !one.reversed);
        own.map(|one| one.amount.hundredths).sum()
    }

    /// A number that was never given before.
    pub(crate) fn next_number(&self) -> u64 {
        let mut state = self.state();
        state.next_receipt += 1;
        state.next_receipt
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing was reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreversed {
    Unknown,
    Already,
}

/// A phone's number as everything here keeps it: digits only.
pub(crate) fn digits(msisdn: &str) -> String {
    msisdn.chars().filter(char::is_ascii_digit).collect()
}
