//! Reversal and Transaction Status: taken at once, answered later at the address that the order
//! named.

use super::super::asking::{self, setup};
use super::super::{
    CallbackError, Heard, ProviderError, ReceiptQuestion, Refund, RefundAnswer, Submitted, wire,
};
use super::{Daraja, NAME, codes, minds, refusal};
use crate::outbound::Answer;
use crate::payments::credential::PublicKey;
use lango_domain::money::Currency;
use lango_domain::payment::{Failure, FailureReason, Proof, Verdict};
use lango_domain::time::Timestamp;
use serde_json::{Value, json};

const NO_INITIATOR: &str = "M-Pesa without an initiator";

impl Daraja {
    /// Gives money back.
    pub(crate) async fn refund(&self, refund: &Refund, now: Timestamp) -> RefundAnswer {
        let body = match self.reversal_body(refund) {
            Ok(body) => body,
            Err(failure) => return RefundAnswer::Refused(failure),
        };
        match self.post("/mpesa/reversal/v1/request", &body, now).await {
            Ok(answer) => ordered(&answer),
            Err(unasked) => unasked.refund(),
        }
    }

    /// Asks whether there is money behind a receipt. Returns the number of the question.
    ///
    /// # Errors
    /// There is no initiator, it refuses or says nothing.
    pub(crate) async fn look_up(
        &self,
        question: &ReceiptQuestion,
        now: Timestamp,
    ) -> Result<String, ProviderError> {
        let (initiator, credential) = self.initiator().map_err(|failure| match failure {
            None => ProviderError::NotOffered(NO_INITIATOR),
            Some(Failure { code, sentence, .. }) => {
                ProviderError::Refused { provider: NAME, code, sentence }
            }
        })?;
        let body = json!({
            "Initiator": initiator,
            "SecurityCredential": credential,
            "CommandID": "TransactionStatusQuery",
            "TransactionID": question.receipt,
            "PartyA": self.settings.paid_number(),
            "IdentifierType": "4",
            "ResultURL": question.callback,
            "QueueTimeOutURL": question.timeout,
            "Remarks": "receipt",
            "Occasion": "receipt",
        });
        let answer = self
            .post("/mpesa/transactionstatus/v1/query", &body, now)
            .await
            .map_err(|unasked| unasked.error(NAME))?;
        match ordered(&answer) {
            RefundAnswer::Ordered { order } => Ok(order),
            _ => Err(asking::refused(self, &answer)),
        }
    }

    fn reversal_body(&self, refund: &Refund) -> Result<Value, Failure> {
        let missing = || setup("initiator", "no initiator is set, and nobody else may reverse");
        let (initiator, credential) =
            self.initiator().map_err(|why| why.unwrap_or_else(missing))?;
        let whole = wire::whole_units(refund.amount);
        let whole = whole.ok_or_else(|| setup("amount", "M-Pesa has no cents"))?;
        for url in [&refund.callback, &refund.timeout] {
            if let Some(why) = minds(url) {
                return Err(setup("callback", why));
            }
        }
        Ok(json!({
            "Initiator": initiator,
            "SecurityCredential": credential,
            "CommandID": "TransactionReversal",
            "TransactionID": refund.receipt,
            "Amount": whole.to_string(),
            "ReceiverParty": self.settings.paid_number(),
            // So written, there.
            "RecieverIdentifierType": "11",
            "ResultURL": refund.callback,
            "QueueTimeOutURL": refund.timeout,
            "Remarks": refund.reference,
            "Occasion": refund.reference,
        }))
    }

    /// The initiator and his password as it is sent; `Err(None)` where there is none.
    fn initiator(&self) -> Result<(&str, String), Option<Failure>> {
        let settings = &self.settings;
        let (Some(name), Some(password), Some(pem)) =
            (&settings.initiator, &settings.initiator_password, &settings.certificate)
        else {
            return Err(None);
        };
        let key = PublicKey::from_certificate(pem)
            .map_err(|error| Some(setup("certificate", format!("the certificate {error}"))))?;
        let credential = key
            .encrypt(password.reveal())
            .map_err(|error| Some(setup("initiator_password", error.to_string())))?;
        Ok((name, credential))
    }
}

/// What the answer to an order says.
fn ordered(answer: &Answer) -> RefundAnswer {
    let unknown = || RefundAnswer::Unknown(asking::strange(answer));
    let Some(body) = answer.json() else { return unknown() };
    let response = wire::text(&body, "ResponseCode");
    if wire::text(&body, "errorCode").is_none() && response.as_deref() == Some("0") {
        let names = ["OriginatorConversationID", "ConversationID"];
        let order = names.into_iter().find_map(|name| wire::text(&body, name));
        return order.map_or_else(unknown, |order| RefundAnswer::Ordered { order });
    }
    let Some((code, sentence)) = refusal(&body) else { return unknown() };
    if codes::is_too_much(&code) {
        let wait = asking::SHORT_WHILE;
        return RefundAnswer::NotSent { why: format!("{code} {sentence}"), wait };
    }
    match codes::not_taken(&code, &sentence) {
        Submitted::Refused(failure) => RefundAnswer::Refused(failure),
        Submitted::NotSent { why, wait } => RefundAnswer::NotSent { why, wait },
        Submitted::Unknown(_) | Submitted::Taken { .. } => unknown(),
    }
}

/// What became of an order, as far as all results are alike.
struct Outcome {
    order: String,
    code: String,
    sentence: String,
    result: Value,
}

fn outcome(body: &[u8]) -> Result<Outcome, CallbackError> {
    let mut body = wire::object(body, NAME)?;
    let missing =
        |what: &str| CallbackError::Unreadable { provider: NAME, why: format!("it has no {what}") };
    let result = body.get_mut("Result").map(Value::take).ok_or_else(|| missing("Result"))?;
    let names = ["OriginatorConversationID", "ConversationID"];
    let order = names.into_iter().find_map(|name| wire::text(&result, name));
    Ok(Outcome {
        order: order.ok_or_else(|| missing("OriginatorConversationID"))?,
        code: wire::text(&result, "ResultCode").ok_or_else(|| missing("ResultCode"))?,
        sentence: wire::text(&result, "ResultDesc").unwrap_or_default(),
        result,
    })
}

/// What became of money that was given back.
pub(super) fn read_reversal(body: &[u8], currency: Currency) -> Result<Heard, CallbackError> {
    let outcome = outcome(body)?;
    let is_back = outcome.code == "0" || codes::is_reversed_before(&outcome.code);
    let verdict = if is_back {
        let receipt = wire::text(&outcome.result, "TransactionID");
        Verdict::Paid(Proof {
            receipt: receipt.unwrap_or_else(|| outcome.order.clone()),
            amount: value(&outcome.result, "Amount").and_then(|one| wire::amount(one, currency)),
            payer: None,
            paid_at: time(&outcome.result, "TransCompletedTime"),
        })
    } else {
        codes::order(&outcome.code, &outcome.sentence)
    };
    Ok(Heard::Refund { order: outcome.order, verdict })
}

/// What there is behind a receipt.
pub(super) fn read_status(body: &[u8], currency: Currency) -> Result<Heard, CallbackError> {
    let outcome = outcome(body)?;
    let verdict = if outcome.code == "0" {
        behind_receipt(&outcome.result, currency)
    } else {
        codes::order(&outcome.code, &outcome.sentence)
    };
    Ok(Heard::Receipt { order: outcome.order, verdict })
}

fn behind_receipt(result: &Value, currency: Currency) -> Verdict {
    let text = |name| value(result, name).and_then(wire::as_text);
    let amount = value(result, "Amount").and_then(|one| wire::amount(one, currency));
    let state = text("TransactionStatus").unwrap_or_default();
    match (state.as_str(), text("ReceiptNo"), amount) {
        ("Completed", Some(receipt), Some(amount)) => Verdict::Paid(Proof {
            receipt,
            amount: Some(amount),
            payer: text("DebitPartyName"),
            paid_at: time(result, "FinalisedTime"),
        }),
        ("Reversed", _, _) => {
            Verdict::Failed(codes::failure(FailureReason::Refused, &state, "it was reversed"))
        }
        _ => Verdict::Unknown(format!("its state is `{state}`")),
    }
}

/// It did not get round to it in time; that is no word of what became of it.
pub(super) fn read_timeout(body: &[u8]) -> Result<Heard, CallbackError> {
    let what = outcome(body).map(|outcome| outcome.order);
    Ok(match what {
        Ok(order) => Heard::Refund {
            order,
            verdict: Verdict::Unknown("M-Pesa did not get round to it in time".to_owned()),
        },
        Err(_) => Heard::Nothing("M-Pesa did not get round to something in time".to_owned()),
    })
}

/// Keys may repeat and values be absent.
fn value<'a>(result: &'a Value, key: &str) -> Option<&'a Value> {
    let all = result.pointer("/ResultParameters/ResultParameter")?;
    let all = match all {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut named = all.iter().filter(|one| one.get("Key").and_then(Value::as_str) == Some(key));
    named.find_map(|one| one.get("Value").filter(|value| !value.is_null()))
}

fn time(result: &Value, key: &str) -> Option<Timestamp> {
    let digits = value(result, key).and_then(wire::as_text)?;
    wire::east_african(&digits)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, daraja};
    use super::*;
    use lango_domain::money::Money;

    const ORDER: &str = "71840-27539181-07";

    fn result(code: &str, parameters: &Value) -> String {
        let code: Value = serde_json::from_str(code).unwrap();
        json!({ "Result": {
            "ResultType": 0, "ResultCode": code, "ResultDesc": "said",
            "OriginatorConversationID": ORDER, "ConversationID": "AG_1",
            "TransactionID": "SKA0000001",
            "ResultParameters": { "ResultParameter": parameters },
            "ReferenceData": { "ReferenceItem": { "Key": "Occasion", "Value": "x" } },
        }})
        .to_string()
    }

    fn reversal(body: &str) -> Verdict {
        let heard = read_reversal(body.as_bytes(), Currency::KES).unwrap();
        let Heard::Refund { order, verdict } = heard else { panic!("{heard:?}") };
        assert_eq!(order, ORDER);
        verdict
    }

    fn status(body: &str) -> Verdict {
        let heard = read_status(body.as_bytes(), Currency::KES).unwrap();
        let Heard::Receipt { order, verdict } = heard else { panic!("{heard:?}") };
        assert_eq!(order, ORDER);
        verdict
    }

    #[test]
    fn money_that_is_back_is_known_by_either_type_of_code() {
        let parameters = json!([
            { "Key": "DebitAccountBalance" }, { "Key": "Amount" },
            { "Key": "Amount", "Value": 1.00 }, { "Key": "Charge", "Value": 0 },
            { "Key": "TransCompletedTime", "Value": 20_211_119_102_115_i64 },
        ]);
        for code in ["0", "\"0\"", "\"R000001\""] {
            let Verdict::Paid(proof) = reversal(&result(code, &parameters)) else {
                panic!("{code}")
            };
            assert_eq!(proof.receipt, "SKA0000001");
            assert_eq!(proof.amount, Some(Money::new(100, Currency::KES)));
            assert_eq!(proof.paid_at, wire::east_african("20211119102115"));
        }
    }

    #[test]
    fn refusals_have_their_class_and_unknown_ones_have_none() {
        let why = |code| match reversal(&result(code, &json!([]))) {
            Verdict::Failed(failure) => Some(failure.why),
            _ => None,
        };
        assert_eq!(why("\"R000002\""), Some(FailureReason::Refused));
        assert_eq!(why("2001"), Some(FailureReason::Setup));
        assert_eq!(why("1"), Some(FailureReason::NotEnoughMoney));
        assert_eq!(why("11"), None);
        assert_eq!(why("\"R000003\""), None);
    }

    #[test]
    fn a_receipt_is_money_only_if_it_is_completed() {
        let parameters = |state: &str| {
            json!([
                { "Key": "DebitPartyName", "Value": "254708374149 - John Doe" },
                { "Key": "ReceiptNo", "Value": "NLJ7RT61SV" },
                { "Key": "TransactionStatus", "Value": state },
                { "Key": "FinalisedTime", "Value": "20191219102115" },
                { "Key": "Amount", "Value": 300.0 }, { "Key": "TransactionReason" },
            ])
        };
        let Verdict::Paid(proof) = status(&result("0", &parameters("Completed"))) else { panic!() };
        assert_eq!(proof.receipt, "NLJ7RT61SV");
        assert_eq!(proof.amount, Some(Money::new(30_000, Currency::KES)));
        assert_eq!(proof.payer.as_deref(), Some("254708374149 - John Doe"));
        assert!(matches!(status(&result("0", &parameters("Pending"))), Verdict::Unknown(_)));
        assert!(matches!(status(&result("0", &json!([]))), Verdict::Unknown(_)));
        assert!(matches!(status(&result("\"R000002\"", &json!([]))), Verdict::Failed(_)));
    }

    #[test]
    fn not_in_time_is_not_a_failure() {
        let heard = read_timeout(result("1", &json!([])).as_bytes()).unwrap();
        assert!(matches!(heard, Heard::Refund { verdict: Verdict::Unknown(_), .. }));
        assert!(matches!(read_timeout(b""), Ok(Heard::Nothing(_))));
    }

    #[test]
    fn an_order_is_taken_by_its_number() {
        let taken = r#"{"OriginatorConversationID":"71840-27539181-07","ConversationID":"AG_1","ResponseCode":"0","ResponseDescription":"Accept the service request successfully."}"#;
        assert_eq!(ordered(&answer(200, taken)), RefundAnswer::Ordered { order: ORDER.to_owned() });
        for strange in ["", "<html>", r#"{"ResponseCode":"0"}"#, r#"{"ResponseCode":"9"}"#] {
            assert!(
                matches!(ordered(&answer(200, strange)), RefundAnswer::Unknown(_)),
                "{strange}"
            );
        }
        let spike = r#"{"errorCode":"500.003.02","errorMessage":"Spike Arrest"}"#;
        assert!(matches!(ordered(&answer(500, spike)), RefundAnswer::NotSent { .. }));
    }

    #[test]
    fn an_order_is_written_as_documented() {
        let daraja = daraja(json!({
            "initiator": "api", "initiator_password": "Safaricom999!*!",
            "initiator_password_set_on": "2026-01-01",
            "certificate": crate::payments::credential::tests::CERTIFICATE,
        }));
        let refund = Refund {
            receipt: "NLJ7RT61SV".to_owned(),
            amount: Money::new(5_000, Currency::KES),
            phone: None,
            reference: "R1".to_owned(),
            callback: "https://wifi.example/cb/result/1".to_owned(),
            timeout: "https://wifi.example/cb/timeout/1".to_owned(),
        };
        let mut body = daraja.reversal_body(&refund).unwrap();
        let credential = body["SecurityCredential"].take();
        assert_eq!(credential.as_str().unwrap().len(), 344);
        assert_eq!(
            body,
            json!({
                "Initiator": "api", "SecurityCredential": null,
                "CommandID": "TransactionReversal", "TransactionID": "NLJ7RT61SV",
                "Amount": "50", "ReceiverParty": "600000", "RecieverIdentifierType": "11",
                "ResultURL": "https://wifi.example/cb/result/1",
                "QueueTimeOutURL": "https://wifi.example/cb/timeout/1",
                "Remarks": "R1", "Occasion": "R1",
            })
        );
    }
}
