//! Money that came, what waits for a person, wallets, and the sums of the books.

use crate::operations::renew_itself::{CannotRenew, let_renew_itself, renews_itself};
use crate::operations::spend_wallet::{Buys, NotSpent, Spent as Bought, spend_wallet};
use crate::operations::work_off_money::{NotWorkedOff, Use, give_money_back, work_off_money};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::sessions::AgeSort;
use crate::web::api::table::Paged;
use crate::web::api::words::{Line, Whole};

use lango_domain::ids::{
    CustomerId, GatewayId, GrantId, Id, MoneyId, PaymentId, PlanId, PostingId,
};
use lango_domain::money::Money;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::ledger::{self, Balance as Sum};
use lango_store::money_in::{self, Fate, MoneyIn as Stored};
use lango_store::{Tx, customers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Money that came.
#[derive(Serialize, JsonSchema, Debug)]
struct MoneyIn {
    id: MoneyId,
    /// By which gateway; null if somebody of the staff took it
    gateway: Option<GatewayId>,
    /// Who says so: daraja, cash …
    provider: String,
    /// The provider's own number of it
    receipt: String,
    amount: Money,
    /// What the payer typed as account
    account: String,
    /// Who paid, as far as it is said: a number, a masked one, a hash
    payer: Option<String>,
    payer_name: Option<String>,
    paid_at: Timestamp,
    heard_at: Timestamp,
    state: MoneyState,
    /// Why it waits for a person
    misfit: Option<String>,
    /// The purchase that it was for
    payment: Option<PaymentId>,
    /// Whose it is
    customer: Option<CustomerId>,
    /// What it bought
    grant: Option<GrantId>,
    version: i64,
}

/// What became of money.
#[derive(Serialize, JsonSchema, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
enum MoneyState {
    Used,
    Waiting,
    Credited,
    GivenBack,
}

impl Shown for MoneyIn {}

impl From<Stored> for MoneyIn {
    fn from(stored: Stored) -> MoneyIn {
        let (state, misfit) = match stored.fate {
            Fate::Used => (MoneyState::Used, None),
            Fate::Waiting(why) => (MoneyState::Waiting, Some(crate::payments::word(why))),
            Fate::Credited => (MoneyState::Credited, None),
            Fate::GivenBack => (MoneyState::GivenBack, None),
        };
        MoneyIn {
            id: stored.id,
            gateway: stored.gateway,
            provider: stored.provider,
            receipt: stored.receipt,
            amount: stored.amount,
            account: stored.account,
            payer: stored.payer,
            payer_name: stored.payer_name,
            paid_at: stored.paid_at,
            heard_at: stored.heard_at,
            state,
            misfit,
            payment: stored.payment,
            customer: stored.customer,
            grant: stored.grant,
            version: stored.version,
        }
    }
}

/// What waiting money is for: one of the three.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MoneyUse")]
struct UseBody {
    /// Why; it stands in the account
    reason: Line<200>,
    /// It renews this, if it is enough; what is left over is its customer's
    grant: Option<GrantId>,
    /// It is this customer's, for later
    customer: Option<CustomerId>,
    /// Somebody gave it back by hand
    #[serde(default)]
    given_back: bool,
}

/// That somebody gave money back by hand.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MoneyGivenBack")]
struct BackBody {
    /// Why; it stands in the account
    reason: Line<200>,
    /// Whether what it bought ends now
    #[serde(default)]
    end: bool,
}

/// Which money is listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct MoneyQuery {
    /// Only what waits for a person
    waiting: Option<bool>,
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for MoneyQuery {
    fn going_on(&self, cursor: Option<String>) -> MoneyQuery {
        MoneyQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

/// What a customer has with us.
#[derive(Serialize, JsonSchema, Debug)]
struct Wallet {
    /// By currency
    balances: Vec<Money>,
    /// The last hundred, latest first
    lines: Vec<WalletLine>,
}

/// What came into a wallet or went out of it.
#[derive(Serialize, JsonSchema, Debug)]
struct WalletLine {
    id: PostingId,
    at: Timestamp,
    /// Negative if it went
    amount: Money,
    what: String,
}

impl Shown for Wallet {}

/// What a wallet is to buy: one of the two.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WalletPurchase")]
struct SpendBody {
    /// Renews this
    grant: Option<GrantId>,
    /// Buys this
    plan: Option<PlanId>,
}

/// What a wallet bought.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "WalletReceipt")]
struct Spent {
    grant: GrantId,
    receipt: String,
    price: Money,
    /// What is left in the wallet
    left: Money,
}

impl Shown for Spent {}

/// Whether a grant renews itself from its customer's wallet.
#[derive(Serialize, JsonSchema, Debug)]
struct Renewal {
    from_wallet: bool,
    since: Option<Timestamp>,
}

impl Shown for Renewal {}

impl From<Option<Timestamp>> for Renewal {
    fn from(since: Option<Timestamp>) -> Renewal {
        Renewal { from_wallet: since.is_some(), since }
    }
}

/// Whether it is to renew itself.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RenewalChange")]
struct RenewalBody {
    from_wallet: bool,
}

/// The sums of the books.
#[derive(Serialize, JsonSchema, Debug)]
struct Ledger {
    balances: Vec<Balance>,
    /// Entries that do not add up to nothing: always none
    unbalanced: i64,
    /// Wallets that differ from their lines: always none
    wallets_off: i64,
}

impl Shown for Ledger {}

/// The sum of an account. Debit is positive: what is with providers. Credit is negative: what was
/// earned, what is customers'.
#[derive(Serialize, JsonSchema, Debug)]
struct Balance {
    /// clearing, suspense, wallet (all of them), revenue, refunds, fees
    account: String,
    /// With which provider; null is the till
    gateway: Option<GatewayId>,
    amount: Money,
}

const TAG: &str = "money";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/money", "list_money").about(TAG, "Money that came");
    doors.open_list(list, async |ask: Ask<(), MoneyQuery>| page(&ask).await);
    let show = Sign::get("/api/v1/money/{money}", "show_money").about(TAG, "One payment in");
    doors.open(show, async |ask: Ask<MoneyId>| {
        let (tenant, id) = (ask.tenant(), ask.path);
        let find = async move |tx: &mut Tx<'_>| money_in::find(tx, tenant, id).await;
        let found = ask.here.app.store().read(find).await?;
        found.map(reply).ok_or_else(|| Problem::missing("money"))
    });
    let work_off = Sign::act("/api/v1/money/{money}/work-off", "work_off_money")
        .about(TAG, "Say what waiting money is for; that cannot be undone")
        .needs(Permission::Manage);
    doors.open(work_off, async |ask: Ask<MoneyId, NoQuery, Json<UseBody>>| {
        let UseBody { reason, grant, customer, given_back } = &ask.body.0;
        let what = match (grant, customer, given_back) {
            (Some(grant), None, false) => Use::Grant(*grant),
            (None, Some(customer), false) => Use::Wallet(*customer),
            (None, None, true) => Use::GivenBack,
            _ => return Err(Problem::invalid("say one of grant, customer and given_back")),
        };
        let (app, whose, why) = (&ask.here.app, (ask.tenant(), ask.path), reason.0.clone());
        let done =
            work_off_money(app, whose, (what, why), ask.expected, ask.by(), ask.now()).await?;
        Ok(reply(done))
    });
    let back = Sign::act("/api/v1/money/{money}/give-back", "give_money_back")
        .about(TAG, "Note that money was given back by hand")
        .needs(Permission::Manage);
    doors.open(back, async |ask: Ask<MoneyId, NoQuery, Json<BackBody>>| {
        let BackBody { reason, end } = &ask.body.0;
        let (app, whose, how) = (&ask.here.app, (ask.tenant(), ask.path), (*end, reason.0.clone()));
        let done = give_money_back(app, whose, how, ask.expected, ask.by(), ask.now()).await?;
        Ok(reply(done))
    });
    let ledger = Sign::get("/api/v1/ledger", "show_ledger").about(TAG, "The sums of the books");
    doors.open(ledger, async |ask: Ask| books(&ask).await.map(Reply::ok));
    open_wallets(doors);
}

fn open_wallets(doors: &mut Doors) {
    let show = Sign::get("/api/v1/customers/{customer}/wallet", "show_wallet")
        .about(TAG, "What a customer has with us, and how it came about");
    doors.open(show, async |ask: Ask<CustomerId>| wallet(&ask).await.map(Reply::ok));
    let spend = Sign::make("/api/v1/customers/{customer}/wallet/spend", "spend_wallet")
        .about(TAG, "Buy or renew something by a customer's wallet")
        .needs(Permission::Sell);
    doors.open(spend, async |ask: Ask<CustomerId, NoQuery, Json<SpendBody>>| {
        let what = match (ask.body.0.grant, ask.body.0.plan) {
            (Some(grant), None) => Buys::Renewal(grant),
            (None, Some(plan)) => Buys::New(plan),
            _ => return Err(Problem::invalid("say either grant or plan")),
        };
        let (app, whose) = (&ask.here.app, (ask.tenant(), ask.path));
        let Bought { grant, receipt, price, left } =
            spend_wallet(app, whose, what, ask.by(), ask.now()).await?;
        Ok(Reply::ok(Spent { grant, receipt, price, left }))
    });
    let show = Sign::get("/api/v1/grants/{grant}/renewal", "show_renewal")
        .about(TAG, "Whether it renews itself from its customer's wallet");
    doors.open(show, async |ask: Ask<GrantId>| {
        let since = renews_itself(&ask.here.app, (ask.tenant(), ask.path)).await?;
        Ok(Reply::ok(Renewal::from(since)))
    });
    let change = Sign::change("/api/v1/grants/{grant}/renewal", "change_renewal")
        .about(TAG, "Have it renew itself from its customer's wallet, or no more")
        .unversioned()
        .needs(Permission::Sell);
    doors.open(change, async |ask: Ask<GrantId, NoQuery, Json<RenewalBody>>| {
        let (app, whose, on) = (&ask.here.app, (ask.tenant(), ask.path), ask.body.0.from_wallet);
        let since = let_renew_itself(app, whose, on, ask.by(), ask.now()).await?;
        Ok(Reply::ok(Renewal::from(since)))
    });
}

fn reply(stored: Stored) -> Reply<MoneyIn> {
    let version = stored.version;
    Reply::ok(MoneyIn::from(stored)).version(version)
}

async fn wallet(ask: &Ask<CustomerId>) -> Result<Wallet, Problem> {
    const LINES: i64 = 100;
    let (tenant, id) = (ask.tenant(), ask.path);
    let read = async move |tx: &mut Tx<'_>| {
        let customer = customers::find(tx, id).await?;
        if customer.is_none_or(|customer| customer.tenant != tenant) {
            return Ok(None);
        }
        let balances = ledger::wallets(tx, tenant, id).await?;
        Ok(Some((balances, ledger::wallet_lines(tx, tenant, id, None, LINES).await?)))
    };
    let found = ask.here.app.store().read(read).await?;
    let (balances, lines) = found.ok_or_else(|| Problem::missing("customer"))?;
    let lines = lines.into_iter().map(|line| {
        let ledger::WalletLine { id, at, amount, what } = line;
        WalletLine { id, at, amount, what }
    });
    Ok(Wallet { balances, lines: lines.collect() })
}

async fn books(ask: &Ask) -> Result<Ledger, Problem> {
    let tenant = ask.tenant();
    let read = async move |tx: &mut Tx<'_>| {
        let balances = ledger::balances(tx, tenant).await?;
        let unbalanced = ledger::count_unbalanced(tx, tenant).await?;
        Ok((balances, unbalanced, ledger::count_wallets_off(tx, tenant).await?))
    };
    let (sums, unbalanced, wallets_off) = ask.here.app.store().report(read).await?;
    Ok(Ledger { balances: added_up(sums), unbalanced, wallets_off })
}

/// All wallets are one line: what each holds is its customer's business.
fn added_up(sums: Vec<Sum>) -> Vec<Balance> {
    let mut added: Vec<Balance> = Vec::new();
    for Sum { account, owner, amount } in sums {
        let is_gateway = account == "clearing" && owner != 0;
        let gateway = is_gateway.then(|| GatewayId::from_raw(owner));
        let same = added.iter_mut().find(|one| {
            one.account == account
                && one.gateway == gateway
                && one.amount.currency == amount.currency
        });
        match same {
            Some(one) => one.amount.amount = one.amount.amount.saturating_add(amount.amount),
            None => added.push(Balance { account, gateway, amount }),
        }
    }
    added
}

async fn page(ask: &Ask<(), MoneyQuery>) -> Result<Reply<Page<MoneyIn>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let (order, only_waiting) = (AgeSort::order(query.sort), query.waiting.unwrap_or(false));
    let place = Place::read("money", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<MoneyId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                money_in::listed(tx, tenant, only_waiting, order, from, limit).await
            };
            store.read(read).await
        }
    };
    let (rows, next) = walk(&place, true, read, |money| money.id, |_| true).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(MoneyIn::from).collect(), next)))
}

impl From<NotWorkedOff> for Problem {
    fn from(error: NotWorkedOff) -> Problem {
        match error {
            NotWorkedOff::Lost(lost) => lost.into(),
            NotWorkedOff::Store(error) => error.into(),
            NotWorkedOff::NoReason => Problem::invalid(error.to_string()).at("/reason"),
            other => Problem::conflict(other.to_string()),
        }
    }
}

impl From<NotSpent> for Problem {
    fn from(error: NotSpent) -> Problem {
        match error {
            NotSpent::Lost(lost) => lost.into(),
            NotSpent::Store(error) => error.into(),
            NotSpent::Reused(reused) => reused.into(),
            other => Problem::conflict(other.to_string()),
        }
    }
}

impl From<CannotRenew> for Problem {
    fn from(error: CannotRenew) -> Problem {
        match error {
            CannotRenew::Lost(lost) => lost.into(),
            CannotRenew::Store(error) => error.into(),
            other => Problem::conflict(other.to_string()),
        }
    }
}
