//! Automatic renewals: which grants renew themselves from a wallet, and when each is looked at next.
//! When there is anything to do about one is decided by the operations.

use crate::{Error, Sql, Topic, Tx, args, bulk, sql};
use lango_domain::ids::{CustomerId, GrantId, TenantId};
use lango_domain::time::Timestamp;

const SWITCH_ON: Sql = sql!(
    "INSERT INTO auto_renewals (grant_id, tenant_id, since, look_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (grant_id) DO UPDATE SET look_at = excluded.look_at"
);
const SWITCH_OFF: Sql = sql!("DELETE FROM auto_renewals WHERE grant_id = $1");
const SINCE: Sql = sql!("SELECT since FROM auto_renewals WHERE grant_id = $1");
const DUE: Sql = sql!(
    "SELECT grant_id FROM auto_renewals WHERE look_at <= $1 ORDER BY look_at, grant_id LIMIT $2"
);
const NEXT: Sql = sql!("SELECT look_at FROM auto_renewals ORDER BY look_at LIMIT 1");
const PUT_OFF: Sql = sql!("UPDATE auto_renewals SET look_at = $1 WHERE grant_id = $2");
const OF_CUSTOMER: Sql = sql!(
    "UPDATE auto_renewals SET look_at = $1 WHERE look_at > $1 AND grant_id IN \
     (SELECT id FROM grants WHERE tenant_id = $2 AND customer_id = $3)"
);
const LOOK_AGAIN: crate::Bulk = bulk!(
    sqlite: "UPDATE auto_renewals SET look_at = $1 WHERE grant_id = $2",
    postgres: "UPDATE auto_renewals SET look_at = n.at FROM UNNEST($1::bigint[], $2::bigint[]) \
               AS n (at, id) WHERE grant_id = n.id",
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] =
    &[SWITCH_ON, SWITCH_OFF, SINCE, DUE, NEXT, PUT_OFF, OF_CUSTOMER];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[LOOK_AGAIN];

/// Has a grant renew itself from now on.
pub async fn switch_on(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    grant: GrantId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(SWITCH_ON, &args![grant, tenant, now, now]).await?;
    tx.wake(Topic::Money);
    Ok(())
}

/// Has it do so no more.
pub async fn switch_off(tx: &mut Tx<'_>, grant: GrantId) -> Result<(), Error> {
    tx.execute(SWITCH_OFF, &args![grant]).await.map(drop)
}

/// Since when a grant renews itself; none if it does not.
pub async fn since(tx: &mut Tx<'_>, grant: GrantId) -> Result<Option<Timestamp>, Error> {
    tx.optional(SINCE, &args![grant]).await
}

/// Those that are to be looked at now.
pub async fn due(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<GrantId>, Error> {
    tx.all(DUE, &args![now, limit]).await
}

/// When one is to be looked at next.
pub async fn next(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.optional(NEXT, &[]).await
}

/// Says when one is looked at next.
pub async fn put_off(tx: &mut Tx<'_>, grant: GrantId, until: Timestamp) -> Result<(), Error> {
    tx.execute(PUT_OFF, &args![until, grant]).await.map(drop)
}

/// Has all of a customer's looked at now: there is money in his wallet.
pub async fn look_again_of(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    customer: CustomerId,
    now: Timestamp,
) -> Result<(), Error> {
    if tx.execute(OF_CUSTOMER, &args![now, tenant, customer]).await? > 0 {
        tx.wake(Topic::Money);
    }
    Ok(())
}

/// Has those looked at now that renew themselves: they have just ended.
pub async fn look_again(tx: &mut Tx<'_>, grants: &[GrantId], now: Timestamp) -> Result<(), Error> {
    let looks: Vec<_> = grants.iter().map(|grant| (now, *grant)).collect();
    if tx.bulk(LOOK_AGAIN, &looks).await? > 0 {
        tx.wake(Topic::Money);
    }
    Ok(())
}
