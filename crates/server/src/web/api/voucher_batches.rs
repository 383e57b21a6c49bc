//! Vouchers that were made together: on paper and off sale.

use crate::operations::issue_vouchers::printed;
use crate::operations::print_batch::{PrintBatchError, Printout, print_batch};
use crate::operations::void_batch::{VoidError, void_batch};
use crate::printing::{self, Layout};
use crate::sheet;
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Nothing, Raw, RawKind, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::table::Paged;
use crate::web::api::words::Whole;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use lango_domain::ids::{BatchId, PlanId, ResellerId, RouterId};
use lango_domain::money::Money;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::batches::{self, Fate, ListedBatch};
use lango_store::{Order, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Vouchers that were made together.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[schemars(rename = "VoucherBatch")]
struct Batch {
    id: BatchId,
    plan: PlanId,
    plan_name: String,
    /// Who sells them; null is the business itself
    reseller: Option<ResellerId>,
    reseller_name: Option<String>,
    /// The only router they are good for; null is all of them
    router: Option<RouterId>,
    count: i64,
    /// What one cost when they were made
    price: Money,
    /// How often they went onto paper
    prints: i64,
    made_by: String,
    created_at: Timestamp,
    /// When what was unused of them was ended
    voided_at: Option<Timestamp>,
}

/// The same with what became of them.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[schemars(rename = "VoucherBatchWithFate")]
struct BatchWithFate {
    #[serde(flatten)]
    batch: Batch,
    /// Used for the first time: their users had bought them
    sold: i64,
    /// Still good and unused
    left: i64,
    printed: Vec<Print>,
}

/// One time that the codes went onto paper.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[schemars(rename = "VoucherPrint")]
struct Print {
    at: Timestamp,
    by: String,
    /// Which sheet or roll, or `table`
    layout: String,
    count: i64,
}

/// What a voided batch has become.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[schemars(rename = "VoidedVoucherBatch")]
struct Voided {
    /// Were unused and are ended
    ended: usize,
    /// Were used and stay as they are
    used: usize,
    /// Were over unused already
    over: usize,
}

impl Shown for BatchWithFate {}
impl Shown for Voided {}

/// How a batch is printed.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VoucherPrintOrder")]
struct PrintOrder {
    layout: LayoutWord,
}

/// Sheets of A4, or rolls.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[schemars(inline)]
enum LayoutWord {
    #[serde(rename = "24")]
    Sheet24,
    #[serde(rename = "40")]
    Sheet40,
    #[serde(rename = "65")]
    Sheet65,
    #[serde(rename = "58mm")]
    Roll58,
    #[serde(rename = "80mm")]
    Roll80,
}

impl From<LayoutWord> for Layout {
    fn from(word: LayoutWord) -> Layout {
        match word {
            LayoutWord::Sheet24 => Layout::Sheet24,
            LayoutWord::Sheet40 => Layout::Sheet40,
            LayoutWord::Sheet65 => Layout::Sheet65,
            LayoutWord::Roll58 => Layout::Roll58,
            LayoutWord::Roll80 => Layout::Roll80,
        }
    }
}

/// Which batches are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct BatchesQuery {
    /// Only those that he sells
    reseller: Option<ResellerId>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for BatchesQuery {
    fn going_on(&self, cursor: Option<String>) -> BatchesQuery {
        BatchesQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

const TAG: &str = "vouchers";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/voucher-batches", "list_voucher_batches")
        .about(TAG, "Vouchers that were made together, latest first");
    doors.open_list(list, async |ask: Ask<(), BatchesQuery>| page(&ask).await.map(Reply::ok));
    let show = Sign::get("/api/v1/voucher-batches/{batch}", "show_voucher_batch")
        .about(TAG, "A batch, what became of it, and each time it was printed");
    doors.open(show, async |ask: Ask<BatchId>| show_one(&ask).await.map(Reply::ok));
    let void = Sign::act("/api/v1/voucher-batches/{batch}/void", "void_voucher_batch")
        .unversioned()
        .about(TAG, "End whatever is unused of a batch for good; what is used stays")
        .needs(Permission::Manage);
    doors.open(void, async |ask: Ask<BatchId>| {
        let whose = (ask.tenant(), ask.path);
        let voided = void_batch(&ask.here.app, whose, ask.by(), ask.now()).await?;
        let crate::operations::void_batch::Voided { ended, used, over } = voided;
        Ok(Reply::ok(Voided { ended, used, over }))
    });
    let print = Sign::run("/api/v1/voucher-batches/{batch}/print", "print_voucher_batch")
        .about(TAG, "What is unused of a batch as PDF; each time is written down")
        .needs(Permission::Sell);
    let kind = RawKind("application/pdf");
    doors.open_raw(print, kind, async |ask: Ask<BatchId, NoQuery, Json<PrintOrder>>| {
        let layout = Layout::from(ask.body.0.layout);
        let printout = read(&ask, layout.word()).await?;
        let app = ask.here.app.clone();
        // Thousands of cards take some hundred milliseconds: not on a thread that others wait for.
        let drawn = tokio::task::spawn_blocking(move || draw(layout, &printout, &app)).await;
        match drawn {
            Ok(Ok(bytes)) => Ok(file(bytes, "application/pdf")),
            Ok(Err(_)) | Err(_) => Err(Problem::ours()),
        }
    });
    let export = Sign::run("/api/v1/voucher-batches/{batch}/export", "export_voucher_batch")
        .about(TAG, "The codes of what is unused as CSV; written down as a print")
        .needs(Permission::Sell);
    let kind = RawKind("text/csv");
    doors.open_raw(export, kind, async |ask: Ask<BatchId, NoQuery, Nothing>| {
        let printout = read(&ask, "table").await?;
        Ok(file(table(&printout).into_bytes(), "text/csv; charset=utf-8"))
    });
}

async fn page(ask: &Ask<(), BatchesQuery>) -> Result<Page<Batch>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = Order::Descending;
    let place = Place::read("voucher batches", order, query.limit, query.cursor.as_deref())?;
    let rows = |from: Option<BatchId>, limit: i64| {
        let store = store.clone();
        async move {
            let page =
                async move |tx: &mut Tx<'_>| batches::page(tx, tenant, order, from, limit).await;
            store.read(page).await
        }
    };
    let his = query.reseller;
    let keep = |row: &ListedBatch| his.is_none() || row.batch.reseller == his;
    let (rows, next) = walk(&place, his.is_none(), rows, |row| row.batch.id, keep).await?;
    Ok(place.page(rows.into_iter().map(Batch::from).collect(), next))
}

async fn show_one(ask: &Ask<BatchId>) -> Result<BatchWithFate, Problem> {
    let (tenant, id) = (ask.tenant(), ask.path);
    let look = async move |tx: &mut Tx<'_>| {
        let Some(listed) = batches::find(tx, tenant, id).await? else { return Ok(None) };
        Ok(Some((listed, batches::fate(tx, id).await?, batches::prints(tx, id).await?)))
    };
    let found = ask.here.app.store().read(look).await?;
    let (listed, fate, prints) = found.ok_or_else(|| Problem::missing("voucher batch"))?;
    let Fate { sold, left } = fate;
    let printed = prints
        .into_iter()
        .map(|print| Print {
            at: print.at,
            by: print.actor,
            layout: print.layout,
            count: print.count,
        })
        .collect();
    Ok(BatchWithFate { batch: listed.into(), sold, left, printed })
}

async fn read<B>(ask: &Ask<BatchId, NoQuery, B>, layout: &str) -> Result<Printout, Problem> {
    let whose = (ask.tenant(), ask.path);
    Ok(print_batch(&ask.here.app, whose, layout, ask.by(), ask.now()).await?)
}

fn draw(
    layout: Layout,
    printout: &Printout,
    app: &crate::app::App,
) -> Result<Vec<u8>, printing::PrintError> {
    let portal = app.public_url().filter(|_| layout.has_qr());
    let cards: Vec<printing::Card> = printout
        .vouchers
        .iter()
        .map(|voucher| printing::card_of(printout, voucher, portal))
        .collect();
    printing::print(layout, &cards)
}

fn table(printout: &Printout) -> String {
    let mut text = sheet::line(["serial", "code", "id"].map(str::to_owned));
    for voucher in &printout.vouchers {
        let cells = [voucher.serial.to_string(), printed(&voucher.code), voucher.grant.to_string()];
        text.push_str(&sheet::line(cells));
    }
    text
}

fn file(bytes: Vec<u8>, kind: &'static str) -> Raw {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // Codes are money: no cache keeps them.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Raw { response: (headers, bytes).into_response() }
}

impl From<ListedBatch> for Batch {
    fn from(listed: ListedBatch) -> Batch {
        let ListedBatch { batch, plan, reseller, prints } = listed;
        Batch {
            id: batch.id,
            plan: batch.plan,
            plan_name: plan,
            reseller: batch.reseller,
            reseller_name: reseller,
            router: batch.router,
            count: batch.count,
            price: batch.price,
            prints,
            made_by: batch.actor,
            created_at: batch.created_at,
            voided_at: batch.voided_at,
        }
    }
}

impl From<PrintBatchError> for Problem {
    fn from(error: PrintBatchError) -> Problem {
        match error {
            PrintBatchError::Lost(lost) => lost.into(),
            PrintBatchError::Voided(_) | PrintBatchError::Nothing(_) => {
                Problem::conflict(error.to_string())
            }
            PrintBatchError::Store(error) => error.into(),
        }
    }
}

impl From<VoidError> for Problem {
    fn from(error: VoidError) -> Problem {
        match error {
            VoidError::Lost(lost) => lost.into(),
            VoidError::Store(error) => error.into(),
        }
    }
}
