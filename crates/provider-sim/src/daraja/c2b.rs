//! C2B: somebody types the merchant's number into his phone. The merchant may be asked before, and
//! is told afterwards.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Desk, NAME, Refusal, Shortcode, fields, paid};
use crate::clock::{EAST_AFRICA, written};
use crate::faults::Fate;
use crate::money::{Amount, Transaction, Way};
use crate::post::{Delivery, Letter, Line};
use crate::server::Answer;
use crate::signature::digest_hex;
use crate::subscribers::digits;

/// How long a validation may take.
const VALIDATION: Duration = Duration::from_secs(8);

/// How a version shows the payer's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// As the hash by SHA-256.
    One,
    /// With stars.
    Two,
}

/// The URLs of a shortcode.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    version: Version,
    /// Without an answer to validation the payment goes on.
    completes: bool,
    confirmation: String,
    validation: String,
}

/// A merchant's validation refused a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its code, such as `C2B00012`.
    pub code: String,
}

impl Desk {
    pub(super) fn register(&self, body: &Value, version: Version) -> Result<Answer, Refusal> {
        let shortcode = fields::text(body, "ShortCode")?;
        let completes = match fields::text(body, "ResponseType")?.as_str() {
            "Completed" => true,
            "Cancelled" => false,
            _ => return Err(Refusal::field("ResponseType")),
        };
        let confirmation = self.url(body, "ConfirmationURL")?;
        let validation = self.url(body, "ValidationURL")?;
        if !self.settings.shortcodes.iter().any(|one| one.number() == shortcode) {
            return Err(Refusal::field("ShortCode"));
        }
        let mut state = self.state();
        if self.settings.registers_once && state.registered.contains_key(&shortcode) {
            return Err(Refusal::new(500, "500.003.1001", "URLs are already registered"));
        }
        let urls = Registered { version, completes, confirmation, validation };
        state.registered.insert(shortcode, urls);
        let id = format!("{:x}-{}", fastrand::u32(..), fastrand::u32(..));
        // The field's name is the provider's.
        Ok(Answer::json(
            200,
            &json!({ "OriginatorCoversationID": id, "ResponseCode": "0", "ResponseDescription": "Success" }),
        ))
    }

    pub(super) async fn pay_by_hand(
        self: &Arc<Self>,
        msisdn: &str,
        shortcode: &str,
        account: &str,
        amount: Amount,
    ) -> Result<String, Rejected> {
        let msisdn = digits(msisdn);
        let receipt = self.receipt();
        let now = self.subscribers.now();
        let payment = paid(&receipt, &msisdn, shortcode, account, amount, Way::ByHand, now);
        self.validate(&payment).await?;
        self.subscribers.take(payment.clone());
        let delay = crate::clock::micros(self.settings.callback_delay);
        self.confirm_at(now.saturating_add(delay), payment);
        Ok(receipt)
    }

    pub(super) async fn forge_by_hand(
        &self,
        msisdn: &str,
        shortcode: &str,
        account: &str,
        amount: Amount,
    ) -> Option<Delivery> {
        let (msisdn, receipt, now) = (digits(msisdn), self.receipt(), self.subscribers.now());
        let payment = paid(&receipt, &msisdn, shortcode, account, amount, Way::ByHand, now);
        let urls = self.state().registered.get(shortcode).cloned()?;
        let body = self.told(&payment, urls.version, &Fate::default());
        Some(self.post.deliver(now, Letter::json(&urls.confirmation, &body)).await)
    }

    async fn validate(&self, payment: &Transaction) -> Result<(), Rejected> {
        let registered = self.state().registered.get(&payment.payee).cloned();
        let Some(urls) = registered.filter(|_| self.settings.validates) else { return Ok(()) };
        let body = self.told(payment, urls.version, &Fate::default());
        let letter = Letter::json(&urls.validation, &body);
        let asked = self.post.deliver(payment.at_micros, letter);
        let heard = tokio::time::timeout(VALIDATION, asked).await.ok();
        let said = heard.filter(|heard| heard.status == Ok(200));
        let said = said.and_then(|heard| serde_json::from_str::<Value>(&heard.answer).ok());
        let code = said.and_then(|said| fields::optional(&said, "ResultCode"));
        match code {
            Some(code) if code == "0" => Ok(()),
            None if urls.completes => Ok(()),
            code => Err(Rejected { code: code.unwrap_or_else(|| "no answer".to_owned()) }),
        }
    }

    /// Tells the merchant at an instant, if he ever said where.
    pub(super) fn confirm_at(self: &Arc<Self>, at: i64, payment: Transaction) {
        let desk = self.clone();
        self.subscribers.agenda.enter(at, move |at| {
            let registered = desk.state().registered.get(&payment.payee).cloned();
            let Some(urls) = registered else { return };
            let write = |fate: &Fate| {
                Letter::json(&urls.confirmation, &desk.told(&payment, urls.version, fate))
            };
            desk.post.send(&Line::default(), at, write, || None);
        });
    }

    /// What a merchant is told of a payment by hand. Everything is text, unless a fault has it
    /// otherwise.
    fn told(&self, payment: &Transaction, version: Version, fate: &Fate) -> Value {
        let shortcodes = &self.settings.shortcodes;
        let merchant = shortcodes.iter().find(|one| one.number() == payment.payee);
        let kind = match merchant {
            Some(Shortcode::Till { .. }) => "Buy Goods",
            _ => "Pay Bill",
        };
        let balance = self.subscribers.sum_paid_to(NAME, &payment.payee);
        let balance = Amount { hundredths: balance, currency: payment.amount.currency.clone() };
        let amount = match payment.amount.units() {
            // The other type than usual, which is text here.
            Some(units) if fate.text_numbers => json!(units),
            _ => json!(payment.amount.decimal()),
        };
        json!({
            "TransactionType": kind,
            "TransID": payment.receipt,
            "TransTime": written(payment.at_micros, EAST_AFRICA, "%Y%m%d%H%M%S"),
            "TransAmount": amount,
            "BusinessShortCode": payment.payee,
            "BillRefNumber": payment.reference,
            "InvoiceNumber": "",
            "OrgAccountBalance": balance.decimal(),
            "ThirdPartyTransID": "",
            "MSISDN": shown(&payment.payer, version),
            "FirstName": "NICHOLAS",
            "MiddleName": "",
            "LastName": "",
        })
    }
}

fn shown(msisdn: &str, version: Version) -> String {
    match version {
        Version::One => digest_hex(msisdn),
        Version::Two => {
            let head: String = msisdn.chars().take(4).collect();
            let tail: String = msisdn.chars().skip(msisdn.len().saturating_sub(3)).collect();
            format!("{head} ***** {tail}")
        }
    }
}
