//! A shop with years behind it: tenants, routers, grants in every state, their enforcements,
//! sessions and accounts. The same for measuring and for reading plans.
//!
//! Everything follows from the number of a grant, so that a query can be asked for something that
//! is there. Must never be used on a database that anybody needs.

use lango_domain::access::GrantKind;
use lango_domain::grant::{EndReason, Grant, Meter, Presence, State, Window};
use lango_domain::ids::{CustomerId, GrantId, Id, JobId, MessageId, RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::money::Money;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::plan::{EndedBy, Plan, Terms};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::Wanted;
use lango_store::activity::Activity;
use lango_store::admissions::{Admission, Progress};
use lango_store::cuts::Cut;
use lango_store::grants::{NewGrant, StoredGrant};
use lango_store::radius::RadiusSession;
use lango_store::receipts::Receipt;
use lango_store::sessions::Session;
use lango_store::tenants::Tenant;
use lango_store::{Arg, Bulk, Error, Store, ToArg, ToArgs, Tx, bulk};

/// How many tenants.
pub(crate) const TENANTS: i64 = 20;
/// How many routers, dealt to the tenants in turn.
pub(crate) const ROUTERS: i64 = 50;
/// The instant at which all of it is looked at.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
/// Rows that share a transaction.
const CHUNK: i64 = 5_000;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Grants, numbered from 1.
    pub(crate) grants: i64,
    /// Sessions that last; as many have ended.
    pub(crate) sessions: i64,
}

/// Whose a grant is.
pub(crate) fn tenant_of(grant: i64) -> TenantId {
    TenantId::from_raw((grant - 1) % TENANTS + 1)
}

/// The router that holds a grant: one of its tenant's.
pub(crate) fn router_of(grant: i64) -> RouterId {
    let tenant = tenant_of(grant).raw();
    let of_tenant = (ROUTERS - tenant) / TENANTS + 1;
    RouterId::from_raw(tenant + (scatter(grant) as i64 & 0xffff) % of_tenant * TENANTS)
}

/// The keyed hash of a grant's login.
pub(crate) fn login_hash_of(grant: i64) -> Vec<u8> {
    [scatter(grant).to_le_bytes(), scatter(!grant).to_le_bytes()].concat()
}

/// What staff see of a grant's login.
pub(crate) fn label_of(grant: i64) -> String {
    format!("label-{grant}")
}

/// The customer of a grant, if it has one: every fifth.
pub(crate) fn customer_of(grant: i64) -> Option<CustomerId> {
    (grant % 5 == 0).then(|| CustomerId::from_raw(grant))
}

/// A customer's number.
pub(crate) fn phone_of(customer: CustomerId) -> PhoneNumber {
    let text = format!("+2557{:08}", customer.raw());
    PhoneNumber::from_e164(&text).expect("it is written as E.164")
}

/// The device of a grant.
pub(crate) fn mac_of(grant: i64) -> MacAddress {
    let raw = scatter(grant).to_le_bytes();
    MacAddress::new([2, raw[0], raw[1], raw[2], raw[3], raw[4]])
}

/// Where that device is on its router.
pub(crate) fn address_of(grant: i64) -> String {
    format!("10.5.{}.{}", (grant >> 8) & 255, grant & 255)
}

/// Whether its deadline has passed just now.
pub(crate) fn is_due(grant: i64) -> bool {
    grant % 2_000 == 7
}

/// Mixes the bits, so that neighbours are far apart in an index.
fn scatter(number: i64) -> u64 {
    let mut mixed = (number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Fills a migrated, empty store.
pub(crate) async fn fill(store: &Store, size: Size) -> Result<(), Error> {
    store.write(async move |tx: &mut Tx<'_>| add_shops(tx).await).await?;
    for (from, to) in chunks(size.grants) {
        store.write(async move |tx: &mut Tx<'_>| add_customers(tx, from, to).await).await?;
        store.write(async move |tx: &mut Tx<'_>| add_grants(tx, from, to).await).await?;
        store.write(async move |tx: &mut Tx<'_>| add_accounts(tx, from, to).await).await?;
        store.write(async move |tx: &mut Tx<'_>| add_jobs(tx, from, to).await).await?;
    }
    for (from, to) in chunks(size.sessions) {
        store.write(async move |tx: &mut Tx<'_>| add_sessions(tx, size, from, to).await).await?;
    }
    Ok(())
}

fn chunks(count: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..=(count - 1) / CHUNK).map(move |n| (n * CHUNK + 1, ((n + 1) * CHUNK).min(count)))
}

/// The tenants, their plans and routers, and nothing else.
pub(crate) async fn add_shops(tx: &mut Tx<'_>) -> Result<(), Error> {
    for id in (1..=TENANTS).map(TenantId::from_raw) {
        lango_store::tenants::insert(tx, &tenant(id)).await?;
        lango_store::plans::insert(tx, &plan(id), &Default::default(), NOW).await?;
    }
    for id in 1..=ROUTERS {
        lango_store::routers::insert(tx, &router(id)).await?;
    }
    Ok(())
}

/// A tenant of that number.
pub(crate) fn tenant(id: TenantId) -> Tenant {
    Tenant {
        id,
        name: format!("Shop {id}"),
        country: "TZ".parse().expect("a country we know"),
        zone: "Africa/Dar_es_Salaam".parse().expect("a zone"),
        language: "sw".parse().expect("a language we know"),
        currency: "TZS".parse().expect("a currency"),
        device_retention: Span::days(30),
        created_at: NOW,
        version: 1,
        help_phone: None,
    }
}

/// The plan of a tenant; both have one number.
pub(crate) fn plan(tenant: TenantId) -> Plan {
    Plan {
        id: Id::from_raw(tenant.raw()),
        tenant,
        name: "One day".to_owned(),
        price: Money::new(1_000, "TZS".parse().expect("a currency")),
        terms: Terms::hotspot(Span::days(1)),
    }
}

/// A router of that number.
pub(crate) fn router(id: i64) -> lango_store::routers::Router {
    lango_store::routers::Router {
        id: RouterId::from_raw(id),
        tenant: TenantId::from_raw((id - 1) % TENANTS + 1),
        name: format!("router {id}"),
        endpoint: r#"{"host":"192.0.2.1"}"#.to_owned(),
        credentials: vec![7; 64],
        created_at: NOW,
        observed: "{}".to_owned(),
        last_contact_at: None,
        last_sync_at: None,
        last_error: None,
        last_error_at: None,
        version: 1,
    }
}

async fn add_customers(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<(), Error> {
    for id in (from..=to).filter_map(customer_of) {
        lango_store::customers::insert(tx, &customer(id)).await?;
    }
    Ok(())
}

/// The customer of a grant with that number.
pub(crate) fn customer(id: CustomerId) -> lango_store::customers::Customer {
    lango_store::customers::Customer {
        id,
        tenant: tenant_of(id.raw()),
        name: format!("Customer {:06}", scatter(id.raw()) % 1_000_000),
        phone: Some(phone_of(id)),
        language: None,
        created_at: NOW,
        version: 1,
    }
}

/// A fifth runs, three tenths lie unused, half is over.
fn state_of(grant: i64) -> State {
    let spread = Span::seconds(60 + (scatter(grant) % 2_000_000) as i64);
    let window = |ends_at| {
        let started = ends_at - Span::days(1);
        State::Active(Window { started, ends_at: Some(ends_at), ended_by: EndedBy::Wall })
    };
    match grant % 10 {
        _ if is_due(grant) => window(NOW - Span::seconds(5)),
        0 | 1 => window(NOW + spread),
        2..=4 => State::Unused { activate_by: None, paid: false },
        _ => {
            let at = NOW - spread;
            State::Ended { ends_at: Some(at), at, reason: EndReason::TimeUp }
        }
    }
}

fn kind_of(grant: i64) -> GrantKind {
    match grant % 7 {
        0 => GrantKind::Pppoe,
        1 => GrantKind::HotspotAccount,
        _ => GrantKind::Voucher,
    }
}

/// The grant of that number.
pub(crate) fn grant(number: i64) -> NewGrant {
    let tenant = tenant_of(number);
    let terms = plan(tenant).terms;
    let grant = Grant {
        id: GrantId::from_raw(number),
        tenant,
        plan: plan(tenant).id,
        customer: customer_of(number),
        kind: kind_of(number),
        meter: Meter::of(&terms),
        terms,
        state: state_of(number),
        presence: Presence::Never,
        warned_of: None,
        locked_to: None,
    };
    let stored = StoredGrant {
        grant,
        terms_id: tenant.raw(),
        label: label_of(number),
        router: None,
        version: 1,
    };
    NewGrant { stored, login_hash: login_hash_of(number), access: vec![9; 96] }
}

const ENFORCED: Bulk = bulk!(
    sqlite: "INSERT INTO enforcements (router_id, grant_id, tenant_id, access, wanted, revision, \
             since, due_at, confirmed_revision, confirmed_access, confirmed_at, confirmed_by, \
             next_attempt_at, attempt, failures, devices, uptime_seen, data_seen) VALUES ($1, $2, \
             $3, $4, $5, 1, $6, $6, $7, $4, $6, 'lango', $8, 1, 0, 0, 0, 0)",
    postgres: "INSERT INTO enforcements (router_id, grant_id, tenant_id, access, wanted, revision, \
               since, due_at, confirmed_revision, confirmed_access, confirmed_at, confirmed_by, \
               next_attempt_at, attempt, failures, devices, uptime_seen, data_seen) \
               SELECT router_id, grant_id, tenant_id, access, wanted, 1, since, since, confirmed, \
               access, since, 'lango', next, 1, 0, 0, 0, 0 FROM UNNEST($1::bigint[], $2::bigint[], \
               $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) \
               AS n (router_id, grant_id, tenant_id, access, wanted, since, confirmed, next)",
);

struct Enforced(i64, Wanted);

impl ToArgs for Enforced {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let Enforced(grant, wanted) = self;
        let since = match state_of(*grant) {
            State::Ended { at, .. } => at,
            _ => NOW - Span::hours(1),
        };
        // A few in a thousand wait, and the first router is away: half of its cuts wait.
        let away = router_of(*grant).raw() == 1 && grant % 2 == 1 && *wanted == Wanted::Cut;
        let pending = grant % 1_000 < 5 || away;
        let wanted_text = serde_json::to_string(wanted).expect("our own values can be written");
        vec![
            Arg::Int(router_of(*grant).raw()),
            Arg::Int(*grant),
            Arg::Int(tenant_of(*grant).raw()),
            wanted.word().to_arg(),
            Arg::Text(wanted_text.into()),
            Arg::Int(since.micros()),
            if pending { Arg::Null } else { Arg::Int(1) },
            if pending { Arg::Int(since.micros()) } else { Arg::Null },
        ]
    }
}

async fn add_grants(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<(), Error> {
    let grants: Vec<NewGrant> = (from..=to).map(grant).collect();
    lango_store::grants::insert(tx, &grants, NOW).await?;
    let enforced: Vec<Enforced> =
        grants.iter().map(|g| Enforced(g.stored.grant.id.raw(), g.stored.grant.wanted())).collect();
    tx.bulk(ENFORCED, &enforced).await.map(drop)
}

async fn add_accounts(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<(), Error> {
    let lines: Vec<Activity> = (from..=to).map(line).collect();
    lango_store::activity::append(tx, &lines).await?;
    let over: Vec<Cut> = (from..=to).filter(|g| g % 10 >= 5).map(cut).collect();
    lango_store::cuts::insert(tx, &over).await?;
    for paid in (from..=to).filter(|g| g % 10 < 2) {
        lango_store::receipts::keep(tx, &receipt(paid)).await?;
    }
    Ok(())
}

fn line(grant: i64) -> Activity {
    Activity {
        id: Id::from_raw(grant),
        tenant: tenant_of(grant),
        at: NOW,
        actor: "engine".to_owned(),
        grant: Some(GrantId::from_raw(grant)),
        router: None,
        what: "made".to_owned(),
        detail: "one of a hundred vouchers, printed for the shelf".to_owned(),
    }
}

fn cut(grant: i64) -> Cut {
    Cut {
        id: grant,
        tenant: tenant_of(grant),
        router: router_of(grant),
        grant: GrantId::from_raw(grant),
        due_at: NOW,
        confirmed_at: NOW,
        lateness: Span::millis(80),
        attempts: 1,
        confirmed_by: "lango".to_owned(),
        sessions_ended: 1,
    }
}

/// The receipt of a grant that was paid by phone.
pub(crate) fn receipt(grant: i64) -> Receipt {
    Receipt {
        id: grant,
        tenant: tenant_of(grant),
        provider: "mpesa".to_owned(),
        receipt: format!("RCP{grant}"),
        grant: GrantId::from_raw(grant),
        amount: Money::new(1_000, "TZS".parse().expect("a currency")),
        paid_at: NOW,
    }
}

/// A tenth of the grants had a message; some of those wait, and a few were given up.
async fn add_jobs(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<(), Error> {
    use lango_store::jobs;
    let told: Vec<i64> = (from..=to).filter(|g| g % 10 == 0).collect();
    let pushed: Vec<jobs::NewJob> = told
        .iter()
        .map(|grant| jobs::NewJob {
            id: JobId::from_raw(*grant),
            tenant: tenant_of(*grant),
            grant: Some(GrantId::from_raw(*grant)),
            kind: "message",
            once_key: format!("warn/{grant}"),
            payload: r#"{"text":"Your time ends soon"}"#.to_owned(),
            run_at: if grant % 100 == 0 { NOW } else { NOW - Span::hours(1) },
        })
        .collect();
    jobs::push(tx, &pushed).await?;
    let past = NOW - Span::minutes(30);
    for job in jobs::claim(tx, past, NOW, i64::MAX).await? {
        if job.id.raw() % 990 == 0 {
            jobs::give_up(tx, &job, past, "no such number").await?;
        } else {
            jobs::finish(tx, &job, past).await?;
            lango_store::messages::insert(tx, &message(&job)).await?;
        }
    }
    Ok(())
}

fn message(job: &lango_store::jobs::Job) -> lango_store::jobs::Message {
    lango_store::jobs::Message {
        id: MessageId::from_raw(job.id.raw()),
        tenant: job.tenant,
        job: job.id,
        grant: job.grant,
        recipient: "+255700000000".to_owned(),
        body: "Your time ends soon".to_owned(),
        reason: "warning".to_owned(),
        sent_at: NOW,
        state: lango_store::messages::MessageState::Sent,
        state_at: NOW,
        sender: None,
        tries: Vec::new(),
        parts: 1,
        cost: None,
        last_error: None,
        poll_at: None,
        polls: 0,
    }
}

/// Session `n` that lasts belongs to the grant of the same number, and so does one before it.
async fn add_sessions(tx: &mut Tx<'_>, size: Size, from: i64, to: i64) -> Result<(), Error> {
    use lango_store::sessions;
    let mut told = Vec::new();
    for number in from..=to {
        let grant = (number - 1) % size.grants + 1;
        let earlier = session(number, grant);
        sessions::open(tx, &earlier).await?;
        sessions::close(tx, earlier.id, NOW, Span::minutes(5), DataSize::megabytes(80)).await?;
        sessions::open(tx, &session(size.sessions + number, grant)).await?;
        sessions::see_device(tx, tenant_of(grant), mac_of(grant), earlier.grant, NOW).await?;
        lango_store::admissions::write(tx, &admission(grant)).await?;
        told.push(as_told(&session(size.sessions + number, grant), None));
        told.push(as_told(&earlier, Some(NOW)));
    }
    lango_store::radius::save(tx, &mut told).await
}

/// How the device of a grant came online: most of them a while ago, a few wait to be logged in, and
/// as few have their one-time password still.
fn admission(grant: i64) -> Admission {
    let waits = grant % 200 == 0;
    let handed_over = grant % 200 == 100;
    Admission {
        router: router_of(grant),
        mac: mac_of(grant),
        tenant: tenant_of(grant),
        grant: GrantId::from_raw(grant),
        address: address_of(grant).parse().ok(),
        progress: match (waits, handed_over) {
            (true, _) => Progress::Wanted,
            (_, true) => Progress::HandedOver,
            _ => Progress::Connected,
        },
        asked_at: NOW - Span::minutes(11),
        wanted_until: NOW + Span::seconds(grant),
        next_attempt_at: waits.then_some(NOW),
        attempt: 1,
        failures: 0,
        last_error: None,
        moves: false,
        other: None,
        connected_at: (!waits && !handed_over).then_some(NOW - Span::minutes(10)),
        password: handed_over.then(|| vec![5; 48]),
        password_until: handed_over.then_some(NOW + Span::minutes(2)),
    }
}

/// The session as its NAS counts it.
fn as_told(session: &Session, ended_at: Option<Timestamp>) -> RadiusSession {
    RadiusSession {
        id: session.id,
        tenant: session.tenant,
        router: session.router,
        grant: Some(session.grant),
        key: scatter(session.id.raw()).to_le_bytes().to_vec(),
        identifiers: b"ann".to_vec(),
        mac: session.mac,
        address: session.address.clone(),
        started_at: session.started_at,
        updated_at: NOW - Span::seconds(session.id.raw() % 300),
        ended_at,
        cause: None,
        uptime: session.uptime,
        input: session.data,
        output: session.data,
        uptime_noted: session.uptime,
        data_noted: session.data,
        metered: false,
        input_counted: session.data,
        output_counted: session.data,
        version: 0,
    }
}

fn session(id: i64, grant: i64) -> Session {
    Session {
        id: Id::from_raw(id),
        tenant: tenant_of(grant),
        router: router_of(grant),
        grant: GrantId::from_raw(grant),
        mac: Some(mac_of(grant)),
        address: Some(address_of(grant)),
        started_at: NOW - Span::minutes(10),
        ended_at: None,
        uptime: Span::ZERO,
        data: DataSize::ZERO,
    }
}
