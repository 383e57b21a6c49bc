//! Who somebody means: a user name, a phone number, a voucher code, a MAC or an IP address.

use crate::app::App;
use crate::operations::issue_vouchers::read_code;
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_store::grants::StoredGrant;
use lango_store::{Error, Tx};
use std::net::Ipv4Addr;

/// Finds the grants that `who` may mean, in the first way of reading it that finds any.
///
/// # Errors
/// A fault of the store. Nobody found is an empty list.
pub async fn find_grants(
    app: &App,
    tenant: TenantId,
    home: Country,
    who: &str,
) -> Result<Vec<StoredGrant>, Error> {
    let (desk, who) = (app.clone(), who.trim().to_owned());
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            if let Ok(id) = who.parse::<GrantId>() {
                let found = lango_store::grants::find(tx, id).await?;
                return Ok(found
                    .into_iter()
                    .filter(|found| found.grant.tenant == tenant)
                    .collect());
            }
            let found = by_login(tx, &desk, tenant, &who).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            let found = by_phone(tx, tenant, home, &who).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            let found = by_mac(tx, tenant, &who).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            by_address(tx, tenant, &who).await
        })
        .await
}

async fn by_login(
    tx: &mut Tx<'_>,
    app: &App,
    tenant: TenantId,
    who: &str,
) -> Result<Vec<StoredGrant>, Error> {
    let mut found = Vec::new();
    let code = read_code(who).unwrap_or_default();
    for (purpose, login) in
        [("hotspot", who), ("ppp", who), ("address", who), ("hotspot", code.as_str())]
    {
        let hash = app.hash_login(purpose, login);
        let stored = lango_store::grants::by_login(tx, tenant, &hash).await?;
        found.extend(stored.filter(|new| !found.contains(new)));
    }
    Ok(found)
}

async fn by_phone(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    home: Country,
    who: &str,
) -> Result<Vec<StoredGrant>, Error> {
    let Ok(phone) = PhoneNumber::parse(who, home) else { return Ok(Vec::new()) };
    match lango_store::customers::by_phone(tx, tenant, &phone).await? {
        Some(customer) => lango_store::grants::of_customer(tx, tenant, customer.id).await,
        None => Ok(Vec::new()),
    }
}

async fn by_mac(tx: &mut Tx<'_>, tenant: TenantId, who: &str) -> Result<Vec<StoredGrant>, Error> {
    let Ok(mac) = who.parse::<MacAddress>() else { return Ok(Vec::new()) };
    match lango_store::sessions::grant_of_device(tx, tenant, mac).await? {
        Some(grant) => Ok(lango_store::grants::find(tx, grant).await?.into_iter().collect()),
        None => Ok(Vec::new()),
    }
}

/// Who has that address now, as far as routers told.
async fn by_address(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    who: &str,
) -> Result<Vec<StoredGrant>, Error> {
    let Ok(address) = who.parse::<Ipv4Addr>().map(|address| address.to_string()) else {
        return Ok(Vec::new());
    };
    let mut grants = Vec::new();
    for router in lango_store::routers::ids_of_tenant(tx, tenant).await? {
        let sessions = lango_store::sessions::open_on(tx, router).await?;
        let there =
            sessions.into_iter().filter(|session| session.address.as_ref() == Some(&address));
        grants.extend(there.map(|session| session.grant));
    }
    grants.sort();
    grants.dedup();
    let mut found = Vec::new();
    for grant in grants {
        found.extend(lango_store::grants::find(tx, grant).await?);
    }
    Ok(found)
}
