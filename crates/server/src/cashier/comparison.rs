//! A provider's list of money against ours: what it has and we have not is money that came and was
//! never told.

use crate::app::App;
use crate::operations::confirm_payment::{Came, take_money};
use crate::operations::gateways::{COMPARED_EVERY, provider_of};
use lango_domain::time::{Span, Timestamp};
use lango_store::gateways::Gateway;
use lango_store::{Error, Tx};

/// How far a provider remembers (Daraja, Pull Transactions: 48 hours).
const REMEMBERED: Span = Span::hours(47);
/// Lists lag behind: what is younger is looked at the next time, too.
const LAG: Span = Span::minutes(15);

/// Compares the money of a gateway since the last time.
pub(super) async fn compare(app: &App, gateway: Gateway) -> Result<(), Error> {
    let now = app.clock().now();
    let earliest = now - REMEMBERED;
    let since = gateway.compared_until.map_or(earliest, |until| until.max(earliest));
    match provider_of(app, &gateway)?.list_money(since, now, now).await {
        Ok(all) => {
            let mut missed = 0;
            for money in all {
                missed += i64::from(take_money(app, &gateway, money, now).await? != Came::Known);
            }
            if missed > 0 {
                tracing::warn!(gateway.id = %gateway.id, missed, "money came that was never told");
            }
            note(app, &gateway, Some(now - LAG), None, now).await
        }
        Err(error) => note(app, &gateway, None, Some(error.to_string()), now).await,
    }
}

async fn note(
    app: &App,
    gateway: &Gateway,
    until: Option<Timestamp>,
    error: Option<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let id = gateway.id;
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::gateways::compared(tx, id, until, now + COMPARED_EVERY).await?;
            match &error {
                Some(error) => lango_store::gateways::note_error(tx, id, error, now).await,
                None => Ok(()),
            }
        })
        .await
}
