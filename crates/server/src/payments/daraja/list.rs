//! Pull Transactions: the money that reached the shortcode in the last 48 hours, for whoever missed
//! being told.

use super::super::asking;
use super::super::{MoneyIn, ProviderError, wire};
use super::{Daraja, NAME};
use lango_domain::money::Currency;
use lango_domain::time::{Span, Timestamp};
use serde_json::{Value, json};

/// It remembers no longer.
const REACH: Span = Span::hours(48);
/// More pages are not asked for: nobody sells so much in two days.
const MOST_PAGES: usize = 200;
const FORM: &str = "%Y-%m-%d %H:%M:%S";

impl Daraja {
    /// The money that came between two instants, as far as it is remembered. Pushes are among it.
    ///
    /// # Errors
    /// Our settings do not ask for it, it refuses or says nothing. Half a list is an error too.
    pub(crate) async fn list_money(
        &self,
        since: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<MoneyIn>, ProviderError> {
        if self.settings.pull_number.is_none() {
            return Err(ProviderError::NotOffered("M-Pesa without Pull Transactions"));
        }
        let since = since.max(now - REACH);
        let (mut money, mut offset) = (Vec::new(), 0);
        for _ in 0..MOST_PAGES {
            let page = self.page(since, until, offset, now).await?;
            if page.is_empty() {
                return Ok(money);
            }
            offset += page.len();
            money.extend(page.iter().filter_map(|row| read(row, self.till.currency)));
        }
        Err(ProviderError::NoAnswer { provider: NAME, why: "its list has no end".to_owned() })
    }

    async fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        offset: usize,
        now: Timestamp,
    ) -> Result<Vec<Value>, ProviderError> {
        let body = json!({
            "ShortCode": self.settings.c2b_number(),
            "StartDate": wire::written_in_east_africa(since, FORM),
            "EndDate": wire::written_in_east_africa(until, FORM),
            "OffSetValue": offset.to_string(),
        });
        // The documents say GET and show a body; everybody posts.
        let answer = self
            .post("/pulltransactions/v1/query", &body, now)
            .await
            .map_err(|unasked| unasked.error(NAME))?;
        let body = answer.json().unwrap_or_default();
        match wire::text(&body, "ResponseCode").as_deref() {
            Some("1000") => Ok(rows(&body)),
            Some("1001") => Ok(Vec::new()),
            _ => Err(asking::refused(self, &answer)),
        }
    }
}

/// A list of lists in samples; flat elsewhere.
fn rows(body: &Value) -> Vec<Value> {
    let all = body.get("Response").and_then(Value::as_array).into_iter().flatten();
    all.flat_map(|one| match one {
        Value::Array(rows) => rows.clone(),
        row => vec![row.clone()],
    })
    .collect()
}

/// A row that is not money that came is passed over, but not silently.
fn read(row: &Value, currency: Currency) -> Option<MoneyIn> {
    let amount = row.get("amount").and_then(|value| wire::amount(value, currency));
    let (Some(receipt), Some(amount)) = (wire::text(row, "transactionId"), amount) else {
        tracing::warn!(row = %row, "a row of M-Pesa's list has no receipt or no amount");
        return None;
    };
    Some(MoneyIn {
        receipt,
        amount,
        account: wire::text(row, "billreference").unwrap_or_default(),
        payer: wire::text(row, "msisdn"),
        name: None,
        paid_at: wire::text(row, "trxDate").and_then(|date| wire::instant(&date)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::money::Money;

    #[test]
    fn rows_are_read_nested_and_flat() {
        let row = json!({
            "transactionId": "NLJ7RT61SV", "trxDate": "2020-08-05T10:13:00Z",
            "msisdn": 254_722_000_000_i64, "sender": "MPESA",
            "transactiontype": "c2b-pay-bill-debit", "billreference": "37207636392",
            "amount": "168.00", "organizationname": "Daraja Pull API Test",
        });
        for body in [json!({ "Response": [[row]] }), json!({ "Response": [row] })] {
            let rows = rows(&body);
            let money = read(&rows[0], Currency::KES).unwrap();
            assert_eq!(money.receipt, "NLJ7RT61SV");
            assert_eq!(money.amount, Money::new(16_800, Currency::KES));
            assert_eq!(money.payer.as_deref(), Some("254722000000"));
            assert_eq!(money.paid_at.unwrap().to_string(), "2020-08-05T10:13:00Z");
        }
        assert_eq!(rows(&json!({ "Response": [] })), Vec::<Value>::new());
        assert_eq!(read(&json!({ "amount": "1" }), Currency::KES), None);
    }
}
