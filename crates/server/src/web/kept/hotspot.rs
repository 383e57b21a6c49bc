//! `/api/hotspot/…`: a customer logs in, out, or asks how much is left. He has no token; his user
//! name and password, or his code, are what he has.

use crate::enforcement::HotspotLogin;
use crate::observe::chain;
use crate::operations::issue_vouchers::read_code;
use crate::reconcile::connect::connect;
use crate::web::Entrance;
use crate::web::api::door::{Doors, Guest, Reply, Shown, Sign};
use crate::web::api::grants::GrantState;
use crate::web::api::problem::Problem;
use crate::web::api::rate::Taken;
use crate::web::api::words::Line;
use lango_domain::access::{Access, Secret};
use lango_domain::grant::State;
use lango_domain::mac_address::MacAddress;
use lango_domain::time::Timestamp;
use lango_store::Tx;
use lango_store::grants::StoredGrant;
use lango_store::routers::Router;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::time::Instant;

/// Who wants in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HotspotCustomer")]
struct Body {
    /// User name or voucher code
    username: Line<64>,
    /// For a voucher the code again, or nothing
    password: Option<Line<64>>,
    mac_address: Option<MacAddress>,
    #[schemars(with = "Option<String>", extend("format" = "ipv4"))]
    ip_address: Option<Ipv4Addr>,
}

/// How a customer stands.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "HotspotSession")]
struct Answer {
    success: bool,
    state: GrantState,
    /// Whether the router took him, or has him
    online: bool,
    session: Option<Session>,
    /// Null is without limit, or not begun
    time_left_seconds: Option<i64>,
    /// Null is without limit
    data_left_bytes: Option<u64>,
    ends_at: Option<Timestamp>,
    message: String,
}

impl Shown for Answer {}

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "HotspotSessionDetail")]
struct Session {
    mac_address: Option<MacAddress>,
    ip_address: Option<String>,
    started_at: Timestamp,
    uptime_seconds: i64,
    data_bytes: u64,
}

const TAG: &str = "older systems";

pub(crate) fn open(doors: &mut Doors) {
    let log_in = Sign::run("/api/hotspot/login", "hotspot_login")
        .about(TAG, "Log a customer in on the router where his device is");
    doors.open_to_guests(log_in, async |guest: Guest<Body>| log_in_one(&guest).await);
    let log_out = Sign::run("/api/hotspot/logout", "hotspot_logout")
        .about(TAG, "End a customer's session; he may log in again");
    doors.open_to_guests(log_out, async |guest: Guest<Body>| log_out_one(&guest).await);
    let check = Sign::run("/api/hotspot/check-session", "hotspot_check_session")
        .about(TAG, "How much time and data a customer has left");
    doors.open_to_guests(check, async |guest: Guest<Body>| {
        let (stored, _) = known(&guest).await?;
        let answer = answer(&guest, stored, false, "").await?;
        Ok(Reply::ok(answer))
    });
}

async fn log_in_one(guest: &Guest<Body>) -> Result<Reply<Answer>, Problem> {
    let (stored, access) = known(guest).await?;
    if let State::Ended { reason, .. } = stored.grant.state {
        let reason = reason.word().replace('_', " ");
        return Err(Problem::forbidden(format!("your access is over: {reason}")));
    }
    if !stored.grant.wanted().is_online() {
        let state = stored.grant.state.word();
        return Err(Problem::forbidden(format!("your access is {state}")));
    }
    let Some(address) = guest.body.ip_address else {
        let message = "known; give ip_address to be logged in on the router";
        return answer(guest, stored, false, message).await.map(Reply::ok);
    };
    let Access::Hotspot { name, password } = access else {
        return Err(Problem::forbidden("this is no account of the hotspot"));
    };
    let login = HotspotLogin { user: name, password, address, mac: guest.body.mac_address };
    let taken =
        tokio::time::timeout(guest.here.patience, on_some_router(guest, &stored, &login)).await;
    match taken.unwrap_or_else(|_| Err("no router answered in time".to_owned())) {
        Ok(router) => {
            let message = format!("you are online at {router}");
            answer(guest, stored, true, &message).await.map(Reply::ok)
        }
        Err(why) => Err(Problem::unavailable(why)),
    }
}

/// The device is behind one of the routers; the others do not know its address.
async fn on_some_router(
    guest: &Guest<Body>,
    stored: &StoredGrant,
    login: &HotspotLogin,
) -> Result<String, String> {
    let mut said = "the business has no router".to_owned();
    for router in routers(guest, stored).await.map_err(|_| "try again".to_owned())? {
        let opened = connect(&guest.here.app, &router, guest.here.timeouts).await;
        match opened {
            Err(error) => said = chain(&error),
            Ok(mut driver) => match driver.log_in(login).await {
                Ok(Ok(())) => return Ok(router.name),
                Ok(Err(why)) => said = format!("{}: {why}", router.name),
                Err(error) => said = chain(&error),
            },
        }
    }
    Err(said)
}

async fn log_out_one(guest: &Guest<Body>) -> Result<Reply<Answer>, Problem> {
    let (stored, access) = known(guest).await?;
    let user = access.login();
    let mut ended = 0;
    for router in routers(guest, &stored).await? {
        let work = async {
            let mut driver = connect(&guest.here.app, &router, guest.here.timeouts).await.ok()?;
            driver.log_out(&user, guest.body.mac_address).await.ok()
        };
        ended += tokio::time::timeout(guest.here.patience, work)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
    }
    let message = match ended {
        0 => "you were not online".to_owned(),
        _ => "you are logged out".to_owned(),
    };
    let mut answer = answer(guest, stored, false, &message).await?;
    (answer.online, answer.session) = (false, None);
    Ok(Reply::ok(answer))
}

async fn routers(guest: &Guest<Body>, stored: &StoredGrant) -> Result<Vec<Router>, Problem> {
    let tenant = guest.tenant;
    let all = async move |tx: &mut Tx<'_>| lango_store::routers::of_tenant(tx, tenant).await;
    let mut routers = guest.here.app.store().read(all).await?;
    routers.retain(|router| stored.router.is_none_or(|only| only == router.id));
    // Those that answer are asked first: a dead one must not use up the customer's patience.
    let is_down = |router: &Router| router.last_error.is_some();
    routers.sort_by_key(is_down);
    Ok(routers)
}

/// The grant of a user name and password, or a code. Guessing is slowed down by address.
async fn known(guest: &Guest<Body>) -> Result<(StoredGrant, Access), Problem> {
    let limits = &guest.here.limits;
    if !limits.wrong_codes.has(&guest.from, Instant::now()) {
        return Err(Problem::too_many(30, "too many wrong codes from here: wait a little"));
    }
    let typed = guest.body.username.0.trim();
    for login in [Some(typed.to_owned()), read_code(typed)].into_iter().flatten() {
        if let Some((stored, access)) = by_login(&guest.here, guest, &login).await?
            && is_right(&access, guest.body.password.as_ref(), &login)
        {
            return Ok((stored, access));
        }
    }
    if let Taken::Wait(seconds) = limits.wrong_codes.take(guest.from, Instant::now()) {
        return Err(Problem::too_many(seconds, "too many wrong codes from here: wait a little"));
    }
    Err(Problem::unauthorized("wrong user name, password or code"))
}

async fn by_login(
    here: &Entrance,
    guest: &Guest<Body>,
    login: &str,
) -> Result<Option<(StoredGrant, Access)>, Problem> {
    let (hash, tenant) = (here.app.hash_login("hotspot", login), guest.tenant);
    let find = async move |tx: &mut Tx<'_>| {
        let Some(stored) = lango_store::grants::by_login(tx, tenant, &hash).await? else {
            return Ok(None);
        };
        let sealed = lango_store::grants::access(tx, stored.grant.id).await?;
        Ok(Some((stored, sealed)))
    };
    let found = here.app.store().read(find).await?;
    let Some((stored, sealed)) = found else { return Ok(None) };
    let access = here.app.open_access(stored.grant.id, &sealed)?;
    Ok(Some((stored, access)))
}

/// A code is its own password. Compared by hash, so that the time taken tells nothing.
fn is_right(access: &Access, typed: Option<&Line<64>>, login: &str) -> bool {
    let Access::Hotspot { name, password } = access else { return false };
    let typed = match typed {
        Some(typed) => read_code(&typed.0)
            .filter(|code| code == name)
            .unwrap_or_else(|| typed.0.trim().to_owned()),
        None => login.to_owned(),
    };
    let digest =
        |secret: &Secret| ring::digest::digest(&ring::digest::SHA256, secret.reveal().as_bytes());
    digest(&Secret::new(typed)).as_ref() == digest(password).as_ref()
}

async fn answer(
    guest: &Guest<Body>,
    stored: StoredGrant,
    online: bool,
    message: &str,
) -> Result<Answer, Problem> {
    let (id, now) = (stored.grant.id, guest.here.app.clock().now());
    let of = async move |tx: &mut Tx<'_>| lango_store::sessions::of_grant(tx, id, 5).await;
    let sessions = guest.here.app.store().read(of).await?;
    let mac = guest.body.mac_address;
    let mut live = sessions.into_iter().filter(|session| session.ended_at.is_none());
    let session = live.find(|session| mac.is_none() || session.mac == mac);
    let grant = &stored.grant;
    let by_clock = grant.state.ends_at().map(|ends_at| ends_at.since(now));
    let by_uptime = grant.meter.uptime_left();
    Ok(Answer {
        success: true,
        state: GrantState::of(&grant.state),
        online: online || session.is_some(),
        session: session.map(|session| Session {
            mac_address: session.mac,
            ip_address: session.address,
            started_at: session.started_at,
            uptime_seconds: session.uptime.as_seconds(),
            data_bytes: session.data.as_bytes(),
        }),
        time_left_seconds: by_clock
            .into_iter()
            .chain(by_uptime)
            .min()
            .map(|left| left.as_seconds()),
        data_left_bytes: grant.meter.data_left().map(|left| left.as_bytes()),
        ends_at: grant.state.ends_at(),
        message: if message.is_empty() {
            grant.state.word().to_owned()
        } else {
            message.to_owned()
        },
    })
}
