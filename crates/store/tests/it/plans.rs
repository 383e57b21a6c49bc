//! How both databases run the statements of the program, once there are rows.

use lango_domain::ids::{
    ActivityId, BatchId, GrantId, Id, PlanId, ResellerId, TenantId, WebhookId,
};
use lango_domain::money::{Currency, Money};
use lango_domain::time::{Span, Timestamp};
use lango_store::batches::{self, Batch};
use lango_store::checks::{Plan, general_plan};
use lango_store::resellers::{self, Reseller};
use lango_store::webhooks::{self, Due, Webhook};
use lango_store::{Error, Sql, Store, Tx, sql};

use crate::money_rows::take_much_money;
use crate::{seed, sources};

crate::on_both!(with lango_store::schema::MIGRATIONS;
    no_statement_reads_a_large_table_whole,
    what_runs_often_has_its_index,
);

/// Tables that grow with the customers, with the names that statements give them.
const LARGE: &[&str] = &[
    "grants",
    "g",
    "enforcements",
    "e",
    "sessions",
    "devices",
    "radius_sessions",
    "customers",
    "jobs",
    "messages",
    "activity",
    "cuts",
    "receipts",
    "payments",
    "inbox",
    "money_in",
    "batch_vouchers",
    "v",
];

/// What an engine, a page or a login asks, and the index that answers it.
const HOT: &[(&str, &str)] = &[
    ("grants::DUE", "grants_due"),
    ("grants::NEXT_DEADLINE", "grants_due"),
    ("grants::OF_CUSTOMER", "grants_by_customer"),
    ("grants::BY_LABEL", "grants_by_label"),
    ("grants::PAGE", "grants_by_kind"),
    ("grants::ENDING", "grants_ending"),
    ("grants::COUNT_RUNNING", "grants_ending"),
    ("grants::FOR_NEW_ROUTER", "grants_everywhere"),
    ("enforcements::PENDING", "enforcements_pending"),
    ("enforcements::NEXT_ATTEMPT", "enforcements_pending"),
    ("enforcements::COUNT_PENDING", "enforcements_pending"),
    ("enforcements::AT_ONCE", "enforcements_pending"),
    ("enforcements::OF_GRANT", "enforcements_of_grant"),
    ("enforcements::ROUTERS_OF_GRANT", "enforcements_of_grant"),
    ("enforcements::SEEN", "enforcements_of_grant"),
    ("enforcements::UNCUT", "enforcements_uncut"),
    ("enforcements::LONG_OVER", "enforcements_over"),
    ("radius::BY_KEYS", "radius_sessions_by_key"),
    ("radius::OPEN_ON", "radius_sessions_open"),
    ("radius::SOME_OPEN_ON", "radius_sessions_open"),
    ("radius::OPEN_OF_GRANT", "radius_sessions_open"),
    ("radius::OPEN_OF_GRANTS", "sessions_open_by_grant"),
    ("radius::STALE", "radius_sessions_stale"),
    ("radius::OCCUPANTS", "sessions_open_by_grant"),
    ("radius::LAST_END", "sessions_of_grant"),
    ("radius::OVERDUE", "sessions_due"),
    ("sessions::OPEN_ON", OF_ROUTER),
    ("sessions::OF_GRANT", "sessions_of_grant"),
    ("sessions::OPEN_OF_DEVICE", "sessions_of_device"),
    ("sessions::OPEN_AT", "sessions_at_address"),
    ("admissions::FIND", PRIMARY),
    ("admissions::DUE", "admissions_due"),
    ("admissions::NEXT_ATTEMPT", "admissions_due"),
    ("admissions::HANDED_OVER", "admissions_handed_over"),
    ("sessions::DEVICES_OF", "devices_of_grant"),
    ("sessions::RETIRE", "devices_unretired"),
    ("payments::CLAIM", "payments_due"),
    ("payments::WAITING", "payments_due"),
    ("payments::NEXT", "payments_due"),
    ("gateways::BEHIND", "payments_by_door"),
    ("payments::BY_PROVIDER_ID", "payments_by_provider_id"),
    ("payments::OF_DEVICE", "payments_of_device"),
    ("payments::OF_PHONE", "payments_of_phone"),
    ("payments::OF_GRANT", "payments_of_grant"),
    ("inbox::CLAIM", "inbox_waiting"),
    ("inbox::WAITING", "inbox_waiting"),
    ("inbox::NEXT", "inbox_waiting"),
    ("inbox::OF_PAYMENT", "inbox_of_payment"),
    ("inbox::COUNT_WAITING", "inbox_waiting"),
    ("renewals::DUE", "auto_renewals_due"),
    ("renewals::NEXT", "auto_renewals_due"),
    ("money_in::WAITING", "money_in_by_state"),
    ("money_in::COUNT_WAITING", "money_in_by_state"),
    ("jobs::CLAIM", "jobs_pending"),
    ("jobs::NEXT", "jobs_pending"),
    ("jobs::COUNT_GIVEN_UP", "jobs_given_up"),
    ("messages::PAGE", PRIMARY),
    ("messages::TO_POLL", "messages_to_poll"),
    ("messages::NEXT_POLL", "messages_to_poll"),
    ("receipts::PAGE", PRIMARY),
    ("receipts::OF_GRANT", "receipts_of_grant"),
    ("activity::PAGE", PRIMARY),
    ("activity::OF_GRANT", "activity_of_grant"),
    ("cuts::PAGE", PRIMARY),
    ("cuts::OF_GRANT", "cuts_of_grant"),
    ("customers::BY_NAME", "customers_by_name"),
    ("customers::BY_NAME_BACKWARDS", "customers_by_name"),
    ("customers::BY_AGE", "customers_by_age"),
    ("customers::BY_AGE_BACKWARDS", "customers_by_age"),
    ("grants::BY_AGE", "grants_by_age"),
    ("grants::BY_AGE_BACKWARDS", "grants_by_age"),
    ("grants::BY_KIND", "grants_by_kind"),
    ("grants::BY_KIND_BACKWARDS", "grants_by_kind"),
    ("grants::BY_STATE", "grants_by_state"),
    ("grants::BY_STATE_BACKWARDS", "grants_by_state"),
    ("grants::BY_CUSTOMER", "grants_by_customer"),
    ("grants::BY_CUSTOMER_BACKWARDS", "grants_by_customer"),
    ("grants::BY_END", "grants_ending"),
    ("grants::BY_END_BACKWARDS", "grants_ending"),
    ("grants::LABELLED", "grants_by_label"),
    ("sessions::BY_AGE", "sessions_by_age"),
    ("sessions::BY_AGE_BACKWARDS", "sessions_by_age"),
    ("sessions::LIVE", "sessions_live"),
    ("sessions::LIVE_BACKWARDS", "sessions_live"),
    ("enforcements::WAITING_ON", "enforcements_pending"),
    ("enforcements::STANDING_OF", "enforcements_of_grant"),
    ("jobs::PAGE", "jobs_by_age"),
    ("jobs::PAGE_BACKWARDS", "jobs_by_age"),
    ("activity::OF_ROUTER", "activity_of_router"),
    ("activity::OF_ROUTER_BACKWARDS", "activity_of_router"),
    ("activity::UNPLACED", "activity_unplaced"),
    ("activity::NEWS", "activity_news"),
    ("webhooks::WAITING", "webhook_queue_of"),
    ("webhooks::CLAIM", "webhook_queue_of"),
    ("batches::SELL", "batch_vouchers_of_grant"),
    ("batches::OF_GRANT", "batch_vouchers_of_grant"),
    ("batches::COUNT_IN_STATE", "grants_by_state"),
    ("batches::VOUCHERS", PRIMARY),
];

/// The key of the table, whatever the database calls its index.
const PRIMARY: &str = "the key";

/// Any of the indexes that begin with the router and hold what lasts: they cost the same.
const OF_ROUTER: &str = "what lasts at the router";

/// Asked when a router is new, for all of a tenant's grants in turn: PostgreSQL may as well go
/// through all grants once.
const SELDOM: &str = "grants::FOR_NEW_ROUTER";

/// What sorts what it has found, because that is little: a batch, or the rows of one thing.
const SORTS: &[&str] = &[
    "grants::DUE",
    "sessions::OPEN_ON",
    "webhooks::WAITING",
    "payments::WAITING",
    "inbox::WAITING",
    "admissions::HANDED_OVER",
];

async fn no_statement_reads_a_large_table_whole(store: &Store) {
    fill(store).await;
    let mut faults = Vec::new();
    for (name, sql) in sources::listed() {
        let plan = general_plan(store, sql).await.unwrap();
        faults.extend(whole_read(&plan).map(|line| format!("{name}: {line}")));
    }
    assert_eq!(faults, [""; 0]);
}

async fn what_runs_often_has_its_index(store: &Store) {
    fill(store).await;
    let listed = sources::listed();
    let on_sqlite = store.url().sqlite_path().is_some();
    let mut faults = Vec::new();
    for (name, index) in HOT {
        let plan = general_plan(store, listed[*name]).await.unwrap();
        // PostgreSQL sorts few rows rather than walk an index; SQLite would do it for many, too.
        let sorts = plan.lines().iter().any(|line| line.contains("TEMP B-TREE"));
        let found = uses(&plan, index) || (*name == SELDOM && !on_sqlite);
        if !found || (on_sqlite && sorts && !SORTS.contains(name)) {
            faults.push(format!("{name}: {index}\n{}", plan.lines().join("\n")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

fn uses(plan: &Plan, index: &str) -> bool {
    let by_key = |line: &String| line.contains("USING PRIMARY KEY") || line.contains("_pkey on");
    match index {
        PRIMARY => plan.lines().iter().any(by_key),
        OF_ROUTER => ["sessions_open", "sessions_of_device", "sessions_at_address"]
            .iter()
            .any(|index| plan.uses(index)),
        _ => plan.uses(index),
    }
}

/// The line that reads all of a large table, or all of one of its indexes, if there is one.
fn whole_read(plan: &Plan) -> Option<&String> {
    plan.lines().iter().find(|line| {
        let words: Vec<&str> = line.trim_start_matches([' ', '-', '>']).split(' ').collect();
        match words[..] {
            // A partial index is walked in order for its first row, or is the answer.
            [
                "SCAN",
                _,
                "USING",
                "COVERING",
                "INDEX",
                "jobs_pending" | "grants_due" | "payments_due" | "inbox_waiting",
            ] => false,
            ["SCAN", "activity", "USING", "INDEX", "activity_unplaced"] => false,
            ["SCAN", table, ..] => LARGE.contains(&table),
            _ => line.split_once("Seq Scan on ").is_some_and(|(_, rest)| {
                rest.split(' ').next().is_some_and(|table| LARGE.contains(&table))
            }),
        }
    })
}

async fn fill(store: &Store) {
    seed::fill(store, seed::Size { grants: 6_000, sessions: 3_000 }).await.unwrap();
    store.write(async |tx: &mut Tx<'_>| queue_much(tx).await).await.unwrap();
    store.write(async |tx: &mut Tx<'_>| print_much(tx).await).await.unwrap();
    store.write(async |tx: &mut Tx<'_>| take_much_money(tx).await).await.unwrap();
    if store.url().sqlite_path().is_none() {
        const ANALYZE: Sql = sql!("ANALYZE");
        store.write(async |tx: &mut Tx<'_>| tx.execute(ANALYZE, &[]).await).await.unwrap();
    }
}

/// Twenty webhooks with long queues.
async fn queue_much(tx: &mut Tx<'_>) -> Result<(), Error> {
    const A_TENANT: Sql = sql!("SELECT MIN(id) FROM tenants");
    let (tenant, now): (TenantId, _) = (tx.one(A_TENANT, &[]).await?, Timestamp::from_micros(1));
    for number in 0..20 {
        let webhook = Webhook {
            id: WebhookId::from_raw(number),
            tenant,
            url: "https://shop.example/".to_owned(),
            topics: Vec::new(),
            secret: Vec::new(),
            created_at: now,
            off_since: None,
            given_up: None,
            version: 1,
        };
        webhooks::insert(tx, &webhook).await?;
        let due = |place| Due {
            webhook: webhook.id,
            activity: ActivityId::from_raw(place),
            tenant,
            place,
            attempt: 0,
            since: now + Span::millis(place),
        };
        webhooks::queue(tx, &(1..=250).map(due).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Two hundred batches of vouchers, each given to a reseller of its own.
async fn print_much(tx: &mut Tx<'_>) -> Result<(), Error> {
    const A_PLAN: Sql = sql!(
        "SELECT p.tenant_id, p.id, p.terms_id FROM plans p \
         WHERE p.id = (SELECT MIN(id) FROM plans)"
    );
    const GRANTS: Sql = sql!("SELECT id FROM grants ORDER BY id LIMIT 5000");
    let (tenant, plan, terms_id): (TenantId, PlanId, i64) = tx.one(A_PLAN, &[]).await?;
    let grants: Vec<GrantId> = tx.all(GRANTS, &[]).await?;
    let now = Timestamp::from_micros(1);
    for (number, grants) in (1i64..).zip(grants.chunks(25)) {
        let reseller = Reseller {
            id: ResellerId::from_raw(number),
            tenant,
            name: format!("Reseller {number}"),
            phone: None,
            commission: 0,
            created_at: now,
            removed_at: None,
            version: 1,
        };
        resellers::insert(tx, &reseller).await?;
        let batch = Batch {
            id: BatchId::from_raw(number),
            tenant,
            plan,
            reseller: Some(reseller.id),
            router: None,
            count: 25,
            signs: 8,
            price: Money::new(100, Currency::KES),
            terms_id,
            actor: "cli".to_owned(),
            created_at: now,
            voided_at: None,
        };
        batches::insert(tx, &batch).await?;
        batches::add(tx, batch.id, 1, grants).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_whole_read_is_found() {
    let store = lango_store::testing::sqlite(lango_store::schema::MIGRATIONS).await;
    const BY_STATE: Sql = sql!("SELECT g.id FROM grants g WHERE g.state = $1");
    const ALL_OF_AN_INDEX: Sql = sql!("SELECT COUNT(*) FROM enforcements e");
    for whole in [BY_STATE, ALL_OF_AN_INDEX] {
        let plan = general_plan(&store, whole).await.unwrap();
        assert!(whole_read(&plan).is_some(), "{plan:?}");
    }
}
