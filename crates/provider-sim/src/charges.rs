//! What three of the providers share: charges by an id that the merchant chose, each with one phone
//! that is asked, an end that may be replaced by a late success, and callbacks in their order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::micros;
use crate::faults::Fate;
use crate::forgery::Forgery;
use crate::money::{Amount, Transaction, Way};
use crate::post::{Delivery, Letter, Line, Post};
use crate::subscribers::{Decided, Decision, Question, Subscribers};

/// After which a phone is known to be out of reach.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(15);

/// A charge.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    /// The merchant's id.
    pub(crate) id: String,
    /// The provider's id.
    pub(crate) own_id: String,
    pub(crate) msisdn: String,
    pub(crate) payee: String,
    pub(crate) amount: Amount,
    pub(crate) callback_url: Option<String>,
    pub(crate) at_micros: i64,
    pub(crate) ended: Option<Ended>,
}

/// How a charge ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) decision: Decision,
    pub(crate) receipt: Option<String>,
    pub(crate) at_micros: i64,
}

impl Charge {
    pub(crate) fn receipt(&self) -> Option<&str> {
        self.ended.as_ref()?.receipt.as_deref()
    }

    pub(crate) fn ended_at(&self) -> i64 {
        self.ended.as_ref().map_or(self.at_micros, |ended| ended.at_micros)
    }

    /// The same charge, had nobody paid it.
    fn failed(&self) -> Charge {
        let ended = self.ended.as_ref().map(|ended| Ended {
            decision: Decision::TimedOut,
            receipt: None,
            at_micros: ended.at_micros,
        });
        Charge { ended, ..self.clone() }
    }
}

/// Writes a charge as a letter to a URL.
type Write = Arc<dyn Fn(&Charge, &str, &Fate) -> Letter + Send + Sync>;

/// The charges of one provider. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Charges {
    pub(crate) provider: &'static str,
    pub(crate) subscribers: Subscribers,
    pub(crate) post: Post,
    pub(crate) prompt_lasts: Duration,
    pub(crate) callback_delay: Duration,
    /// Writes a charge as a callback.
    pub(crate) write: Write,
    /// Makes a receipt out of a number.
    pub(crate) receipt: fn(u64) -> String,
    all: Arc<Mutex<BTreeMap<String, (Charge, Line)>>>,
}

impl Charges {
    pub(crate) fn new(
        provider: &'static str,
        subscribers: &Subscribers,
        post: Post,
        lasts: (Duration, Duration),
        receipt: fn(u64) -> String,
        write: impl Fn(&Charge, &str, &Fate) -> Letter + Send + Sync + 'static,
    ) -> Charges {
        Charges {
            provider,
            subscribers: subscribers.clone(),
            post,
            prompt_lasts: lasts.0,
            callback_delay: lasts.1,
            write: Arc::new(write),
            receipt,
            all: Arc::default(),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Charge> {
        self.all().get(id).map(|(charge, _)| charge.clone())
    }

    /// Takes a charge and asks the phone; false if there is one by that id.
    pub(crate) async fn submit(&self, charge: Charge) -> bool {
        let line = Line::default();
        {
            let mut all = self.all();
            if all.contains_key(&charge.id) {
                return false;
            }
            all.insert(charge.id.clone(), (charge.clone(), line.clone()));
        }
        let (charges, id) = (self.clone(), charge.id.clone());
        let decided: Decided = Arc::new(move |decision, at| charges.decided(&id, decision, at));
        let question = Question {
            provider: self.provider,
            msisdn: charge.msisdn,
            payee: charge.payee,
            reference: charge.id,
            amount: charge.amount,
            patience: self.prompt_lasts,
            unreachable_after: UNREACHABLE_AFTER,
        };
        let prompt = self.subscribers.ask(question, charge.at_micros, decided);
        let faults = &self.post.faults;
        if faults.take_before_answer() && self.subscribers.hurry(prompt, charge.at_micros) {
            line.empty().await;
        }
        true
    }

    /// Money that came unasked, told as if it had been asked for.
    pub(crate) fn by_hand(&self, charge: Charge) -> String {
        let (id, at) = (charge.id.clone(), charge.at_micros);
        self.all().insert(id.clone(), (charge, Line::default()));
        self.end(&id, Decision::Approved, Way::ByHand, at).unwrap_or_default()
    }

    /// Posts what the provider would, had the charge been paid so.
    pub(crate) async fn forge(&self, id: &str, forgery: Forgery) -> Option<Delivery> {
        let mut charge = self.get(id)?;
        let now = self.subscribers.now();
        let receipt = charge.receipt().map(str::to_owned);
        let receipt = receipt.unwrap_or_else(|| (self.receipt)(self.subscribers.next_number()));
        let (decision, receipt) = (Decision::Approved, Some(receipt));
        charge.ended = Some(Ended { decision, receipt, at_micros: now });
        match forgery {
            Forgery::WrongRequest => {
                charge.id = format!("FORGED{}", fastrand::u32(..));
                charge.own_id.clone_from(&charge.id);
            }
            Forgery::WrongAmount(units) => {
                charge.amount = Amount::whole(units, &charge.amount.currency);
            }
            Forgery::WrongToken | Forgery::Unpaid => {}
        }
        let url = forgery.url(charge.callback_url.as_deref()?);
        let fate = Fate { forged: true, ..Fate::default() };
        Some(self.post.deliver(now, (self.write)(&charge, &url, &fate)).await)
    }

    fn decided(&self, id: &str, decision: Decision, at: i64) {
        self.end(id, decision, Way::Prompt, at);
    }

    /// Notes the end, moves the money if there is any, and sends the callback.
    fn end(&self, id: &str, decision: Decision, way: Way, at: i64) -> Option<String> {
        let paid = decision == Decision::Approved;
        let receipt = paid.then(|| (self.receipt)(self.subscribers.next_number()));
        let (charge, line) = {
            let mut all = self.all();
            let (charge, line) = all.get_mut(id)?;
            charge.ended = Some(Ended { decision, receipt: receipt.clone(), at_micros: at });
            (charge.clone(), line.clone())
        };
        if let Some(receipt) = &receipt {
            self.take(&charge, receipt, way, at);
        }
        let charges = self.clone();
        let tell = move |at| charges.tell(&charge, &line, at);
        match micros(self.callback_delay) {
            0 => tell(at),
            delay => self.subscribers.agenda.enter(at.saturating_add(delay), tell),
        }
        receipt
    }

    fn take(&self, charge: &Charge, receipt: &str, way: Way, at: i64) {
        self.subscribers.take(Transaction {
            provider: self.provider,
            receipt: receipt.to_owned(),
            payer: charge.msisdn.clone(),
            payee: charge.payee.clone(),
            reference: charge.id.clone(),
            request: Some(charge.own_id.clone()),
            amount: charge.amount.clone(),
            way,
            at_micros: at,
            reversed: false,
        });
    }

    fn tell(&self, charge: &Charge, line: &Line, at: i64) {
        let Some(url) = &charge.callback_url else { return };
        let failed = charge.receipt().is_some().then(|| charge.failed());
        let contradiction = || failed.map(|failed| (self.write)(&failed, url, &Fate::default()));
        self.post.send(line, at, |fate| (self.write)(charge, url, fate), contradiction);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, (Charge, Line)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
