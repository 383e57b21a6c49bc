//! C2B: somebody types our number into his phone. The payer's own number comes as a hash (v1) or
//! masked (v2), so that he is known by the account that he typed.

use super::super::asking;
use super::super::{CallbackError, MoneyIn, ProviderError, Registered, Registration, Urls, wire};
use super::{Daraja, NAME, minds, refusal};
use crate::outbound::Answer;
use crate::payments::settings::{C2bVersion, Unanswered};
use lango_domain::money::Currency;
use lango_domain::time::Timestamp;
use serde_json::{Value, json};

impl Daraja {
    /// Tells Safaricom our addresses. In production it listens once.
    ///
    /// # Errors
    /// It refuses, or says nothing.
    pub(crate) async fn register(
        &self,
        urls: &Urls,
        now: Timestamp,
    ) -> Result<Registration, ProviderError> {
        for url in [&urls.validate, &urls.confirm] {
            if let Some(why) = minds(url) {
                let (code, sentence) = (url.clone(), why);
                return Err(ProviderError::Refused { provider: NAME, code, sentence });
            }
        }
        let confirmations = self.register_confirmations(urls, now).await?;
        let list = self.register_list(urls, now).await?;
        Ok(Registration { confirmations, list })
    }

    async fn register_confirmations(
        &self,
        urls: &Urls,
        now: Timestamp,
    ) -> Result<Registered, ProviderError> {
        let path = match self.settings.c2b_version {
            C2bVersion::V1 => "/mpesa/c2b/v1/registerurl",
            C2bVersion::V2 => "/mpesa/c2b/v2/registerurl",
        };
        let unanswered = match self.settings.unanswered {
            Unanswered::Completed => "Completed",
            Unanswered::Cancelled => "Cancelled",
        };
        let body = json!({
            "ShortCode": self.settings.c2b_number(),
            "ResponseType": unanswered,
            "ConfirmationURL": urls.confirm,
            "ValidationURL": urls.validate,
        });
        let answer = self.post(path, &body, now).await.map_err(|unasked| unasked.error(NAME))?;
        if is_registered_before(&answer) {
            return Ok(Registered::Before);
        }
        let code = answer.json().and_then(|body| wire::text(&body, "ResponseCode"));
        // Safaricom's own sample answers "00000000", others "0".
        match code {
            Some(code) if code.bytes().all(|byte| byte == b'0') => Ok(Registered::Now),
            _ => Err(asking::refused(self, &answer)),
        }
    }

    async fn register_list(
        &self,
        urls: &Urls,
        now: Timestamp,
    ) -> Result<Registered, ProviderError> {
        let Some(number) = &self.settings.pull_number else { return Ok(Registered::NotWanted) };
        let body = json!({
            "ShortCode": self.settings.c2b_number(),
            "RequestType": "Pull",
            "NominatedNumber": number,
            "CallBackURL": urls.confirm,
        });
        let answer = self
            .post("/pulltransactions/v1/register", &body, now)
            .await
            .map_err(|unasked| unasked.error(NAME))?;
        let said = answer.json().unwrap_or_default();
        let status = ["ResponseStatus", "Response Status", "ResponseCode"];
        match status.into_iter().find_map(|name| wire::text(&said, name)).as_deref() {
            Some("1000") => Ok(Registered::Now),
            Some("1001") => Ok(Registered::Before),
            _ => Err(asking::refused(self, &answer)),
        }
    }
}

/// One code for this and for every fault inside; the sentence tells them apart.
fn is_registered_before(answer: &Answer) -> bool {
    let said = answer.json().as_ref().and_then(refusal);
    said.is_some_and(|(code, sentence)| {
        code == "500.003.1001" && sentence.to_lowercase().contains("already registered")
    })
}

/// Reads what both addresses get.
pub(super) fn read(body: &[u8], currency: Currency) -> Result<MoneyIn, CallbackError> {
    let body = wire::object(body, NAME)?;
    let missing =
        |what: &str| CallbackError::Unreadable { provider: NAME, why: format!("it has no {what}") };
    let amount = body.get("TransAmount").and_then(|value| wire::amount(value, currency));
    let time = wire::text(&body, "TransTime");
    Ok(MoneyIn {
        receipt: wire::text(&body, "TransID").ok_or_else(|| missing("TransID"))?,
        amount: amount.ok_or_else(|| missing("TransAmount"))?,
        account: wire::text(&body, "BillRefNumber").unwrap_or_default(),
        payer: wire::text(&body, "MSISDN"),
        name: name(&body),
        paid_at: time.and_then(|digits| wire::east_african(&digits)),
    })
}

fn name(body: &Value) -> Option<String> {
    let parts = ["FirstName", "MiddleName", "LastName"];
    let names: Vec<String> = parts.into_iter().filter_map(|part| wire::text(body, part)).collect();
    Some(names.join(" ")).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::answer;
    use super::*;
    use lango_domain::money::Money;

    const V2: &str = r#"{"TransactionType":"Pay Bill","TransID":"RKL51ZDR4F","TransTime":"20231121121325","TransAmount":"5.00","BusinessShortCode":"600966","BillRefNumber":"ACC1","InvoiceNumber":"","OrgAccountBalance":"25.00","ThirdPartyTransID":"","MSISDN":"2547 ***** 126","FirstName":"NICHOLAS","MiddleName":"","LastName":""}"#;

    #[test]
    fn both_versions_are_read() {
        let money = read(V2.as_bytes(), Currency::KES).unwrap();
        assert_eq!(
            money,
            MoneyIn {
                receipt: "RKL51ZDR4F".to_owned(),
                amount: Money::new(500, Currency::KES),
                account: "ACC1".to_owned(),
                payer: Some("2547 ***** 126".to_owned()),
                name: Some("NICHOLAS".to_owned()),
                paid_at: wire::east_african("20231121121325"),
            }
        );
        let hash = "1f2e9e4dc5c9d2b1f2d0b8b5b8d2e7c3a4f5061728394a5b6c7d8e9fa0b1c2d3";
        let v1 = V2.replace("2547 ***** 126", hash).replace("\"5.00\"", "5");
        let money = read(v1.as_bytes(), Currency::KES).unwrap();
        assert_eq!(money.payer.as_deref(), Some(hash));
        assert_eq!(money.amount, Money::new(500, Currency::KES));
    }

    #[test]
    fn what_was_typed_is_told_as_it_was_typed() {
        let typed = V2.replace("\"ACC1\"", "\"acc 1-b\"").replace("20231121121325", "yesterday");
        let money = read(typed.as_bytes(), Currency::KES).unwrap();
        assert_eq!((money.account.as_str(), money.paid_at), ("acc 1-b", None));
        assert_eq!(read(V2.replace("ACC1", "").as_bytes(), Currency::KES).unwrap().account, "");
    }

    #[test]
    fn money_without_receipt_or_amount_is_refused() {
        for body in [V2.replace("TransID", "X"), V2.replace("5.00", "five"), String::new()] {
            assert!(read(body.as_bytes(), Currency::KES).is_err(), "{body}");
        }
    }

    #[test]
    fn addresses_that_are_known_already_are_no_fault() {
        let before = r#"{"requestId":"1","errorCode":"500.003.1001","errorMessage":"URLs are already registered"}"#;
        assert!(is_registered_before(&answer(500, before)));
        assert!(!is_registered_before(&answer(500, &before.replace("already", "not"))));
        assert!(!is_registered_before(&answer(500, "<html>")));
    }
}
