//! What Daraja tells of a push. Items are read by name: documents, samples and what arrives
//! disagree about their order and number.

use super::super::{About, CallbackError, Heard, wire};
use super::{NAME, codes};
use lango_domain::money::Currency;
use lango_domain::payment::{Proof, Verdict};
use serde_json::Value;

pub(super) fn read(body: &[u8], currency: Currency) -> Result<Heard, CallbackError> {
    let body = wire::object(body, NAME)?;
    let missing =
        |what: &str| CallbackError::Unreadable { provider: NAME, why: format!("it has no {what}") };
    let said = body.pointer("/Body/stkCallback").ok_or_else(|| missing("stkCallback"))?;
    let id = wire::text(said, "CheckoutRequestID").ok_or_else(|| missing("CheckoutRequestID"))?;
    let code = wire::text(said, "ResultCode").ok_or_else(|| missing("ResultCode"))?;
    let sentence = wire::text(said, "ResultDesc").unwrap_or_default();
    let verdict = match codes::result(&code, &sentence) {
        codes::Result::Paid => paid(said, currency),
        codes::Result::Said(verdict) => verdict,
    };
    Ok(Heard::Charge { about: About::ProviderId(id), verdict })
}

/// Paid without a receipt is a word without proof: it is asked about.
fn paid(said: &Value, currency: Currency) -> Verdict {
    let receipt = item(said, "MpesaReceiptNumber").and_then(wire::as_text);
    let Some(receipt) = receipt else {
        return Verdict::Unknown("it says paid and names no receipt".to_owned());
    };
    let date = item(said, "TransactionDate").and_then(wire::as_text);
    Verdict::Paid(Proof {
        receipt,
        amount: item(said, "Amount").and_then(|value| wire::amount(value, currency)),
        payer: item(said, "PhoneNumber").and_then(wire::as_text),
        paid_at: date.and_then(|digits| wire::east_african(&digits)),
    })
}

/// `Balance` comes without a value.
fn item<'a>(said: &'a Value, name: &str) -> Option<&'a Value> {
    let items = said.pointer("/CallbackMetadata/Item")?.as_array()?;
    let mut named =
        items.iter().filter(|item| item.get("Name").and_then(Value::as_str) == Some(name));
    named.find_map(|item| item.get("Value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::money::Money;
    use lango_domain::payment::FailureReason;

    const PAID: &str = r#"{"Body":{"stkCallback":{"MerchantRequestID":"29115-34620561-1","CheckoutRequestID":"ws_CO_191220191020363925","ResultCode":0,"ResultDesc":"The service request is processed successfully.","CallbackMetadata":{"Item":[{"Name":"Amount","Value":1.00},{"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"},{"Name":"Balance"},{"Name":"TransactionDate","Value":20191219102115},{"Name":"PhoneNumber","Value":254708374149}]}}}}"#;

    fn verdict(body: &str) -> Verdict {
        match read(body.as_bytes(), Currency::KES) {
            Ok(Heard::Charge { about, verdict }) => {
                assert_eq!(about, About::ProviderId("ws_CO_191220191020363925".to_owned()));
                verdict
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn money_is_read_in_either_type_and_any_order() {
        let other_types = PAID
            .replace("1.00", "\"1.00\"")
            .replace("20191219102115", "\"20191219102115\"")
            .replace("254708374149", "\"254708374149\"")
            .replace("\"ResultCode\":0", "\"ResultCode\":\"0\"");
        let mut reordered: Value = serde_json::from_str(PAID).unwrap();
        let items = reordered.pointer_mut("/Body/stkCallback/CallbackMetadata/Item").unwrap();
        items.as_array_mut().unwrap().reverse();
        items.as_array_mut().unwrap().remove(2);
        for body in [PAID, &other_types, &reordered.to_string(), &PAID.replace("1.00", "1")] {
            let Verdict::Paid(proof) = verdict(body) else { panic!("{body}") };
            assert_eq!(proof.receipt, "NLJ7RT61SV");
            assert_eq!(proof.amount, Some(Money::new(100, Currency::KES)));
            assert_eq!(proof.payer.as_deref(), Some("254708374149"));
            assert_eq!(proof.paid_at.unwrap().to_string(), "2019-12-19T07:21:15Z");
        }
    }

    #[test]
    fn a_failure_has_no_metadata_and_an_unknown_code_is_none() {
        let failed = r#"{"Body":{"stkCallback":{"MerchantRequestID":"1","CheckoutRequestID":"ws_CO_191220191020363925","ResultCode":1032,"ResultDesc":"Request Cancelled by user."}}}"#;
        let Verdict::Failed(failure) = verdict(failed) else { panic!() };
        assert_eq!(failure.why, FailureReason::Cancelled);
        assert!(matches!(verdict(&failed.replace("1032", "31337")), Verdict::Unknown(_)));
        assert!(matches!(verdict(&failed.replace("1032", "0")), Verdict::Unknown(_)));
        let sfc = failed.replace("1032", "\"SFC_IC0003\"");
        assert!(matches!(verdict(&sfc), Verdict::Failed(f) if f.why == FailureReason::Setup));
    }

    #[test]
    fn what_is_no_callback_is_refused() {
        for body in
            ["", "null", "[]", "{}", "<html>", r#"{"Body":7}"#, r#"{"Body":{"stkCallback":{}}}"#]
        {
            assert!(read(body.as_bytes(), Currency::KES).is_err(), "{body}");
        }
    }
}
