//! Gateways: a business's accounts with payment providers. Secrets go in and never come out.

use crate::operations::gateways::{
    GatewayChange, GatewayError, NewGateway, add_gateway, change_gateway, gateways_of,
    merged_settings, remove_gateway, settings_of,
};
use crate::operations::try_gateway::{TryError, check_gateway, live, register_gateway};
use crate::payments::{ProviderError, Registered};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::Page;
use crate::web::api::problem::Problem;
use crate::web::api::words::{Line, Whole};
use lango_domain::ids::GatewayId;
use lango_domain::money::Currency;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::gateways::Gateway as Stored;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An account with a payment provider.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "PaymentGateway")]
struct Gateway {
    id: GatewayId,
    name: String,
    /// daraja, clickpesa, momo, airtel or signed_webhook
    provider: String,
    currency: Currency,
    /// Customers are offered the smallest first
    place: i64,
    /// How we are known there; of secrets only how they end. Null if they cannot be read
    settings: Option<Value>,
    /// What will be wrong soon
    warnings: Vec<String>,
    last_error: Option<String>,
    last_error_at: Option<Timestamp>,
    /// Up to when its list of money was compared with ours
    compared_until: Option<Timestamp>,
    created_at: Timestamp,
    version: i64,
}

impl Shown for Gateway {}

impl Gateway {
    fn of(app: &crate::app::App, stored: Stored) -> Gateway {
        let settings = settings_of(app, &stored).ok();
        let warnings = settings.as_ref().map(|settings| settings.warnings(app.clock().now()));
        let Stored { id, name, provider, currency, place, created_at, version, .. } = stored;
        Gateway {
            id,
            name,
            provider,
            currency,
            place,
            settings: settings.map(|settings| settings.shown()),
            warnings: warnings.unwrap_or_default().iter().map(ToString::to_string).collect(),
            last_error_at: stored.last_error.as_ref().map(|(_, at)| *at),
            last_error: stored.last_error.map(|(error, _)| error),
            compared_until: stored.compared_until,
            created_at,
            version,
        }
    }
}

/// A gateway to be added.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPaymentGateway")]
struct NewBody {
    name: Line<50>,
    /// The money it takes; the business's if nothing is said
    currency: Option<Currency>,
    /// `provider` and what it asks for, see the operators guide
    settings: Map<String, Value>,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PaymentGatewayChange")]
struct ChangeBody {
    name: Option<Line<50>>,
    /// Only those that change; null takes one away. A secret as it is shown stays as it is
    settings: Option<Map<String, Value>>,
    place: Option<Whole<1, 1000>>,
}

/// What came of trying a gateway.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "GatewayCheck")]
struct Checked {
    works: bool,
    /// What is in the way
    wrong: Vec<String>,
    /// What will be in the way soon
    warnings: Vec<String>,
    /// Whether it gives money back when it is told to
    refunds: bool,
    /// Whether it lists the money that came, so that what was never told is found
    lists_money: bool,
    /// Whether it tells of money that comes by itself, once it is registered
    registers: bool,
}

impl Shown for Checked {}

/// What came of telling a provider our addresses.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "GatewayRegistration")]
struct Registration {
    /// Where it tells of money: now, before or not_wanted
    confirmations: String,
    /// That we list the money that came: now, before or not_wanted
    list: String,
}

impl Shown for Registration {}

fn word(registered: Registered) -> String {
    match registered {
        Registered::Now => "now",
        Registered::Before => "before",
        Registered::NotWanted => "not_wanted",
    }
    .to_owned()
}

const TAG: &str = "gateways";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/gateways", "list_gateways")
        .about(
            TAG,
            "Accounts with payment providers, in the order in which customers are offered them",
        )
        .needs(Permission::Manage);
    doors.open_list(list, async |ask: Ask| {
        let app = &ask.here.app;
        let all = gateways_of(app, ask.tenant()).await?.into_iter();
        let items = all.map(|stored| Gateway::of(app, stored)).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let add = Sign::make("/api/v1/gateways", "add_gateway")
        .about(TAG, "Add an account with a payment provider")
        .needs(Permission::Manage);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewBody>>| {
        let NewBody { name, currency, settings } = &ask.body.0;
        let new = NewGateway {
            tenant: ask.tenant(),
            name: name.0.clone(),
            currency: *currency,
            settings: Value::Object(settings.clone()),
        };
        let added = add_gateway(&ask.here.app, new, ask.by(), ask.now()).await?;
        let location = format!("/api/v1/gateways/{}", added.id);
        Ok(reply(&ask.here.app, added).at(location))
    });
    open_one(doors);
    open_trials(doors);
}

fn open_one(doors: &mut Doors) {
    let show = Sign::get("/api/v1/gateways/{gateway}", "show_gateway")
        .about(TAG, "One account with a payment provider")
        .needs(Permission::Manage);
    doors.open(show, async |ask: Ask<GatewayId>| {
        let stored = live(&ask.here.app, (ask.tenant(), ask.path)).await?;
        Ok(reply(&ask.here.app, stored))
    });
    let change = Sign::change("/api/v1/gateways/{gateway}", "change_gateway")
        .about(TAG, "Change an account with a payment provider")
        .needs(Permission::Manage);
    doors.open(change, async |ask: Ask<GatewayId, NoQuery, Json<ChangeBody>>| {
        let (app, whose) = (&ask.here.app, (ask.tenant(), ask.path));
        let ChangeBody { name, settings, place } = &ask.body.0;
        let before = live(app, whose).await?;
        // What is merged is merged into what was read.
        let expected = ask.expected.or(settings.as_ref().map(|_| before.version));
        let merged = |change: &Map<String, Value>| {
            merged_settings(app, &before, &Value::Object(change.clone()))
        };
        let change = GatewayChange {
            name: name.as_ref().map(|name| name.0.trim().to_owned()),
            settings: settings.as_ref().map(merged).transpose()?,
            place: place.map(|Whole(place)| place.into()),
        };
        let changed = change_gateway(app, whose, change, expected, ask.by(), ask.now()).await?;
        Ok(reply(app, changed))
    });
    let remove = Sign::remove("/api/v1/gateways/{gateway}", "remove_gateway")
        .about(TAG, "Ask nobody by it any more; what was asked is still asked after")
        .needs(Permission::Manage);
    doors.open(remove, async |ask: Ask<GatewayId>| {
        let (whose, by) = ((ask.tenant(), ask.path), ask.by());
        remove_gateway(&ask.here.app, whose, ask.expected, by, ask.now()).await?;
        Ok(Reply::nothing())
    });
}

fn open_trials(doors: &mut Doors) {
    let check = Sign::run("/api/v1/gateways/{gateway}/check", "check_gateway")
        .about(TAG, "Prove the settings to the provider; nobody is charged")
        .needs(Permission::Manage);
    doors.open(check, async |ask: Ask<GatewayId>| {
        let tried = check_gateway(&ask.here.app, (ask.tenant(), ask.path), ask.now()).await?;
        Ok(Reply::ok(Checked {
            works: tried.wrong.is_empty(),
            wrong: tried.wrong,
            warnings: tried.warnings.iter().map(ToString::to_string).collect(),
            refunds: tried.abilities.refunds,
            lists_money: tried.abilities.lists_money,
            registers: tried.abilities.registers,
        }))
    });
    let register = Sign::run("/api/v1/gateways/{gateway}/register", "register_gateway")
        .about(TAG, "Tell the provider where to tell us of money that is paid by hand")
        .needs(Permission::Manage);
    doors.open(register, async |ask: Ask<GatewayId>| {
        let whose = (ask.tenant(), ask.path);
        let done = register_gateway(&ask.here.app, whose, ask.now()).await?;
        let (confirmations, list) = (word(done.confirmations), word(done.list));
        Ok(Reply::ok(Registration { confirmations, list }))
    });
}

fn reply(app: &crate::app::App, stored: Stored) -> Reply<Gateway> {
    let version = stored.version;
    Reply::ok(Gateway::of(app, stored)).version(version)
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Problem {
        let told = error.to_string();
        match error {
            GatewayError::Settings(wrong) => {
                let field = wrong.into_iter().next().map(|wrong| wrong.field).unwrap_or_default();
                let at = match field.as_str() {
                    "" => "/settings".to_owned(),
                    "currency" => "/currency".to_owned(),
                    field => format!("/settings/{field}"),
                };
                Problem::invalid(told).at(at)
            }
            GatewayError::NoName => Problem::invalid(told).at("/name"),
            GatewayError::Taken(_) => Problem::conflict(told).at("/name"),
            GatewayError::Lost(lost) => lost.into(),
            GatewayError::Reused(reused) => reused.into(),
            GatewayError::Store(error) => error.into(),
        }
    }
}

impl From<TryError> for Problem {
    fn from(error: TryError) -> Problem {
        match error {
            TryError::Lost(lost) => lost.into(),
            TryError::Store(error) => error.into(),
            TryError::Provider(ProviderError::NoAnswer { .. }) => {
                Problem::unavailable(error.to_string())
            }
            TryError::NoAddress | TryError::Provider(_) => Problem::conflict(error.to_string()),
        }
    }
}
