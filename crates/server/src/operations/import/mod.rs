//! Tables of other programs become customers, services and vouchers: a whole file or nothing of it,
//! and every fault is told with its line. Reading and checking hold no lock; what is written is one
//! transaction, guarded by the same unique keys as everything else.

mod customers;
mod services;
mod sheet;

use self::customers::Newcomer;
use self::services::Holding;
use self::sheet::{Column, Faults, Row};
pub use self::sheet::{Fault, MOST_LINES};
use crate::app::App;
use crate::operations::asked::{self, By, Entry, KeyReused};
use crate::operations::install_grants::{self, install};
use lango_domain::ids::{CustomerId, RouterId, TenantId};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;
use lango_store::customers::Customer;
use lango_store::plans::StoredPlan;
use lango_store::routers::Router;
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};
use std::collections::HashMap;

/// How often a file is checked anew because somebody took a number or login meanwhile.
const TRIES: usize = 3;

/// What a table is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Who buys.
    Customers,
    /// Hotspot accounts, PPPoE and static-IP services.
    Services,
    /// Codes that are printed or sold.
    Vouchers,
}

/// A table to be taken in.
#[derive(Clone, Debug)]
pub struct Import {
    /// Into whose business.
    pub tenant: TenantId,
    /// What it is about.
    pub subject: Subject,
    /// The file.
    pub text: Vec<u8>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What came of a table.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ImportReport")]
pub struct Report {
    /// Whether nothing was to be written
    pub dry_run: bool,
    /// Customers that are new; with a dry run, that would be
    pub customers: usize,
    /// Services or vouchers that are new; with a dry run, that would be
    pub grants: usize,
    /// What is wrong, at most a hundred of it; with anything wrong nothing is written
    pub faults: Vec<Fault>,
    /// How much is wrong
    pub fault_count: usize,
}

/// Why a table could not be worked at.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// The database.
    #[error("importing a table")]
    Store(#[from] Error),
}

impl Subject {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Subject::Customers => "customers",
            Subject::Services => "services",
            Subject::Vouchers => "vouchers",
        }
    }

    /// The word for one of it.
    pub const fn word_for_one(self) -> &'static str {
        match self {
            Subject::Customers => "customer",
            Subject::Services => "service",
            Subject::Vouchers => "voucher",
        }
    }

    const fn known(self) -> &'static [Column] {
        match self {
            Subject::Customers => customers::COLUMNS,
            Subject::Services => services::SERVICES,
            Subject::Vouchers => services::VOUCHERS,
        }
    }
}

/// What a table is read against.
struct Shop {
    tenant: Tenant,
    plans: Vec<StoredPlan>,
    routers: Vec<Router>,
}

/// Whose something is, as far as the line says.
#[derive(Clone, Debug)]
struct Owner {
    name: Option<String>,
    phone: Option<PhoneNumber>,
}

/// What a table asks for.
#[derive(Default)]
struct Order {
    newcomers: Vec<Newcomer>,
    holdings: Vec<Holding>,
}

/// What is to be written.
#[derive(Clone, Default)]
struct Batch {
    customers: Vec<Customer>,
    /// By the place of their plan.
    grants: Vec<(usize, install_grants::Newcomer)>,
}

/// Takes a table in, or says what is wrong with it.
///
/// # Errors
/// A fault of the store. Faults of the table are in the report.
pub async fn import(
    app: &App,
    import: Import,
    by: &By,
    now: Timestamp,
) -> Result<Report, ImportError> {
    if let Some(done) = done_before(app, by).await? {
        return Ok(done);
    }
    let shop = Shop::open(app, import.tenant).await?;
    let mut faults = Faults::default();
    let rows = sheet::read(&import.text, import.subject.known(), &mut faults);
    let order = read(&rows, import.subject, &shop, &mut faults);
    let mut tries = 1;
    loop {
        let mut seen = Faults { told: faults.told.clone(), count: faults.count };
        let batch = check(app, &shop, &order, &mut seen, now).await?;
        if import.dry_run || !seen.is_empty() {
            return Ok(report(import.dry_run, batch.customers.len(), batch.grants.len(), seen));
        }
        match write(app, &shop, import.subject, batch, by, now).await {
            Err(ImportError::Store(Error::Conflict { .. })) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

/// What a request with the same key made: looked for first, because what it made is there now and
/// would be in its own way.
async fn done_before(app: &App, by: &By) -> Result<Option<Report>, ImportError> {
    if by.request.is_none() {
        return Ok(None);
    }
    let by = by.clone();
    let made = app
        .store()
        .read(async move |tx: &mut Tx<'_>| asked::numbers_before(tx, &by).await)
        .await??;
    Ok(made.map(|made| replayed(&made)))
}

/// The same report again, from what [`write`] has kept.
fn replayed(made: &[i64]) -> Report {
    let count = |place: usize| made.get(place).and_then(|made| usize::try_from(*made).ok());
    let (customers, grants) = (count(0).unwrap_or_default(), count(1).unwrap_or_default());
    report(false, customers, grants, Faults::default())
}

fn report(dry_run: bool, customers: usize, grants: usize, faults: Faults) -> Report {
    let faults = faults.sorted();
    let clean = faults.is_empty();
    // With a fault nothing is made, and nothing would be.
    let count = |made: usize| if clean { made } else { 0 };
    Report {
        dry_run,
        customers: count(customers),
        grants: count(grants),
        fault_count: faults.count,
        faults: faults.told,
    }
}

impl Shop {
    async fn open(app: &App, tenant: TenantId) -> Result<Shop, Error> {
        app.store()
            .read(async move |tx: &mut Tx<'_>| {
                let mut plans = lango_store::plans::of_tenant(tx, tenant).await?;
                plans.retain(|plan| plan.retired_at.is_none());
                let routers = lango_store::routers::of_tenant(tx, tenant).await?;
                Ok(Shop { tenant: lango_store::tenants::one(tx, tenant).await?, plans, routers })
            })
            .await
    }

    fn plan(&self, name: &str) -> Option<usize> {
        self.plans.iter().position(|plan| plan.plan.name == name)
    }

    fn no_plan(&self, name: &str) -> String {
        let known: Vec<&str> = self.plans.iter().map(|plan| plan.plan.name.as_str()).collect();
        format!("there is no plan `{name}`: there are {}", known.join(", "))
    }

    fn router(&self, name: &str) -> Option<RouterId> {
        self.routers.iter().find(|router| router.name == name).map(|router| router.id)
    }

    fn no_router(&self, name: &str) -> String {
        let known: Vec<&str> = self.routers.iter().map(|router| router.name.as_str()).collect();
        format!("there is no router `{name}`: there are {}", known.join(", "))
    }
}

fn read(rows: &[Row], subject: Subject, shop: &Shop, faults: &mut Faults) -> Order {
    let mut order = Order::default();
    for row in rows {
        match subject {
            Subject::Customers => order.newcomers.extend(customers::read(row, shop, faults)),
            Subject::Services => order.holdings.extend(services::read(row, shop, faults)),
            Subject::Vouchers => order.holdings.extend(services::read_voucher(row, shop, faults)),
        }
    }
    order
}

/// Whether a text fits into one line of so many signs.
fn one_line(row: &Row, column: &str, text: &str, most: usize, faults: &mut Faults) -> bool {
    let fits = text.chars().count() <= most;
    let is_line = !text.chars().any(char::is_control);
    if !fits {
        faults.note(row.line, column, format!("it must have at most {most} signs"));
    } else if !is_line {
        faults.note(row.line, column, "it must be one line without control signs");
    }
    fits && is_line
}

/// Compares an order with itself and with what there is, and says what is to be written.
async fn check(
    app: &App,
    shop: &Shop,
    order: &Order,
    faults: &mut Faults,
    now: Timestamp,
) -> Result<Batch, Error> {
    let mut logins = HashMap::new();
    for holding in &order.holdings {
        let hash = app.login_hash(&holding.access);
        if let Some(line) = logins.insert(hash, holding.line) {
            faults.note(holding.line, "", format!("line {line} has the same login"));
        }
    }
    let phones: Vec<PhoneNumber> = order.phones().cloned().collect();
    let known = known(app, shop.tenant.id, phones, logins.keys().cloned().collect()).await?;
    for hash in &known.logins {
        if let Some(line) = logins.get(hash) {
            faults.note(*line, "", "this login is taken by another service or voucher");
        }
    }
    let mut batch = Batch::default();
    let mut found = known.customers;
    add_newcomers(app, shop, order, &mut found, &mut batch, faults, now);
    add_holdings(app, shop, order, &mut found, &mut batch, faults, now);
    Ok(batch)
}

impl Order {
    fn phones(&self) -> impl Iterator<Item = &PhoneNumber> {
        let of_newcomers = self.newcomers.iter().filter_map(|newcomer| newcomer.phone.as_ref());
        of_newcomers.chain(self.holdings.iter().filter_map(|holding| holding.owner.phone.as_ref()))
    }
}

/// What the database has of an order already.
struct Known {
    customers: HashMap<PhoneNumber, CustomerId>,
    logins: Vec<Vec<u8>>,
}

async fn known(
    app: &App,
    tenant: TenantId,
    phones: Vec<PhoneNumber>,
    logins: Vec<Vec<u8>>,
) -> Result<Known, Error> {
    app.store()
        .report(async move |tx: &mut Tx<'_>| {
            let mut known = Known { customers: HashMap::new(), logins: Vec::new() };
            for phone in &phones {
                if let Some(found) = lango_store::customers::by_phone(tx, tenant, phone).await? {
                    known.customers.insert(phone.clone(), found.id);
                }
            }
            for hash in &logins {
                if lango_store::grants::by_login(tx, tenant, hash).await?.is_some() {
                    known.logins.push(hash.clone());
                }
            }
            Ok(known)
        })
        .await
}

fn add_newcomers(
    app: &App,
    shop: &Shop,
    order: &Order,
    known: &mut HashMap<PhoneNumber, CustomerId>,
    batch: &mut Batch,
    faults: &mut Faults,
    now: Timestamp,
) {
    let mut lines: HashMap<&PhoneNumber, u64> = HashMap::new();
    for newcomer in &order.newcomers {
        if let Some(phone) = &newcomer.phone {
            if let Some(line) = lines.insert(phone, newcomer.line) {
                faults.note(newcomer.line, "phone", format!("line {line} has the same number"));
                continue;
            }
            if known.contains_key(phone) {
                let problem = format!("{phone} belongs to a customer there is already");
                faults.note(newcomer.line, "phone", problem);
                continue;
            }
        }
        batch.customers.push(Customer {
            id: app.id(now),
            tenant: shop.tenant.id,
            name: newcomer.name.clone(),
            phone: newcomer.phone.clone(),
            language: newcomer.language,
            created_at: now,
            version: 1,
        });
    }
}

/// Everything finds its owner: by his number, or as somebody new.
fn add_holdings(
    app: &App,
    shop: &Shop,
    order: &Order,
    known: &mut HashMap<PhoneNumber, CustomerId>,
    batch: &mut Batch,
    faults: &mut Faults,
    now: Timestamp,
) {
    for holding in &order.holdings {
        let Owner { name, phone } = &holding.owner;
        let customer = match (phone.as_ref().and_then(|phone| known.get(phone)), name, phone) {
            (Some(found), ..) => Some(*found),
            (None, Some(name), phone) => {
                let (id, name) = (app.id(now), name.clone());
                let (tenant, phone) = (shop.tenant.id, phone.clone());
                known.extend(phone.clone().map(|phone| (phone, id)));
                let customer = Customer {
                    id,
                    tenant,
                    name,
                    phone,
                    language: None,
                    created_at: now,
                    version: 1,
                };
                batch.customers.push(customer);
                Some(id)
            }
            (None, None, Some(phone)) => {
                let problem = format!(
                    "no customer has {phone}: add a column `customer` with his name, or import \
                     the customers first"
                );
                faults.note(holding.line, "phone", problem);
                None
            }
            (None, None, None) => None,
        };
        let newcomer = install_grants::Newcomer {
            access: holding.access.clone(),
            kind: holding.kind,
            customer,
            router: holding.router,
            standing: holding.standing,
        };
        batch.grants.push((holding.plan, newcomer));
    }
}

async fn write(
    app: &App,
    shop: &Shop,
    subject: Subject,
    batch: Batch,
    by: &By,
    now: Timestamp,
) -> Result<Report, ImportError> {
    let (desk, by, tenant, plans) = (app.clone(), by.clone(), shop.tenant.id, shop.plans.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::numbers_before(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => return Ok(Ok(replayed(&made))),
                Ok(None) => {}
            }
            lango_store::customers::insert_all(tx, &batch.customers).await?;
            let mut grants = 0;
            for (place, plan) in plans.iter().enumerate() {
                let of_plan: Vec<install_grants::Newcomer> = batch
                    .grants
                    .iter()
                    .filter(|(of, _)| *of == place)
                    .map(|(_, newcomer)| newcomer.clone())
                    .collect();
                grants += install(tx, &desk, plan, &of_plan, &by.actor, now).await?.len();
            }
            let customers = batch.customers.len();
            asked::keep_numbers(tx, &by, &[customers as i64, grants as i64], now).await?;
            let detail =
                format!("{} from a table: {customers} customers, {grants} grants", subject.word());
            let entry = Entry::of(tenant, "imported", detail);
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(report(false, customers, grants, Faults::default())))
        })
        .await?
}
