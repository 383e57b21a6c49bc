//! Businesses: one's own, and for the platform all of them.

use crate::operations::asked::Lost;
use crate::operations::change_tenant::{ChangeTenantError, TenantChange, change_tenant};
use crate::operations::found_tenant::{Founding, FoundingError, found_tenant};
use crate::web::api::caller::Above;
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Nothing, Reply, Shown, Sign};
use crate::web::api::list::Page;
use crate::web::api::problem::Problem;
use crate::web::api::words::{Field, Line, Whole};
use lango_domain::calendar::Zone;
use lango_domain::ids::TenantId;
use lango_domain::language::Language;
use lango_domain::money::Currency;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::role::Permission;
use lango_domain::time::{Span, Timestamp};
use lango_store::{Tx, tenants};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A business.
#[derive(Serialize, JsonSchema, Debug)]
struct Tenant {
    id: TenantId,
    name: String,
    country: Country,
    zone: Zone,
    language: Language,
    currency: Currency,
    /// After how many days unused a device is forgotten
    device_retention_days: i64,
    created_at: Timestamp,
    version: i64,
    /// Whom customers call
    help_phone: Option<PhoneNumber>,
}

impl Shown for Tenant {}

impl From<tenants::Tenant> for Tenant {
    fn from(stored: tenants::Tenant) -> Tenant {
        Tenant {
            id: stored.id,
            name: stored.name,
            country: stored.country,
            zone: stored.zone,
            language: stored.language,
            currency: stored.currency,
            device_retention_days: stored.device_retention.as_seconds() / 86_400,
            created_at: stored.created_at,
            version: stored.version,
            help_phone: stored.help_phone,
        }
    }
}

/// A business to be founded.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewTenant")]
struct NewTenantBody {
    name: Line<100>,
    /// The owner's e-mail address
    email: Line<200>,
    /// The owner's password
    #[schemars(length(min = 8))]
    password: Line<200>,
    country: Country,
    /// The country's if nothing is said
    zone: Option<Zone>,
    language: Option<Language>,
}

/// A business that was founded.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "FoundedTenant")]
struct Founded {
    tenant: TenantId,
    /// A token of its owner: only this answer has it. Null if the request was repeated
    token: Option<String>,
}

impl Shown for Founded {}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TenantChange")]
struct TenantChangeBody {
    name: Option<Line<100>>,
    /// Plans that were made keep theirs
    zone: Option<Zone>,
    language: Option<Language>,
    device_retention_days: Option<Whole<1, 3660>>,
    /// Whom customers call, as people write it
    #[serde(default)]
    help_phone: Field<Line<30>>,
}

pub(crate) fn open(doors: &mut Doors) {
    let own = Sign::get("/api/v1/tenant", "show_tenant").about("tenant", "The business");
    doors.open(own, async |ask: Ask| super::plans::tenant(&ask).await.map(reply));
    let change = Sign::change("/api/v1/tenant", "change_tenant")
        .about("tenant", "Change the business")
        .needs(Permission::Own);
    doors.open(change, async |ask: Ask<(), NoQuery, Json<TenantChangeBody>>| {
        let body = &ask.body.0;
        let change = TenantChange {
            name: body.name.as_ref().map(|name| name.0.clone()),
            zone: body.zone.clone(),
            language: body.language,
            device_retention: body.device_retention_days.map(|Whole(days)| Span::days(days.into())),
            help_phone: body
                .help_phone
                .clone()
                .change()
                .map(|phone| phone.map(|Line(phone)| phone)),
        };
        let (id, by) = (ask.tenant(), ask.by());
        let changed = change_tenant(&ask.here.app, id, change, ask.expected, by, ask.now()).await?;
        Ok(reply(changed))
    });
    open_platform(doors);
}

fn open_platform(doors: &mut Doors) {
    let list = Sign::get("/api/v1/tenants", "list_tenants")
        .about("platform", "All businesses, oldest first")
        .needs(Permission::Platform);
    doors.open(list, async |ask: Ask<(), NoQuery, Nothing, Above>| {
        let all = async |tx: &mut Tx<'_>| tenants::all(tx).await;
        let items = ask.here.app.store().read(all).await?.into_iter().map(Tenant::from).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let show = Sign::get("/api/v1/tenants/{tenant}", "show_any_tenant")
        .about("platform", "One business")
        .needs(Permission::Platform);
    doors.open(show, async |ask: Ask<TenantId, NoQuery, Nothing, Above>| {
        let id = ask.path;
        let find = async move |tx: &mut Tx<'_>| tenants::find(tx, id).await;
        let found = ask.here.app.store().read(find).await?;
        found.map(reply).ok_or_else(|| Lost::Missing("business").into())
    });
    let found = Sign::make("/api/v1/tenants", "found_tenant")
        .about("platform", "Found a business with its owner")
        .needs(Permission::Platform);
    doors.open(found, async |ask: Ask<(), NoQuery, Json<NewTenantBody>, Above>| {
        let body = &ask.body.0;
        let founding = Founding {
            business: body.name.0.clone(),
            email: body.email.0.clone(),
            password: body.password.0.clone(),
            country: body.country,
            zone: body.zone.clone(),
            language: body.language.unwrap_or(Language::En),
        };
        let founded = found_tenant(&ask.here.app, founding, ask.by(), ask.now()).await?;
        let location = format!("/api/v1/tenants/{}", founded.tenant);
        Ok(Reply::ok(Founded { tenant: founded.tenant, token: founded.token }).at(location))
    });
}

fn reply(stored: tenants::Tenant) -> Reply<Tenant> {
    let version = stored.version;
    Reply::ok(Tenant::from(stored)).version(version)
}

impl From<ChangeTenantError> for Problem {
    fn from(error: ChangeTenantError) -> Problem {
        match error {
            ChangeTenantError::Lost(lost) => lost.into(),
            ChangeTenantError::NoName => Problem::invalid(error.to_string()).at("/name"),
            ChangeTenantError::Phone(_) => Problem::invalid(error.to_string()).at("/help_phone"),
            ChangeTenantError::Store(error) => error.into(),
        }
    }
}

impl From<FoundingError> for Problem {
    fn from(error: FoundingError) -> Problem {
        match error {
            FoundingError::ShortPassword => Problem::invalid(error.to_string()).at("/password"),
            FoundingError::BadEmail(_) => Problem::invalid(error.to_string()).at("/email"),
            FoundingError::NoName => Problem::invalid(error.to_string()).at("/name"),
            FoundingError::Zone(_) => Problem::invalid(error.to_string()).at("/zone"),
            FoundingError::Reused(reused) => reused.into(),
            FoundingError::Store(error) => error.into(),
            FoundingError::Hash(why) => {
                tracing::error!(why, "a password could not be hashed");
                Problem::ours()
            }
        }
    }
}
