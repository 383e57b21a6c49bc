//! What a command works at: the application, and whose business is meant.

use super::Everywhere;
use super::output::shown;
use crate::app::App;
use crate::clock::Clock;
use crate::config::open::{Want, open};
use crate::config::{Config, environment};
use crate::operations::find_customer::find_grants;
use crate::reconcile::pass::find_router;
use anyhow::{anyhow, bail};
use lango_domain::ids::TenantId;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;
use lango_store::Tx;
use lango_store::customers::Customer;
use lango_store::grants::StoredGrant;
use lango_store::routers::Router;
use lango_store::tenants::Tenant;

/// The application and what was typed with every command.
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) app: App,
    asked_for: Option<String>,
}

impl Desk {
    /// Opens the application on the database that is there.
    pub(super) async fn open(everywhere: &Everywhere) -> anyhow::Result<Desk> {
        let config = Config::load(&everywhere.flags(), &environment)?;
        Desk::with(config, everywhere, Want::Existing).await
    }

    /// Opens the application with settings that were loaded before.
    pub(super) async fn with(
        config: Config,
        everywhere: &Everywhere,
        want: Want,
    ) -> anyhow::Result<Desk> {
        let app = open(&config, Clock::system(), want).await?;
        let asked_for = everywhere.tenant.clone().or_else(|| environment("LANGO_TENANT"));
        Ok(Desk { config, app, asked_for })
    }

    /// What time it is.
    pub(super) fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    /// All businesses, oldest first.
    pub(super) async fn every_tenant(&self) -> anyhow::Result<Vec<Tenant>> {
        let all = async |tx: &mut Tx<'_>| lango_store::tenants::all(tx).await;
        Ok(self.app.store().read(all).await?)
    }

    /// The one business that is meant.
    pub(super) async fn tenant(&self) -> anyhow::Result<Tenant> {
        let mut chosen = self.tenants().await?;
        match (chosen.pop(), chosen.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => bail!("there is no business yet: run `lango init`"),
            (Some(_), false) => {
                let names = names(&self.every_tenant().await?);
                bail!("there are several businesses: say which with --tenant: {names}")
            }
        }
    }

    /// The businesses that are meant: the one asked for, or all.
    pub(super) async fn tenants(&self) -> anyhow::Result<Vec<Tenant>> {
        let all = self.every_tenant().await?;
        let Some(name) = &self.asked_for else { return Ok(all) };
        let meant = |tenant: &&Tenant| is_name(tenant, name) || tenant.id.to_string() == *name;
        match all.iter().find(meant) {
            Some(tenant) => Ok(vec![tenant.clone()]),
            None if all.is_empty() => bail!("there is no business yet: run `lango init`"),
            None => bail!("there is no business `{name}`: there are {}", names(&all)),
        }
    }

    /// The business asked for, if one was: passes go over all of them otherwise.
    pub(super) async fn only_tenant(&self) -> anyhow::Result<Option<TenantId>> {
        match self.asked_for {
            Some(_) => Ok(Some(self.tenant().await?.id)),
            None => Ok(None),
        }
    }

    /// A router by its name or id.
    pub(super) async fn router(
        &self,
        tenant: Option<TenantId>,
        name: &str,
    ) -> anyhow::Result<Router> {
        let found = find_router(&self.app, tenant, name).await?;
        found.ok_or_else(|| anyhow!("there is no router `{name}`: see `lango router list`"))
    }

    /// A customer by his phone number.
    pub(super) async fn customer(&self, tenant: &Tenant, typed: &str) -> anyhow::Result<Customer> {
        let (id, phone) = (tenant.id, PhoneNumber::parse(typed, tenant.country)?);
        let number = phone.clone();
        let found = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                lango_store::customers::by_phone(tx, id, &number).await
            })
            .await?;
        found.ok_or_else(|| {
            anyhow!("no customer has {phone}: `lango customer add NAME --phone {phone}` adds one")
        })
    }

    /// The one grant that somebody means. Those that are over give way to those that are not; of
    /// several that are left none is taken.
    pub(super) async fn grant(&self, tenant: &Tenant, who: &str) -> anyhow::Result<StoredGrant> {
        let mut found = find_grants(&self.app, tenant.id, tenant.country, who).await?;
        if found.iter().any(|one| !one.grant.state.is_ended()) {
            found.retain(|one| !one.grant.state.is_ended());
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => bail!(
                "nobody is known as `{}`: give a user name, phone number, voucher code, MAC, IP \
                 or the id from `lango service list`",
                shown(who)
            ),
            several => bail!(
                "`{}` can mean {} things, say which by its id:{}",
                shown(who),
                several.len(),
                several.iter().map(choice).collect::<String>()
            ),
        }
    }
}

/// Whether that is the business's name, in whatever case.
pub(super) fn is_name(tenant: &Tenant, name: &str) -> bool {
    tenant.name.to_lowercase() == name.trim().to_lowercase()
}

fn names(tenants: &[Tenant]) -> String {
    tenants.iter().map(|tenant| shown(&tenant.name)).collect::<Vec<_>>().join(", ")
}

fn choice(stored: &StoredGrant) -> String {
    let (id, kind, state) =
        (stored.grant.id, kind_in_words(stored.grant.kind), stored.grant.state.word());
    format!("\n  {id}  {kind} {} ({state})", shown(&stored.label))
}

/// What staff call it.
pub(super) const fn kind_in_words(kind: lango_domain::access::GrantKind) -> &'static str {
    use lango_domain::access::GrantKind;
    match kind {
        GrantKind::Voucher => "voucher",
        GrantKind::HotspotAccount => "hotspot",
        GrantKind::Pppoe => "PPPoE",
        GrantKind::StaticIp => "static IP",
    }
}
