//! NASes: the routers that ask by RADIUS, and how they stand with us.

use crate::operations::nases::{NasDiagnosis, SecretState, change_signing, nases};
use crate::radius::directory::Signing;
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::Page;
use crate::web::api::problem::Problem;
use lango_domain::ids::RouterId;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A router that asks by RADIUS.
#[derive(Serialize, JsonSchema, Debug)]
struct Nas {
    router: RouterId,
    name: String,
    /// From where its requests come; it is told from others by nothing else
    address: String,
    /// The port at which it takes Disconnect-Requests and CoA-Requests
    orders_port: u16,
    /// Whether its requests must carry a Message-Authenticator
    signing: Signing,
    /// Whether the secret is the same on both sides, by what it signed last
    secret: SecretState,
    /// Whether the secret has fewer than 16 characters
    weak_secret: bool,
    heard_at: Option<Timestamp>,
    /// When it last signed with the right secret
    proven_at: Option<Timestamp>,
    /// When it last signed with another
    mistrusted_at: Option<Timestamp>,
    /// How far its clock is ahead of ours
    clock_ahead_seconds: Option<i64>,
    /// Sessions that last, by what it reports
    sessions: i64,
    /// Whether it answered an order lately
    takes_orders: bool,
    /// What went wrong with orders last
    last_error: Option<String>,
    /// Grows with every change of the router
    revision: i64,
}

impl Shown for Nas {}

impl From<NasDiagnosis> for Nas {
    fn from(nas: NasDiagnosis) -> Nas {
        Nas {
            router: nas.router,
            name: nas.name,
            address: nas.address.to_string(),
            orders_port: nas.orders_port,
            signing: nas.signing,
            secret: nas.secret,
            weak_secret: nas.weak_secret,
            heard_at: nas.heard_at,
            proven_at: nas.proven_at,
            mistrusted_at: nas.mistrusted_at,
            clock_ahead_seconds: nas.clock_ahead_seconds,
            sessions: nas.sessions,
            takes_orders: nas.takes_orders,
            last_error: nas.last_error,
            revision: nas.revision,
        }
    }
}

/// What is to be different.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NasChange {
    /// `learning`: its first signed request decides. `off` is a warning for as long as it is so
    signing: Signing,
}

const TAG: &str = "routers";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/nases", "list_nases")
        .about(TAG, "Routers that ask by RADIUS, and how they stand with us");
    doors.open_list(list, async |ask: Ask| {
        let nases = nases(&ask.here.app, ask.tenant()).await?;
        Ok(Reply::ok(Page { items: nases.into_iter().map(Nas::from).collect(), next: None }))
    });
    let show = Sign::get("/api/v1/nases/{router}", "show_nas").about(TAG, "One NAS");
    doors.open(show, async |ask: Ask<RouterId>| one(&ask).await);
    let change = Sign::change("/api/v1/nases/{router}", "change_nas")
        .about(TAG, "Say whether its requests must be signed")
        .needs(Permission::Manage);
    doors.open(change, async |ask: Ask<RouterId, NoQuery, Json<NasChange>>| {
        let (whose, signing) = ((ask.tenant(), ask.path), ask.body.0.signing);
        let app = &ask.here.app;
        change_signing(app, whose, signing, ask.expected, ask.by(), ask.now()).await?;
        one(&ask).await
    });
}

async fn one<Q, B>(ask: &Ask<RouterId, Q, B>) -> Result<Reply<Nas>, Problem> {
    let found = nases(&ask.here.app, ask.tenant()).await?;
    let nas = found.into_iter().find(|nas| nas.router == ask.path);
    let nas = nas.ok_or_else(|| Problem::missing("NAS"))?;
    let version = nas.revision;
    Ok(Reply::ok(Nas::from(nas)).version(version))
}
