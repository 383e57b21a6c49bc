//! Transaction Status and Reversal: taken at once, answered later at the ResultURL.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Desk, NAME, Refusal, fields};
use crate::clock::{EAST_AFRICA, micros, written};
use crate::faults::Fate;
use crate::money::Transaction;
use crate::post::{Letter, Line};
use crate::server::Answer;
use crate::subscribers::Unreversed;

/// An order that was taken.
struct Order {
    originator: String,
    conversation: String,
    result_url: String,
    wrong_initiator: bool,
}

/// What became of it.
struct Outcome {
    code: &'static str,
    description: &'static str,
    parameters: Vec<(&'static str, Option<Value>)>,
}

impl Desk {
    pub(super) fn status(self: &Arc<Self>, body: &Value) -> Result<Answer, Refusal> {
        let order = self.order(body, "TransactionStatusQuery")?;
        fields::text(body, "PartyA")?;
        if fields::text(body, "IdentifierType")? != "4" {
            return Err(Refusal::field("IdentifierType"));
        }
        let receipt = fields::optional(body, "TransactionID").filter(|id| !id.is_empty());
        let receipt = receipt.ok_or_else(|| Refusal::field("TransactionID"))?;
        Ok(self.take_order(order, move |desk, _| match desk.transaction(&receipt) {
            Some(transaction) => state_of(&transaction),
            None => Outcome::failed("R000002", "The OriginalTransactionID is invalid."),
        }))
    }

    pub(super) fn reversal(self: &Arc<Self>, body: &Value) -> Result<Answer, Refusal> {
        let order = self.order(body, "TransactionReversal")?;
        let receipt = fields::text(body, "TransactionID")?;
        let amount = fields::shillings(body)?;
        fields::text(body, "ReceiverParty")?;
        // The field's name is the provider's.
        if fields::text(body, "RecieverIdentifierType")? != "11" {
            return Err(Refusal::field("RecieverIdentifierType"));
        }
        Ok(self.take_order(order, move |desk, at| desk.reverse(&receipt, amount, at)))
    }

    fn reverse(&self, receipt: &str, amount: i64, at: i64) -> Outcome {
        let whole = self.transaction(receipt);
        if whole.is_some_and(|whole| whole.amount.hundredths != amount.saturating_mul(100)) {
            return Outcome::failed("R000003", "The amount is not the transaction's.");
        }
        match self.subscribers.reverse(NAME, receipt) {
            Ok(transaction) => reversed(&transaction, at),
            Err(Unreversed::Already) => {
                Outcome::failed("R000001", "The transaction has already been reversed.")
            }
            Err(Unreversed::Unknown) => {
                Outcome::failed("R000002", "The OriginalTransactionID is invalid.")
            }
        }
    }

    fn order(&self, body: &Value, command: &str) -> Result<Order, Refusal> {
        let initiator = fields::text(body, "Initiator")?;
        let credential = fields::text(body, "SecurityCredential")?;
        if STANDARD.decode(credential).is_err() {
            return Err(Refusal::field("SecurityCredential"));
        }
        if fields::text(body, "CommandID")? != command {
            return Err(Refusal::field("CommandID"));
        }
        let result_url = self.url(body, "ResultURL")?;
        self.url(body, "QueueTimeOutURL")?;
        fields::text(body, "Remarks")?;
        let number = self.subscribers.next_number();
        let day = written(self.subscribers.now(), EAST_AFRICA, "%Y%m%d_%H%M%S");
        Ok(Order {
            originator: format!("{}-{}-{number}", fastrand::u16(10_000..), fastrand::u32(..)),
            conversation: format!("AG_{day}{number:012x}"),
            result_url,
            wrong_initiator: initiator != self.settings.initiator,
        })
    }

    /// Acknowledges now, does it and tells the result later.
    fn take_order(
        self: &Arc<Self>,
        order: Order,
        carry_out: impl FnOnce(&Desk, i64) -> Outcome + Send + 'static,
    ) -> Answer {
        let acknowledged = json!({
            "OriginatorConversationID": order.originator,
            "ConversationID": order.conversation,
            "ResponseCode": "0",
            "ResponseDescription": "Accept the service request successfully.",
        });
        let desk = self.clone();
        let at = self.subscribers.now().saturating_add(micros(self.settings.callback_delay));
        self.subscribers.agenda.enter(at, move |at| {
            let outcome = if order.wrong_initiator {
                Outcome::failed("2001", "The initiator information is invalid.")
            } else {
                carry_out(&desk, at)
            };
            let receipt = desk.receipt();
            let write = |fate: &Fate| {
                Letter::json(&order.result_url, &result(&order, &outcome, &receipt, fate))
            };
            desk.post.send(&Line::default(), at, write, || None);
        });
        Answer::json(200, &acknowledged)
    }
}

impl Outcome {
    fn failed(code: &'static str, description: &'static str) -> Outcome {
        Outcome { code, description, parameters: Vec::new() }
    }

    fn done(parameters: Vec<(&'static str, Option<Value>)>) -> Outcome {
        let description = "The service request is processed successfully.";
        Outcome { code: "0", description, parameters }
    }
}

fn state_of(one: &Transaction) -> Outcome {
    let at = written(one.at_micros, EAST_AFRICA, "%Y%m%d%H%M%S");
    let status = if one.reversed { "Reversed" } else { "Completed" };
    Outcome::done(vec![
        ("DebitPartyName", Some(json!(format!("{} - NICHOLAS", one.payer)))),
        ("CreditPartyName", Some(json!(one.payee))),
        ("OriginatorConversationID", Some(json!(""))),
        ("InitiatedTime", at.parse::<i64>().ok().map(|at| json!(at))),
        ("DebitAccountType", Some(json!("MMF Account For Customer"))),
        ("DebitPartyCharges", None),
        ("TransactionReason", None),
        ("TransactionStatus", Some(json!(status))),
        ("FinalisedTime", at.parse::<i64>().ok().map(|at| json!(at))),
        ("Amount", Some(json!(decimal(one)))),
        ("ReceiptNo", Some(json!(one.receipt))),
    ])
}

fn reversed(one: &Transaction, at: i64) -> Outcome {
    let at = written(at, EAST_AFRICA, "%Y%m%d%H%M%S");
    Outcome::done(vec![
        ("OriginalTransactionID", Some(json!(one.receipt))),
        ("Amount", Some(json!(decimal(one)))),
        ("Charge", Some(json!(0.0))),
        ("TransCompletedTime", at.parse::<i64>().ok().map(|at| json!(at))),
        ("CreditPartyPublicName", Some(json!(format!("{} - NICHOLAS", one.payer)))),
        ("DebitPartyPublicName", Some(json!(one.payee))),
    ])
}

/// As a number with a fraction, which JSON shows as `1.0`.
#[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^52")]
fn decimal(one: &Transaction) -> f64 {
    one.amount.hundredths as f64 / 100.0
}

/// A parameter may lack its value; a code that is no number stays text.
fn result(order: &Order, outcome: &Outcome, receipt: &str, fate: &Fate) -> Value {
    let code = match outcome.code.parse::<i64>() {
        Ok(code) if !fate.text_numbers => json!(code),
        _ => json!(outcome.code),
    };
    let mut result = json!({
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": outcome.description,
        "OriginatorConversationID": order.originator,
        "ConversationID": order.conversation,
        "TransactionID": receipt,
    });
    if let Some(fields) = result.as_object_mut() {
        if !outcome.parameters.is_empty() {
            let all: Vec<Value> = outcome
                .parameters
                .iter()
                .map(|(key, value)| match value {
                    Some(value) => json!({ "Key": key, "Value": value }),
                    None => json!({ "Key": key }),
                })
                .collect();
            fields.insert("ResultParameters".to_owned(), json!({ "ResultParameter": all }));
        }
        let reference =
            json!({ "ReferenceItem": { "Key": "QueueTimeoutURL", "Value": order.result_url } });
        fields.insert("ReferenceData".to_owned(), reference);
    }
    json!({ "Result": result })
}
