//! STK push: the merchant asks, the phone is asked, a callback tells. And the query, which tells
//! less and hesitates.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CURRENCY, Desk, NAME, Refusal, Shortcode, fields, paid};
use crate::clock::{EAST_AFRICA, micros, written};
use crate::faults::Fate;
use crate::forgery::Forgery;
use crate::money::{Amount, Way};
use crate::post::{Delivery, Letter, Line};
use crate::server::Answer;
use crate::subscribers::{Decided, Decision, Owner, PromptId, Question};

/// Observed: so long until it knows that a phone is out of reach.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(14);
/// Within which the same amount from the same payer is a repeat.
const REPEAT: Duration = Duration::from_secs(120);
/// Observed: a query so long after a push that reached nobody is often not answered.
const NOISE_AFTER: Duration = Duration::from_secs(60);

/// A push that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The provider's id of the request.
    pub merchant_request_id: String,
    /// The provider's id of the prompt.
    pub checkout_request_id: String,
    /// `BusinessShortCode`.
    pub shortcode: String,
    /// `PartyB`: where the money goes.
    pub party_b: String,
    /// Whose phone is asked.
    pub msisdn: String,
    /// Whole shillings.
    pub amount: i64,
    /// `AccountReference`.
    pub account_reference: String,
    /// `Timestamp`, as the merchant wrote it.
    pub timestamp: String,
    /// Where the callback goes.
    pub callback_url: String,
    /// When it was taken, in microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
    /// The result's code, once there is one. A late success replaces 1037.
    pub result: Option<String>,
    /// The receipt, if it was paid.
    pub receipt: Option<String>,
}

/// A push, and what is remembered of it.
pub(super) struct Told {
    pub(super) push: Push,
    line: Line,
    /// What the owner was going to do when it was asked.
    owner: Owner,
    queries: u32,
}

/// How a push ended.
struct Ending {
    code: String,
    receipt: Option<String>,
}

impl Desk {
    pub(super) async fn push(self: &Arc<Self>, body: &Value) -> Result<Answer, Refusal> {
        let now = self.subscribers.now();
        self.check_pace(now)?;
        let push = self.read_push(body, now)?;
        let kind = fields::text(body, "TransactionType")?;
        if self.settings.locks_subscriber && self.is_asked(&push.msisdn) {
            let why = "Unable to lock subscriber, a transaction is already in process for the current subscriber";
            return Err(Refusal::new(500, "500.001.1001", why));
        }
        let accepted = json!({
            "MerchantRequestID": push.merchant_request_id,
            "CheckoutRequestID": push.checkout_request_id,
            "ResponseCode": "0",
            "ResponseDescription": "Success. Request accepted for processing",
            "CustomerMessage": "Success. Request accepted for processing",
        });
        let misdirected = self.misdirected(&push, &kind);
        let id = push.checkout_request_id.clone();
        let owner = self.subscribers.owner_of(&push.msisdn);
        let line = Line::default();
        let told = Told { push: push.clone(), line: line.clone(), owner, queries: 0 };
        self.state().pushes.insert(id.clone(), told);
        match misdirected {
            Some(code) => self.end_at(now + 1_000_000, &id, code),
            None => self.ask(push, &line, now).await,
        }
        Ok(Answer::json(200, &accepted))
    }

    /// The phone is asked; if a fault says so, everything happens before this returns.
    async fn ask(self: &Arc<Self>, push: Push, line: &Line, now: i64) {
        let (desk, id) = (self.clone(), push.checkout_request_id.clone());
        let decided: Decided = Arc::new(move |decision, at| desk.decided(&id, &decision, at));
        let payee = self.merchant(&push.shortcode).map_or("", Shortcode::name).to_owned();
        let question = Question {
            provider: NAME,
            msisdn: push.msisdn,
            payee,
            reference: push.account_reference,
            amount: Amount::whole(push.amount, CURRENCY),
            patience: self.settings.prompt_lasts,
            unreachable_after: UNREACHABLE_AFTER,
        };
        let prompt: PromptId = self.subscribers.ask(question, now, decided);
        if self.post.faults.take_before_answer() && self.subscribers.hurry(prompt, now) {
            line.empty().await;
        }
    }

    fn check_pace(&self, now: i64) -> Result<(), Refusal> {
        let Some(most) = self.settings.pushes_per_second else { return Ok(()) };
        let second = now.div_euclid(1_000_000);
        let mut state = self.state();
        if state.busy.0 != second {
            state.busy = (second, 0);
        }
        state.busy.1 += 1;
        if state.busy.1 > most { Err(Refusal::spike_arrest()) } else { Ok(()) }
    }

    fn read_push(&self, body: &Value, now: i64) -> Result<Push, Refusal> {
        let shortcode = fields::text(body, "BusinessShortCode")?;
        let password = fields::text(body, "Password")?;
        let timestamp = fields::timestamp(body)?;
        let amount = fields::shillings(body)?;
        fields::phone(body, "PartyA")?;
        let msisdn = fields::phone(body, "PhoneNumber")?;
        let party_b = fields::text(body, "PartyB")?;
        let callback_url = self.url(body, "CallBackURL")?;
        let account_reference = fields::short(body, "AccountReference", 12)?;
        if body.get("TransactionDesc").is_some() {
            fields::short(body, "TransactionDesc", 13)?;
        }
        self.check_password(&shortcode, &password, &timestamp)?;
        let number = self.subscribers.next_number();
        let day = written(now, EAST_AFRICA, "%d%m%Y%H%M%S");
        Ok(Push {
            merchant_request_id: format!("29115-{}-{number}", fastrand::u32(10_000_000..)),
            checkout_request_id: format!("ws_CO_{day}{number:06}{}", fastrand::u32(100..999)),
            shortcode,
            party_b,
            msisdn,
            amount,
            account_reference,
            timestamp,
            callback_url,
            at_micros: now,
            result: None,
            receipt: None,
        })
    }

    fn check_password(
        &self,
        shortcode: &str,
        password: &str,
        timestamp: &str,
    ) -> Result<(), Refusal> {
        // A till's own number is a merchant too; what is wrong with it shows later.
        let known = self.merchant(shortcode).is_some()
            || self.settings.shortcodes.iter().any(|one| one.number() == shortcode);
        if !known {
            return Err(Refusal::new(500, "500.001.1001", "Merchant does not exist"));
        }
        let right = format!("{shortcode}{}{timestamp}", self.settings.passkey);
        if STANDARD.encode(right) != password {
            return Err(Refusal::new(500, "500.001.1001", "Wrong credentials"));
        }
        Ok(())
    }

    /// The code of a push whose type, shortcode and receiver do not fit together.
    fn misdirected(&self, push: &Push, kind: &str) -> Option<&'static str> {
        match (self.merchant(&push.shortcode), kind) {
            (Some(Shortcode::PayBill { number, .. }), "CustomerPayBillOnline")
                if *number == push.party_b =>
            {
                None
            }
            (Some(Shortcode::Till { number, .. }), "CustomerBuyGoodsOnline") => {
                (*number != push.party_b).then_some("SFC_IC0003")
            }
            _ => Some("2028"),
        }
    }

    fn is_asked(&self, msisdn: &str) -> bool {
        let asked = self.subscribers.pending_prompts(msisdn);
        asked.iter().any(|prompt| prompt.provider == NAME)
    }

    fn end_at(self: &Arc<Self>, at: i64, id: &str, code: &'static str) {
        let (desk, id) = (self.clone(), id.to_owned());
        self.subscribers.agenda.enter(at, move |at| {
            desk.end(&id, Ending { code: code.to_owned(), receipt: None }, at);
        });
    }

    /// The owner has answered, or the provider has given up.
    fn decided(self: &Arc<Self>, id: &str, decision: &Decision, at: i64) {
        let code = match decision {
            Decision::Approved => return self.approved(id, at),
            Decision::Cancelled => "1032",
            Decision::TimedOut | Decision::Unreachable => "1037",
            Decision::NoMoney => "1",
            Decision::WrongPin => "2001",
            Decision::Code(code) => code,
        };
        self.end(id, Ending { code: code.to_owned(), receipt: None }, at);
    }

    /// The right PIN: the money moves, unless it moved a moment ago.
    fn approved(self: &Arc<Self>, id: &str, at: i64) {
        let Some(push) = self.state().pushes.get(id).map(|told| told.push.clone()) else { return };
        let amount = Amount::whole(push.amount, CURRENCY);
        let since = at.saturating_sub(micros(REPEAT));
        let repeat = self.subscribers.paid_since(since, |one| {
            (one.provider, one.payee.as_str(), one.payer.as_str())
                == (NAME, push.party_b.as_str(), push.msisdn.as_str())
                && one.amount == amount
        });
        if repeat && self.settings.refuses_repeats {
            return self.end(id, Ending { code: "17".to_owned(), receipt: None }, at);
        }
        let receipt = self.receipt();
        let reference = &push.account_reference;
        let mut transaction =
            paid(&receipt, &push.msisdn, &push.party_b, reference, amount, Way::Prompt, at);
        transaction.request = Some(id.to_owned());
        self.subscribers.take(transaction.clone());
        self.end(id, Ending { code: "0".to_owned(), receipt: Some(receipt) }, at);
        if self.settings.confirms_pushes {
            self.confirm_at(at.saturating_add(micros(self.settings.callback_delay)), transaction);
        }
    }

    /// Notes the result and sends the callback.
    fn end(self: &Arc<Self>, id: &str, ending: Ending, at: i64) {
        let (push, line) = {
            let mut state = self.state();
            let Some(told) = state.pushes.get_mut(id) else { return };
            told.push.result = Some(ending.code);
            told.push.receipt = ending.receipt;
            (told.push.clone(), told.line.clone())
        };
        let delay = micros(self.settings.callback_delay);
        if delay == 0 {
            return self.call_back(&push, &line, at);
        }
        let desk = self.clone();
        self.subscribers
            .agenda
            .enter(at.saturating_add(delay), move |at| desk.call_back(&push, &line, at));
    }

    fn call_back(&self, push: &Push, line: &Line, at: i64) {
        let failed = Push { result: Some("1037".to_owned()), receipt: None, ..push.clone() };
        let contradiction = push.receipt.is_some().then(|| letter(&failed, at, &Fate::default()));
        self.post.send(line, at, |fate| letter(push, at, fate), || contradiction);
    }

    pub(super) async fn forge(&self, id: &str, forgery: Forgery) -> Option<Delivery> {
        let now = self.subscribers.now();
        let mut push = self.state().pushes.get(id)?.push.clone();
        push.result = Some("0".to_owned());
        push.receipt = Some(push.receipt.unwrap_or_else(|| self.receipt()));
        push.callback_url = forgery.url(&push.callback_url);
        match forgery {
            Forgery::WrongRequest => {
                push.checkout_request_id = format!("ws_CO_{}", fastrand::u64(..));
            }
            Forgery::WrongAmount(amount) => push.amount = amount,
            Forgery::WrongToken | Forgery::Unpaid => {}
        }
        Some(self.post.deliver(now, letter(&push, now, &Fate::default())).await)
    }

    /// What became of a push: at first nothing, later a code, in between noise.
    pub(super) fn query(&self, body: &Value) -> Result<Answer, Refusal> {
        let shortcode = fields::text(body, "BusinessShortCode")?;
        let password = fields::text(body, "Password")?;
        let timestamp = fields::timestamp(body)?;
        let id = fields::text(body, "CheckoutRequestID")?;
        self.check_password(&shortcode, &password, &timestamp)?;
        let now = self.subscribers.now();
        let mut state = self.state();
        // An unknown id gets the same as no answer.
        let no_answer = || Refusal::new(500, "500.001.1001", "");
        let told = state.pushes.get_mut(&id).filter(|told| told.push.shortcode == shortcode);
        let told = told.ok_or_else(no_answer)?;
        told.queries += 1;
        let noisy = self.settings.noisy_queries;
        let passed = now.saturating_sub(told.push.at_micros);
        match told.push.result.as_deref() {
            None if noisy && matches!(told.owner, Owner::Cancels { .. }) => {
                // Observed: HTTP says 200, the body says error.
                let body = json!({ "requestId": format!("{:x}", fastrand::u64(..)), "errorCode": "500.001.1001", "errorMessage": "" });
                Ok(Answer::json(200, &body))
            }
            None => Ok(queried(&told.push, "4999")),
            Some("1037") if noisy && passed >= micros(NOISE_AFTER) && told.queries % 2 == 0 => {
                Err(no_answer())
            }
            Some(code) => Ok(queried(&told.push, code)),
        }
    }
}

/// The answer to a query: everything is text.
fn queried(push: &Push, code: &str) -> Answer {
    let description = match code {
        "0" => "The service request is processed successfully.",
        "1032" => "Request canceled by user",
        "4999" => "The transaction is still under processing",
        code => description(code),
    };
    let body = json!({
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successsfully",
        "MerchantRequestID": push.merchant_request_id,
        "CheckoutRequestID": push.checkout_request_id,
        "ResultCode": code,
        "ResultDesc": description,
    });
    Answer::json(200, &body)
}

/// The sentence that callbacks put beside a code.
fn description(code: &str) -> &'static str {
    match code {
        "0" => "The service request is processed successfully.",
        "1" => "The balance is insufficient for the transaction.",
        "2" => "Declined due to limit rule: less than the minimum transaction amount.",
        "3" => "Declined due to limit rule: greater than the maximum transaction amount.",
        "4" => "Declined due to limit rule: would exceed daily transfer limit.",
        "8" => "Declined due to limit rule: would exceed the maximum balance.",
        "17" => "A similar transaction was processed a moment ago.",
        "26" => "System busy. Try again in a short while.",
        "1001" => {
            "Unable to lock subscriber, a transaction is already in process for the current subscriber"
        }
        "1019" => "Transaction has expired",
        "1025" | "9999" => "An error occurred while sending a push request",
        "1032" => "Request Cancelled by user.",
        "1037" => "DS timeout user cannot be reached",
        "2001" => "The initiator information is invalid.",
        "2028" => "The request is not permitted according to product assignment",
        "8006" => "The security credential is locked.",
        "SFC_IC0003" => "The operator does not exist.",
        _ => "The service request failed.",
    }
}

fn letter(push: &Push, at: i64, fate: &Fate) -> Letter {
    let code = push.result.clone().unwrap_or_default();
    let mut callback = json!({
        "MerchantRequestID": push.merchant_request_id,
        "CheckoutRequestID": push.checkout_request_id,
        "ResultCode": number(&code, fate),
        "ResultDesc": description(&code),
    });
    if let (Some(receipt), Some(fields)) = (&push.receipt, callback.as_object_mut()) {
        fields.insert(
            "CallbackMetadata".to_owned(),
            json!({ "Item": items(push, receipt, at, fate) }),
        );
    }
    let body = json!({ "Body": { "stkCallback": callback } }).to_string();
    // JSON has one number for 1 and 1.00; the provider writes the latter.
    let body = body.replace(&format!("\"{AMOUNT}\""), &format!("{}.00", push.amount));
    Letter {
        url: push.callback_url.clone(),
        kind: "application/json;charset=UTF-8",
        headers: vec![("businessshortcode", push.shortcode.clone())],
        body,
    }
}

/// Stands for the amount until the body is text.
const AMOUNT: &str = "@amount@";

/// What was paid. Documents and samples disagree about order and number of these, so they change
/// from receipt to receipt; `Balance` has no value.
fn items(push: &Push, receipt: &str, at: i64, fate: &Fate) -> Vec<Value> {
    let amount = if fate.text_numbers { format!("{}.00", push.amount) } else { AMOUNT.to_owned() };
    let date = written(at, EAST_AFRICA, "%Y%m%d%H%M%S");
    let mut items = vec![
        json!({ "Name": "Amount", "Value": amount }),
        json!({ "Name": "MpesaReceiptNumber", "Value": receipt }),
        json!({ "Name": "Balance" }),
        json!({ "Name": "TransactionDate", "Value": number(&date, fate) }),
        json!({ "Name": "PhoneNumber", "Value": number(&push.msisdn, fate) }),
    ];
    match receipt.bytes().last().unwrap_or_default() % 3 {
        0 => items.reverse(),
        1 => drop(items.remove(2)),
        _ => {}
    }
    items
}

/// A number where it is one, text where a fault wants text or it is none.
fn number(text: &str, fate: &Fate) -> Value {
    match text.parse::<i64>() {
        Ok(number) if !fate.text_numbers => json!(number),
        _ => json!(text),
    }
}
