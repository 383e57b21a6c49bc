//! What a command works at: the application, and whose business is meant.

use super::Everywhere;
use super::customer::every_customer;
use super::output::shown;
use crate::app::App;
use crate::clock::Clock;
use crate::config::open::{Want, open};
use crate::config::{Config, environment};
use crate::operations::find_customer::find_grants;
use anyhow::{anyhow, bail};
use lango_domain::ids::TenantId;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;
use lango_store::Tx;
use lango_store::customers::Customer;
use lango_store::grants::StoredGrant;
use lango_store::plans::StoredPlan;
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
        typed: &str,
    ) -> anyhow::Result<Router> {
        let all = async |tx: &mut Tx<'_>| lango_store::routers::all(tx).await;
        let mut routers = self.app.store().read(all).await?;
        routers.retain(|router| tenant.is_none_or(|tenant| tenant == router.tenant));
        let found = meant(routers, typed, |router| (router.id.to_string(), router.name.clone()));
        let missing = || format!("there is no router `{}`: see `lango router list`", shown(typed));
        the_one(found, typed, missing, |router| format!("{}  {}", router.id, router.name))
    }

    /// A plan by its name or id, on sale or not.
    pub(super) async fn plan(&self, tenant: &Tenant, typed: &str) -> anyhow::Result<StoredPlan> {
        let id = tenant.id;
        let all = async move |tx: &mut Tx<'_>| lango_store::plans::of_tenant(tx, id).await;
        let plans = self.app.store().read(all).await?;
        let found = meant(plans, typed, |one| (one.plan.id.to_string(), one.plan.name.clone()));
        let missing = || format!("there is no plan `{}`: see `lango plan list`", shown(typed));
        the_one(found, typed, missing, |one| format!("{}  {}", one.plan.id, one.plan.name))
    }

    /// A customer by his phone number, name or id.
    pub(super) async fn customer(&self, tenant: &Tenant, typed: &str) -> anyhow::Result<Customer> {
        let (id, phone) = (tenant.id, PhoneNumber::parse(typed, tenant.country));
        if let Ok(number) = phone.clone() {
            let by_phone = async move |tx: &mut Tx<'_>| {
                lango_store::customers::by_phone(tx, id, &number).await
            };
            if let Some(found) = self.app.store().read(by_phone).await? {
                return Ok(found);
            }
        }
        let all = every_customer(self, id).await?;
        let found = meant(all, typed, |one| (one.id.to_string(), one.name.clone()));
        let missing = || match &phone {
            Ok(phone) => format!(
                "no customer has {phone}: `lango customer add NAME --phone {phone}` adds one"
            ),
            Err(_) => format!(
                "no customer has the number or name `{}`: see `lango customer list`",
                shown(typed)
            ),
        };
        the_one(found, typed, missing, |one| {
            let phone = one.phone.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{}  {}  {phone}", one.id, one.name)
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

/// Those that somebody means by an id or a name. The id goes before the name, and the very name
/// before one in another case.
pub(super) fn meant<T>(
    all: Vec<T>,
    typed: &str,
    called: impl Fn(&T) -> (String, String),
) -> Vec<T> {
    let typed = typed.trim();
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    for one in all {
        let (id, name) = called(&one);
        let way = match () {
            () if id.eq_ignore_ascii_case(typed) => 0,
            () if name == typed => 1,
            () if name.to_lowercase() == typed.to_lowercase() => 2,
            () => continue,
        };
        found[way].push(one);
    }
    found.into_iter().find(|way| !way.is_empty()).unwrap_or_default()
}

/// The only one that was found; of several none is taken.
pub(super) fn the_one<T>(
    mut found: Vec<T>,
    typed: &str,
    missing: impl FnOnce() -> String,
    choice: impl Fn(&T) -> String,
) -> anyhow::Result<T> {
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(anyhow!(missing())),
        (Some(last), false) => {
            found.push(last);
            let choices = found.iter().map(|one| format!("\n  {}", shown(&choice(one))));
            bail!(
                "`{}` can mean {} things, say which by its id:{}",
                shown(typed),
                found.len(),
                choices.collect::<String>()
            )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(typed: &str) -> Vec<(&'static str, &'static str)> {
        let all = vec![("r1", "Hill"), ("r2", "hill"), ("r3", "Lake"), ("r4", "r3")];
        meant(all, typed, |(id, name)| ((*id).to_owned(), (*name).to_owned()))
    }

    #[test]
    fn an_id_goes_before_a_name_and_the_very_name_before_one_like_it() {
        assert_eq!(named("r3"), [("r3", "Lake")]);
        assert_eq!(named("hill"), [("r2", "hill")]);
        assert_eq!(named(" LAKE "), [("r3", "Lake")]);
        assert_eq!(named("HILL").len(), 2);
        assert!(named("Sea").is_empty());
    }

    #[test]
    fn of_several_none_is_taken() {
        let id = |(id, _): &(&str, &str)| (*id).to_owned();
        let say = |found| the_one(found, "HILL", || "none".to_owned(), id);
        let asked = say(named("HILL")).unwrap_err().to_string();
        assert_eq!(asked, "`HILL` can mean 2 things, say which by its id:\n  r1\n  r2");
        assert_eq!(say(named("Sea")).unwrap_err().to_string(), "none");
    }
}
