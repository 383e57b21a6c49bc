//! How long every query takes that an engine, a page or a login asks, on a shop with years behind
//! it. Ends with 1 when one of them misses its time.
//!
//! ```text
//! cargo run --release -p lango-store --example bench_store -- \
//!     [--grants 1000000] [--sessions 200000] [--engine sqlite|postgres]
//! ```
//!
//! SQLite is a new file in the directory for temporary files, PostgreSQL a new database on the
//! server that `LANGO_TEST_POSTGRES` names; both are deleted at the end. Writes that take work are
//! undone after each run, so that every run finds the same.

mod seed;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lango_domain::grant::GrantKind;
use lango_domain::ids::{CustomerId, GrantId, Id, RouterId, TenantId};
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::Wanted;
use lango_store::enforcements::{Seen, Wish};
use lango_store::schema::MIGRATIONS;
use lango_store::testing::TestDatabase;
use lango_store::{
    DatabaseUrl, Error, Settings, Sql, Store, Tx, activity, customers, cuts, enforcements, grants,
    jobs, migrations, plans, receipts, routers, sessions, sql,
};
use seed::{NOW, Size};

/// What a page may wait for one query.
const TARGET: Duration = Duration::from_millis(5);
/// Runs of one query, unless the time for it is over before.
const RUNS: usize = 2_000;
const TIME: Duration = Duration::from_millis(1_500);

struct Wanting {
    size: Size,
    postgres: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let wanting = match arguments() {
        Ok(wanting) => wanting,
        Err(why) => {
            eprintln!("{why}\nbench_store [--grants N] [--sessions N] [--engine sqlite|postgres]");
            return ExitCode::from(2);
        }
    };
    match run(&wanting).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("{missed} queries missed their time");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("the benchmark broke off: {error}");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Wanting, String> {
    let size = Size { grants: 1_000_000, sessions: 200_000 };
    let mut wanting = Wanting { size, postgres: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<i64>().ok().filter(|n| *n >= 5_000).ok_or(&value);
        let too_small = |text: &String| format!("{word}: {text} is not a number from 5000");
        match (word.as_str(), value.as_str()) {
            ("--grants", _) => wanting.size.grants = number().map_err(too_small)?,
            ("--sessions", _) => wanting.size.sessions = number().map_err(too_small)?,
            ("--engine", "sqlite") => wanting.postgres = false,
            ("--engine", "postgres") => wanting.postgres = true,
            _ => return Err(format!("{word} {value} is not understood")),
        }
    }
    Ok(wanting)
}

async fn run(wanting: &Wanting) -> Result<usize, Error> {
    if wanting.postgres {
        let place = TestDatabase::postgres(MIGRATIONS).await;
        let store = Store::open(place.url(), Settings::default()).await?;
        return fill_and_measure(&store, wanting.size).await;
    }
    let name = format!("lango-bench-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).expect("the directory for temporary files takes a new one");
    let url = DatabaseUrl::sqlite(directory.join("lango.db"));
    let store = Store::open(&url, Settings::default()).await?;
    let missed = fill_and_measure(&store, wanting.size).await;
    store.close().await;
    // What stays behind is in the directory for temporary files.
    let _ = std::fs::remove_dir_all(&directory);
    missed
}

async fn fill_and_measure(store: &Store, size: Size) -> Result<usize, Error> {
    migrations::migrate(store, MIGRATIONS, NOW.micros()).await?;
    let began = Instant::now();
    seed::fill(store, size).await?;
    if store.url().sqlite_path().is_none() {
        const ANALYZE: Sql = sql!("ANALYZE");
        store.write(async |tx: &mut Tx<'_>| tx.execute(ANALYZE, &[]).await).await?;
    }
    println!("{size:?} in {}, filled in {:.0?}", store.url(), began.elapsed());
    println!("{:<44}{:>7}{:>10}{:>10}{:>10}", "query", "runs", "p50 µs", "p99 µs", "max µs");
    let mut table = Table { size, bound: Some(TARGET), missed: 0 };
    table.engines(store).await?;
    table.logins(store).await?;
    table.pages(store).await?;
    table.writes(store).await?;
    Ok(table.missed)
}

struct Table {
    size: Size,
    /// The time that a query has; none where it is only told: what reads all there is of a thing,
    /// and what waits for the disk.
    bound: Option<Duration>,
    missed: usize,
}

/// Measures a read: its name, and its body over `tx` and the number of a grant.
macro_rules! read {
    ($table:ident, $store:ident, $name:literal, |$tx:ident, $n:ident| $body:expr) => {
        $table
            .measure($name, async |$n: i64| {
                $store.read(async |$tx: &mut Tx<'_>| $body.await.map(drop)).await
            })
            .await?
    };
}

/// Measures what must be a writing transaction, and undoes it.
macro_rules! undone {
    ($table:ident, $store:ident, $name:literal, |$tx:ident, $n:ident| $body:expr) => {
        $table
            .measure($name, async |$n: i64| {
                let work = async move |$tx: &mut Tx<'_>| {
                    $body.await?;
                    Ok(Err::<(), ()>(()))
                };
                $store.attempt(work).await.map(drop)
            })
            .await?
    };
}

/// Measures a writing transaction with its commit.
macro_rules! write {
    ($table:ident, $store:ident, $name:literal, |$tx:ident, $n:ident| $body:expr) => {
        $table
            .measure($name, async |$n: i64| {
                $store.write(async move |$tx: &mut Tx<'_>| $body.await.map(drop)).await
            })
            .await?
    };
}

impl Table {
    async fn engines(&mut self, store: &Store) -> Result<(), Error> {
        let t = self;
        let lease = NOW + Span::seconds(30);
        read!(t, store, "grants: next_deadline", |tx, _n| grants::next_deadline(tx));
        undone!(t, store, "grants: due, 100", |tx, _n| grants::due(tx, NOW, 100));
        undone!(t, store, "grants: due, 500", |tx, _n| grants::due(tx, NOW, 500));
        read!(t, store, "grants: for_all_routers, 200", |tx, n| grants::for_all_routers(
            tx,
            seed::tenant_of(n),
            GrantId::from_raw(n),
            200
        ));
        read!(t, store, "enforcements: next_attempt", |tx, n| enforcements::next_attempt(
            tx,
            seed::router_of(n)
        ));
        undone!(t, store, "enforcements: claim, 200", |tx, n| enforcements::claim(
            tx,
            seed::router_of(n),
            NOW,
            lease,
            200
        ));
        undone!(t, store, "enforcements: claim, 200, router was away", |tx, _n| {
            enforcements::claim(tx, RouterId::from_raw(1), NOW, lease, 200)
        });
        read!(t, store, "enforcements: expected, 200", |tx, n| enforcements::expected(
            tx,
            seed::router_of(n),
            GrantId::from_raw(n),
            200
        ));
        read!(t, store, "enforcements: long_over, 200", |tx, n| enforcements::long_over(
            tx,
            seed::router_of(n),
            NOW - Span::days(7),
            200
        ));
        read!(t, store, "enforcements: long_over, none", |tx, n| enforcements::long_over(
            tx,
            seed::router_of(n),
            NOW - Span::days(90),
            200
        ));
        read!(t, store, "enforcements: count_pending", |tx, n| enforcements::count_pending(
            tx,
            seed::router_of(n)
        ));
        read!(t, store, "enforcements: routers_of", |tx, n| enforcements::routers_of(
            tx,
            GrantId::from_raw(n)
        ));
        read!(t, store, "enforcements: seen", |tx, n| enforcements::seen(tx, GrantId::from_raw(n)));
        read!(t, store, "sessions: open_of_grant", |tx, n| sessions::open_of_grant(
            tx,
            seed::router_of(n),
            GrantId::from_raw(n)
        ));
        read!(t, store, "jobs: next_run", |tx, _n| jobs::next_run(tx));
        undone!(t, store, "jobs: claim, 100", |tx, _n| jobs::claim(tx, NOW, lease, 100));
        read!(t, store, "routers: all", |tx, _n| routers::all(tx));
        Ok(())
    }

    async fn logins(&mut self, store: &Store) -> Result<(), Error> {
        let t = self;
        read!(t, store, "grants: by_login", |tx, n| async {
            let hash = seed::login_hash_of(n);
            grants::by_login(tx, seed::tenant_of(n), &hash).await
        });
        read!(t, store, "grants: one", |tx, n| grants::one(tx, GrantId::from_raw(n)));
        read!(t, store, "grants: access", |tx, n| grants::access(tx, GrantId::from_raw(n)));
        read!(t, store, "sessions: grant_of_device", |tx, n| sessions::grant_of_device(
            tx,
            seed::tenant_of(n),
            seed::mac_of(n)
        ));
        read!(t, store, "sessions: devices_of", |tx, n| sessions::devices_of(
            tx,
            GrantId::from_raw(n)
        ));
        read!(t, store, "receipts: find", |tx, n| async {
            let receipt = format!("RCP{n}");
            receipts::find(tx, seed::tenant_of(n), "mpesa", &receipt).await
        });
        Ok(())
    }

    async fn pages(&mut self, store: &Store) -> Result<(), Error> {
        let t = self;
        read!(t, store, "grants: page, 50", |tx, n| grants::page(
            tx,
            seed::tenant_of(n),
            GrantKind::Pppoe,
            Some(GrantId::from_raw(n)),
            50
        ));
        read!(t, store, "grants: page of a kind nobody has", |tx, n| grants::page(
            tx,
            seed::tenant_of(n),
            GrantKind::StaticIp,
            None,
            50
        ));
        read!(t, store, "grants: ending, 50", |tx, n| grants::ending(
            tx,
            seed::tenant_of(n),
            NOW,
            NOW + Span::days(1),
            50
        ));
        read!(t, store, "grants: by_label", |tx, n| async {
            grants::by_label(tx, seed::tenant_of(n), &seed::label_of(n)).await
        });
        read!(t, store, "grants: of_customer", |tx, n| grants::of_customer(
            tx,
            seed::tenant_of(n),
            CustomerId::from_raw(n - n % 5)
        ));
        read!(t, store, "enforcements: uncut, 100", |tx, n| enforcements::uncut(
            tx,
            seed::tenant_of(n),
            100
        ));
        read!(t, store, "enforcements: open_of_grant", |tx, n| enforcements::open_of_grant(
            tx,
            GrantId::from_raw(n)
        ));
        read!(t, store, "sessions: of_grant, 20", |tx, n| sessions::of_grant(
            tx,
            GrantId::from_raw(n),
            20
        ));
        read!(t, store, "customers: page, 50", |tx, n| async {
            let after = seed::customer(CustomerId::from_raw(n));
            customers::page(tx, seed::tenant_of(n), Some(&after), 50).await
        });
        read!(t, store, "customers: by_phone", |tx, n| async {
            let phone = seed::phone_of(CustomerId::from_raw(n - n % 5));
            customers::by_phone(tx, seed::tenant_of(n), &phone).await
        });
        read!(t, store, "receipts: page, 50", |tx, n| receipts::page(
            tx,
            seed::tenant_of(n),
            Some(n),
            50
        ));
        read!(t, store, "receipts: of_grant", |tx, n| receipts::of_grant(tx, GrantId::from_raw(n)));
        read!(t, store, "cuts: page, 50", |tx, n| cuts::page(tx, seed::tenant_of(n), Some(n), 50));
        read!(t, store, "cuts: of_grant", |tx, n| cuts::of_grant(tx, GrantId::from_raw(n)));
        read!(t, store, "activity: page, 50", |tx, n| activity::page(
            tx,
            seed::tenant_of(n),
            Some(Id::from_raw(n)),
            50
        ));
        read!(t, store, "activity: of_grant", |tx, n| activity::of_grant(tx, GrantId::from_raw(n)));
        read!(t, store, "jobs: messages, 50", |tx, n| jobs::messages(
            tx,
            seed::tenant_of(n),
            Some(Id::from_raw(n)),
            50
        ));
        read!(t, store, "jobs: count_given_up", |tx, n| jobs::count_given_up(
            tx,
            seed::tenant_of(n),
            NOW - Span::days(1)
        ));
        read!(t, store, "plans: of_tenant", |tx, n| plans::of_tenant(tx, seed::tenant_of(n)));
        read!(t, store, "routers: of_tenant", |tx, n| routers::of_tenant(tx, seed::tenant_of(n)));
        t.bound = None;
        read!(t, store, "all of a tenant: count_running", |tx, n| grants::count_running(
            tx,
            seed::tenant_of(n),
            NOW
        ));
        read!(t, store, "all of a router: sessions: open_on", |tx, n| sessions::open_on(
            tx,
            seed::router_of(n)
        ));
        read!(t, store, "sweep: expected, 2000", |tx, n| enforcements::expected(
            tx,
            seed::router_of(n),
            GrantId::from_raw(n),
            2_000
        ));
        read!(t, store, "sweep: for_all_routers, 1000", |tx, n| grants::for_all_routers(
            tx,
            seed::tenant_of(n),
            GrantId::from_raw(n),
            1_000
        ));
        t.bound = Some(TARGET);
        Ok(())
    }

    async fn writes(&mut self, store: &Store) -> Result<(), Error> {
        let t = self;
        // With the commit: what these cost beyond the disk's own time is little.
        t.bound = None;
        write!(t, store, "commit: save one grant", |tx, n| async {
            let stored = grants::one(tx, GrantId::from_raw(n)).await?;
            grants::save(tx, &[stored]).await
        });
        write!(t, store, "commit: want, claim, confirm one", |tx, n| visit(tx, n));
        write!(t, store, "commit: note_seen", |tx, n| async {
            let seen = Seen {
                router: seed::router_of(n),
                devices: 1,
                uptime: Span::minutes(n),
                data: lango_domain::quantity::DataSize::megabytes(1),
            };
            enforcements::note_seen(tx, &[(GrantId::from_raw(n), seen)]).await
        });
        t.bound = Some(TARGET);
        Ok(())
    }
}

/// A grant is cut or let in again, whatever it was.
async fn visit(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    let (router, grant, tenant): (RouterId, GrantId, TenantId) =
        (seed::router_of(number), GrantId::from_raw(number), seed::tenant_of(number));
    let wanted = if number % 2 == 0 { Wanted::Cut } else { Wanted::Walled };
    let long_ago: Timestamp = NOW - Span::days(400);
    let wish = Wish { router, grant, tenant, wanted, due_at: long_ago };
    enforcements::want(tx, &[wish], NOW).await?;
    for work in enforcements::claim(tx, router, long_ago, NOW, 1).await? {
        let confirmed = enforcements::Confirmation {
            grant: work.grant,
            attempt: work.attempt,
            revision: work.revision,
            access: work.wanted.word(),
            by: "lango",
        };
        enforcements::confirm(tx, router, &[confirmed], NOW).await?;
    }
    Ok(())
}

impl Table {
    async fn measure(
        &mut self,
        name: &str,
        query: impl AsyncFn(i64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut number = || random.i64(1..=self.size.grants);
        for _ in 0..20 {
            query(number()).await?;
        }
        let (began, mut took) = (Instant::now(), Vec::with_capacity(RUNS));
        while took.len() < RUNS && began.elapsed() < TIME {
            let number = number();
            let asked = Instant::now();
            query(number).await?;
            took.push(asked.elapsed());
        }
        took.sort_unstable();
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        let (p50, p99, max) = (at(50), at(99), at(100));
        let verdict = match self.bound {
            Some(bound) if p99 > bound => "MISS",
            Some(_) => "ok",
            None => "-",
        };
        self.missed += usize::from(verdict == "MISS");
        let [p50, p99, max] = [p50, p99, max].map(|time| time.as_micros());
        println!("{name:<44}{:>7}{p50:>10}{p99:>10}{max:>10}  {verdict}", took.len());
        Ok(())
    }
}
