//! Vouchers from the making to the end: batches, who sells them, how they are printed, what is
//! offered where and when.

use crate::cli::Shop;
use crate::harness::{Engine, Harness, NOON};
use lango_domain::grant::{EndReason, Event};
use lango_domain::ids::{BatchId, GrantId, PlanId, ResellerId, RouterId};
use lango_domain::money::{Currency, Money};
use lango_domain::plan::Terms;
use lango_domain::quantity::DataSize;
use lango_domain::sale::Sale;
use lango_domain::time::Span;
use lango_server::operations::add_plan::{NewPlan, SaleError, add_plan_for_sale};
use lango_server::operations::asked;
use lango_server::operations::change_plan::{ChangePlanError, PlanChange, change_plan};
use lango_server::operations::issue_vouchers::{
    IssueError, Issued, VoucherOrder, issue_batch, sell_vouchers,
};
use lango_server::operations::plans_for_sale::{NotOffered, Offer, offer, plans_for_sale};
use lango_server::operations::print_batch::{PrintBatchError, Printout, print_batch};
use lango_server::operations::resellers::{NewReseller, add_reseller};
use lango_server::operations::trials::{self, NoTrial, NotGiven, Taker, TrialWish, give_trial};
use lango_server::operations::void_batch::{Voided, void_batch};
use lango_server::printing::{self, Layout, card_of};
use lango_store::batches::Fate;
use lango_store::resellers::Stock;
use lango_store::{Error, Tx};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Runs a story on SQLite and on PostgreSQL.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() { super::$story(super::Engine::Sqlite).await }
        )* }
        mod on_postgres { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() { super::$story(super::Engine::Postgres).await }
        )* }
    };
}

stories!(
    a_router_offers_what_is_sold_there_at_that_hour_in_order,
    a_trial_is_taken_once_by_each_device_and_each_number,
    a_trial_is_given_once_however_often_it_is_asked_for,
    a_resellers_stock_tells_what_was_sold_and_what_is_left,
    a_voided_batch_ends_what_is_unused_and_leaves_what_is_used,
    what_nobody_sold_and_what_nobody_used_lapses,
    each_time_that_codes_go_onto_paper_is_written_down,
    a_bundle_gives_as_many_vouchers_as_it_says,
);

fn hour() -> Terms {
    Terms::hotspot(Span::hours(1))
}

fn by() -> asked::By {
    asked::By::cli()
}

impl Harness {
    async fn sold(&self, name: &str, shillings: i64, terms: Terms, sale: Sale) -> PlanId {
        let price = Money::new(shillings * 100, Currency::KES);
        let new = NewPlan { tenant: self.tenant, name: name.to_owned(), price, terms };
        let added = add_plan_for_sale(&self.app, new, sale, &by(), self.now()).await;
        added.unwrap().plan.id
    }

    async fn offered(&self, router: Option<RouterId>) -> Vec<Offer> {
        plans_for_sale(&self.app, self.tenant, router, self.now()).await.unwrap()
    }

    async fn names(&self, router: Option<RouterId>) -> Vec<String> {
        self.offered(router).await.into_iter().map(|offer| offer.name).collect()
    }

    async fn in_transaction<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    {
        self.app.store().write(work).await.unwrap()
    }

    async fn batch(&self, plan: &str, count: usize, reseller: Option<ResellerId>) -> Issued {
        self.try_batch(plan, count, reseller).await.unwrap()
    }

    async fn try_batch(
        &self,
        plan: &str,
        count: usize,
        reseller: Option<ResellerId>,
    ) -> Result<Issued, IssueError> {
        let (tenant, plan) = (self.tenant, plan.to_owned());
        let order = VoucherOrder { tenant, plan, count, customer: None, router: None };
        issue_batch(&self.app, order, reseller, &by(), self.now(), |_| {}).await
    }

    /// Somebody logs in with it for the first time.
    async fn first_use(&self, grant: GrantId) {
        let (since, data) = (self.now(), DataSize::ZERO);
        self.tell(grant, Event::Seen { devices: 1, since, uptime: Span::ZERO, data }).await;
    }

    async fn fate(&self, batch: BatchId) -> (i64, i64) {
        let fate = async move |tx: &mut Tx<'_>| lango_store::batches::fate(tx, batch).await;
        let Fate { sold, left } = self.app.store().read(fate).await.unwrap();
        (sold, left)
    }

    async fn print(&self, batch: BatchId, layout: &str) -> Result<Printout, PrintBatchError> {
        print_batch(&self.app, (self.tenant, batch), layout, &by(), self.now()).await
    }
}

async fn a_router_offers_what_is_sold_there_at_that_hour_in_order(engine: Engine) {
    let mut t = Harness::on(engine).await;
    t.router("Beach", crate::harness::By::Api).await;
    t.router("Hill", crate::harness::By::Api).await;
    let (beach, hill) = (t.router_id("Beach"), t.router_id("Hill"));
    t.sold("Day", 100, Terms::hotspot(Span::hours(24)), Sale::default()).await;
    let hour = t.sold("Hour", 20, hour(), Sale::default()).await;
    t.sold("Home", 2_500, Terms::service(Span::days(30)), Sale::default()).await;
    let night = Sale { hours: Some("22:00-06:00".parse().unwrap()), ..Sale::default() };
    let night = t.sold("Night", 30, Terms::hotspot(Span::hours(8)), night).await;
    let sale = Sale { routers: vec![beach], place: -1, ..Sale::default() };
    let surf = t.sold("Surf", 50, Terms::hotspot(Span::hours(2)), sale.clone()).await;

    // Noon: no night; at the beach its own plan first, because it wants to be.
    assert_eq!(t.names(Some(beach)).await, ["Surf", "Hour", "Day"]);
    assert_eq!(t.names(Some(hill)).await, ["Hour", "Day"]);
    assert_eq!(t.names(None).await, ["Hour", "Day"]);
    t.app.clock().set(NOON + Span::hours(10));
    assert_eq!(t.names(Some(hill)).await, ["Hour", "Night", "Day"]);
    let offers = t.offered(Some(hill)).await;
    assert_eq!(offers[1].sold_until, Some(NOON + Span::hours(18)), "six in the morning");
    assert_eq!((offers[0].time, offers[0].devices.get()), (Some(Span::hours(1)), 1));
    assert_eq!((offers[0].price.amount, offers[0].sold_until), (2_000, None));

    // A page that is old is answered by the hour, not by what it showed.
    let (tenant, late) = (t.tenant, NOON + Span::hours(18));
    let asked = async move |tx: &mut Tx<'_>| {
        let night = offer(tx, (tenant, night), Some(hill), late).await?;
        let surf = offer(tx, (tenant, surf), Some(hill), late).await?;
        Ok((night, surf, offer(tx, (tenant, hour), Some(hill), late).await?))
    };
    let (night, elsewhere, good) = t.in_transaction(asked).await;
    assert_eq!(night, Err(NotOffered::Later { from: Some(NOON + Span::hours(34)) }));
    assert_eq!(elsewhere, Err(NotOffered::NotHere));
    assert_eq!(good.unwrap().name, "Hour");

    let gone = PlanChange { on_sale: Some(false), ..PlanChange::default() };
    change_plan(&t.app, (t.tenant, surf), gone, None, &by(), t.now()).await.unwrap();
    assert_eq!(t.names(Some(beach)).await, ["Hour", "Night", "Day"]);
    let foreign = Sale { routers: vec![lango_domain::ids::Id::from_raw(5)], ..sale };
    let change = PlanChange { sale: Some(foreign), ..PlanChange::default() };
    let refused = change_plan(&t.app, (t.tenant, hour), change, None, &by(), t.now()).await;
    assert!(matches!(refused, Err(ChangePlanError::Sale(SaleError::NoRouter(_)))), "{refused:?}");
}

async fn a_trial_is_taken_once_by_each_device_and_each_number(engine: Engine) {
    let t = Harness::on(engine).await;
    let sale = Sale { trial: true, ..Sale::default() };
    let plan = t.sold("Try", 0, Terms::hotspot(Span::minutes(10)), sale.clone()).await;
    assert!(t.offered(None).await[0].trial);
    let phone = |number: &str| {
        let home = lango_domain::phone_number::Country::Ke;
        Some(lango_domain::phone_number::PhoneNumber::parse(number, home).unwrap())
    };
    let mac = |text: &str| Some(text.parse().unwrap());
    let (one, other) = (mac("AA:00:00:00:00:01"), mac("AA:00:00:00:00:02"));
    let tenant = t.tenant;
    let take = async |mac, phone| {
        let taker = Taker { mac, phone };
        t.in_transaction(async move |tx: &mut Tx<'_>| {
            trials::take(tx, tenant, plan, &taker, NOON).await
        })
        .await
    };
    assert_eq!(take(one, phone("0711111111")).await, Ok(()));
    let had = Err(NoTrial::Had { at: NOON });
    assert_eq!(take(one, phone("0722222222")).await, had, "the same device, another number");
    assert_eq!(take(other, phone("0711111111")).await, had, "the same number, another device");
    assert_eq!(take(one, None).await, had);
    assert_eq!(take(None, None).await, Err(NoTrial::Nobody));
    assert_eq!(take(other, phone("0722222222")).await, Ok(()), "refusals take nothing");
    let price = Money::new(1, Currency::KES);
    let change = PlanChange { price: Some(price), ..PlanChange::default() };
    let refused = change_plan(&t.app, (tenant, plan), change, None, &by(), NOON).await;
    assert!(matches!(refused, Err(ChangePlanError::Sale(SaleError::TrialHasPrice))));
}

async fn a_trial_is_given_once_however_often_it_is_asked_for(engine: Engine) {
    let mut t = Harness::on(engine).await;
    t.router("Lobby", crate::harness::By::Api).await;
    let router = t.router_id("Lobby");
    let sale = Sale { trial: true, ..Sale::default() };
    let plan = t.sold("Try", 0, Terms::hotspot(Span::minutes(10)), sale).await;
    let hour = t.sold("Hour", 20, hour(), Sale::default()).await;
    let (tenant, home) = (t.tenant, lango_domain::phone_number::Country::Ke);
    let wish = |plan, device: &str, number: &str| TrialWish {
        tenant,
        plan,
        router,
        mac: device.parse().unwrap(),
        address: None,
        phone: lango_domain::phone_number::PhoneNumber::parse(number, home).unwrap(),
    };
    let ask = async |wish| give_trial(&t.app, wish, NOON).await;
    let (device, number) = ("AA:00:00:00:00:01", "0711111111");
    let (one, two, three) = tokio::join!(
        ask(wish(plan, device, number)),
        ask(wish(plan, device, "0722222222")),
        ask(wish(plan, "AA:00:00:00:00:02", number)),
    );
    let outcomes = [one, two, three];
    let given: Vec<GrantId> =
        outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).copied().collect();
    let had = |outcome: &Result<GrantId, NotGiven>| {
        matches!(outcome, Ok(_) | Err(NotGiven::NoTrial(NoTrial::Had { .. })))
    };
    assert!(outcomes.iter().all(had), "{outcomes:?}");
    // Either the first, or the two others, who have nothing in common.
    assert!((1..=2).contains(&given.len()), "{outcomes:?}");
    let told = t.story_of(given[0]).await;
    assert!(told.iter().any(|line| line.what == "trial given"), "{told:?}");
    let sold = ask(wish(hour, "AA:00:00:00:00:03", "0733333333")).await;
    assert!(matches!(sold, Err(NotGiven::NotOffered(NotOffered::NotHere))), "{sold:?}");
}

async fn a_resellers_stock_tells_what_was_sold_and_what_is_left(engine: Engine) {
    let t = Harness::on(engine).await;
    t.sold("Hour", 20, Terms { shelf_life: Some(Span::days(30)), ..hour() }, Sale::default()).await;
    let new = NewReseller {
        tenant: t.tenant,
        name: "Mama Njeri".to_owned(),
        phone: Some("0712345678".to_owned()),
        commission: "10".parse().unwrap(),
    };
    let njeri = add_reseller(&t.app, new, &by(), NOON).await.unwrap().id;
    let hers = t.batch("Hour", 3, Some(njeri)).await;
    t.batch("Hour", 5, None).await;
    let stock = async || -> Vec<Stock> {
        let stock = async move |tx: &mut Tx<'_>| lango_store::resellers::stock(tx, njeri).await;
        t.app.store().read(stock).await.unwrap()
    };
    let counts = |stock: &[Stock]| (stock[0].issued, stock[0].sold, stock[0].left);
    assert_eq!(counts(&stock().await), (3, 0, 3));
    t.first_use(hers.vouchers[0].id).await;
    t.app.clock().set(NOON + Span::minutes(5));
    t.first_use(hers.vouchers[0].id).await;
    assert_eq!(counts(&stock().await), (3, 1, 2), "whoever comes back has bought it once");
    t.app.clock().set(NOON + Span::hours(2));
    lango_server::operations::end_due_grants::end_due_grants(&t.app, t.now()).await.unwrap();
    assert_eq!(counts(&stock().await), (3, 1, 2), "what ran out was sold all the same");
    let stock = stock().await;
    assert_eq!((stock.len(), stock[0].name.as_str(), stock[0].price.amount), (1, "Hour", 2_000));
}

async fn a_voided_batch_ends_what_is_unused_and_leaves_what_is_used(engine: Engine) {
    let t = Harness::on(engine).await;
    t.plan("Hour", hour()).await;
    // More than one transaction's worth.
    let issued = t.batch("Hour", 600, None).await;
    let (batch, vouchers) = (issued.batch.unwrap(), issued.vouchers);
    for used in &vouchers[..2] {
        t.first_use(used.id).await;
    }
    let whose = (t.tenant, batch);
    let voided = void_batch(&t.app, whose, &by(), NOON).await.unwrap();
    assert_eq!(voided, Voided { ended: 598, used: 2, over: 0 });
    assert_eq!(t.fate(batch).await, (2, 0));
    assert_eq!(t.ended(vouchers[0].id).await, None, "who is online stays online");
    assert_eq!(t.ended(vouchers[599].id).await, Some(EndReason::Terminated));
    let again = void_batch(&t.app, whose, &by(), NOON).await.unwrap();
    assert_eq!(again, Voided { ended: 0, used: 2, over: 598 }, "twice is as good as once");
    assert!(matches!(t.print(batch, "24").await, Err(PrintBatchError::Voided(_))));
}

async fn what_nobody_sold_and_what_nobody_used_lapses(engine: Engine) {
    let mut t = Harness::on(engine).await;
    t.plan("Hour", Terms { shelf_life: Some(Span::days(7)), ..hour() }).await;
    let unsold = t.batch("Hour", 2, None).await;
    let customer = t.customer().await;
    let (unused, _) = t.voucher("Hour", Some(customer)).await;
    t.advance(Span::days(7).less(Span::seconds(1))).await;
    assert_eq!(t.fate(unsold.batch.unwrap()).await, (0, 2));
    t.advance(Span::seconds(1)).await;
    assert_eq!(t.fate(unsold.batch.unwrap()).await, (0, 0));
    assert_eq!(t.ended(unsold.vouchers[0].id).await, Some(EndReason::NeverUsed));
    assert_eq!(t.ended(unused).await, Some(EndReason::NeverActivated), "bought and never used");
    let nothing = t.print(unsold.batch.unwrap(), "24").await;
    assert!(matches!(nothing, Err(PrintBatchError::Nothing(_))));
}

async fn each_time_that_codes_go_onto_paper_is_written_down(engine: Engine) {
    let t = Harness::on(engine).await;
    t.plan("Hour", hour()).await;
    let issued = t.batch("Hour", 3, None).await;
    let batch = issued.batch.unwrap();
    assert_eq!(t.print(batch, "24").await.unwrap().before, 0);
    t.first_use(issued.vouchers[1].id).await;
    let again = t.print(batch, "58mm").await.unwrap();
    assert_eq!(again.before, 1);
    let serials: Vec<i64> = again.vouchers.iter().map(|voucher| voucher.serial).collect();
    assert_eq!(serials, [1, 3], "what is used is not printed again, and numbers stay");
    let codes: Vec<String> = again.vouchers.iter().map(|voucher| voucher.code.clone()).collect();
    assert_eq!(codes[1], issued.vouchers[2].code.replace('-', ""));
    let prints = async move |tx: &mut Tx<'_>| lango_store::batches::prints(tx, batch).await;
    let prints = t.app.store().read(prints).await.unwrap();
    let noted: Vec<(&str, i64)> = prints.iter().map(|p| (p.layout.as_str(), p.count)).collect();
    assert_eq!(noted, [("24", 3), ("58mm", 2)]);
    let unknown = t.print(lango_domain::ids::Id::from_raw(7), "24").await;
    assert!(matches!(unknown, Err(PrintBatchError::Lost(_))));
}

async fn a_bundle_gives_as_many_vouchers_as_it_says(engine: Engine) {
    let t = Harness::on(engine).await;
    let sale = Sale { vouchers: NonZeroU16::new(5).unwrap(), ..Sale::default() };
    let plan = t.sold("Family", 80, hour(), sale).await;
    assert_eq!(t.offered(None).await[0].vouchers.get(), 5);
    let app = t.app.clone();
    let sold = t
        .in_transaction(async move |tx: &mut Tx<'_>| {
            let plan = lango_store::plans::one(tx, plan).await?;
            let actor = asked::Actor::Payment;
            sell_vouchers(tx, &app, &plan, (None, None), &actor, NOON).await
        })
        .await;
    let codes: std::collections::BTreeSet<&str> = sold.iter().map(|v| v.code.as_str()).collect();
    assert_eq!(codes.len(), 5);
    t.first_use(sold[0].id).await;
    t.app.clock().set(NOON + Span::hours(1));
    lango_server::operations::end_due_grants::end_due_grants(&t.app, t.now()).await.unwrap();
    assert_eq!(t.ended(sold[0].id).await, Some(EndReason::TimeUp));
    assert_eq!(t.ended(sold[1].id).await, None, "each has its own hour");
    let refused = t.try_batch("Family", 5, None).await;
    assert!(matches!(refused, Err(IssueError::Bundle(_))), "its price is that of all five");
}

// --- on paper -------------------------------------------------------------------------------

/// One of the programs that read PDF.
fn reader(name: &str) -> Command {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-clients").join(name);
    assert!(tool.exists(), "run scripts/test-clients first: {} is missing", tool.display());
    Command::new(tool)
}

fn pages_of(pdf: &Path) -> Vec<String> {
    let output = reader("pdftotext").arg("-layout").arg(pdf).arg("-").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Each page ends with a form feed.
    text.split('\u{c}').filter(|page| !page.trim().is_empty()).map(str::to_owned).collect()
}

/// A page as a printer of so many dots to the inch sees it.
struct Picture {
    width: usize,
    height: usize,
    grey: Vec<u8>,
}

fn picture(pdf: &Path, page: usize, dots: u32) -> Picture {
    let (page, dots) = (page.to_string(), dots.to_string());
    let wanted = ["-gray", "-f", &page, "-l", &page, "-r", &dots, "-singlefile"];
    let output = reader("pdftoppm").args(wanted).arg(pdf).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // Portable grey map: `P5 width height 255`, then a byte for each dot.
    let mut rest = output.stdout.as_slice();
    let mut words = Vec::new();
    while words.len() < 4 {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap();
        words.push(String::from_utf8(rest[..end].to_vec()).unwrap());
        rest = &rest[end + 1..];
    }
    assert_eq!((words[0].as_str(), words[3].as_str()), ("P5", "255"));
    let (width, height) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    assert_eq!(rest.len(), width * height);
    Picture { width, height, grey: rest.to_vec() }
}

impl Picture {
    /// What is read by whoever holds his phone over a part of it.
    fn scanned(&self, (left, top): (usize, usize), (width, height): (usize, usize)) -> Vec<String> {
        let dot = |x: usize, y: usize| {
            let (x, y) = ((left + x).min(self.width - 1), (top + y).min(self.height - 1));
            self.grey[y * self.width + x]
        };
        let mut seen = rqrr::PreparedImage::prepare_from_greyscale(width, height, dot);
        let grids = seen.detect_grids();
        grids.into_iter().filter_map(|grid| Some(grid.decode().ok()?.1)).collect()
    }
}

struct Paper {
    directory: tempfile::TempDir,
}

impl Paper {
    fn new() -> Paper {
        Paper { directory: tempfile::tempdir().unwrap() }
    }

    fn print(&self, layout: Layout, printout: &Printout, portal: Option<&str>) -> PathBuf {
        let portal = portal.map(|url| url.parse().unwrap());
        let card = |voucher| card_of(printout, voucher, portal.as_ref());
        let cards: Vec<printing::Card> = printout.vouchers.iter().map(card).collect();
        let path = self.directory.path().join(format!("{}.pdf", layout.word()));
        std::fs::write(&path, printing::print(layout, &cards).unwrap()).unwrap();
        path
    }
}

const PORTAL: &str = "https://wifi.example.com";

async fn printout(t: &Harness, count: usize) -> Printout {
    let terms = Terms { shelf_life: Some(Span::days(30)), ..hour() };
    t.sold("1 hour", 20, terms, Sale::default()).await;
    let batch = t.batch("1 hour", count, None).await.batch.unwrap();
    t.print(batch, "24").await.unwrap()
}

#[tokio::test]
async fn every_layout_has_its_number_of_vouchers_on_a_page_and_all_that_belongs_on_one() {
    let t = Harness::on(Engine::Sqlite).await;
    let (printout, paper) = (printout(&t, 70).await, Paper::new());
    let batch = printout.batch.batch.id.to_string();
    for (layout, pages) in [
        (Layout::Sheet24, 3),
        (Layout::Sheet40, 2),
        (Layout::Sheet65, 2),
        (Layout::Roll58, 70),
        (Layout::Roll80, 70),
    ] {
        let text = pages_of(&paper.print(layout, &printout, Some(PORTAL)));
        assert_eq!(text.len(), pages, "{layout:?}");
        let all = text.concat();
        for voucher in &printout.vouchers {
            let code = format!("{}-{}", &voucher.code[..4], &voucher.code[4..]);
            assert!(all.contains(&code), "{layout:?} has no {code}");
            let serial = format!("{batch} {:05}", voucher.serial);
            assert!(all.contains(&serial), "{layout:?} has no {serial}");
        }
        for word in ["Hotel ABC WiFi", "1 hour", "KES 20", "use by 2026-12-21"] {
            assert!(all.matches(word).count() >= 70, "{layout:?}: {word}");
        }
        assert!(all.contains("Join our Wi-Fi"), "{layout:?}");
    }
}

#[tokio::test]
async fn every_qr_code_is_read_at_the_size_at_which_it_is_printed() {
    let t = Harness::on(Engine::Sqlite).await;
    let (printout, paper) = (printout(&t, 45).await, Paper::new());
    let expected: Vec<String> = printout
        .vouchers
        .iter()
        .map(|voucher| format!("HTTPS://WIFI.EXAMPLE.COM/V/{}", voucher.code))
        .collect();
    for (layout, columns, rows) in [(Layout::Sheet24, 3, 8), (Layout::Sheet40, 4, 10)] {
        let pdf = paper.print(layout, &printout, Some(PORTAL));
        let mut read = Vec::new();
        for page in 1..=expected.len().div_ceil(columns * rows) {
            let page = picture(&pdf, page, 300);
            // A millimetre is 11.8 dots at 300 to the inch; a sheet has margins of ten.
            let edge = 118;
            let (width, height) =
                ((page.width - 2 * edge) / columns, (page.height - 2 * edge) / rows);
            for cell in 0..columns * rows {
                let corner = (edge + cell % columns * width, edge + cell / columns * height);
                read.extend(page.scanned(corner, (width, height)));
            }
        }
        assert_eq!(read, expected, "{layout:?}");
    }
    for layout in [Layout::Roll58, Layout::Roll80] {
        let pdf = paper.print(layout, &printout, Some(PORTAL));
        // Till printers have 203 dots to the inch.
        let seen = (1..=expected.len()).flat_map(|page| {
            let page = picture(&pdf, page, 203);
            page.scanned((0, 0), (page.width, page.height))
        });
        assert_eq!(seen.collect::<Vec<_>>(), expected, "{layout:?}");
    }
    let small = picture(&paper.print(Layout::Sheet65, &printout, Some(PORTAL)), 1, 300);
    assert!(small.scanned((0, 0), (small.width, small.height)).is_empty(), "there is no room");
}

#[tokio::test]
async fn names_that_are_far_too_long_stay_on_their_cards() {
    let t = Harness::on(Engine::Sqlite).await;
    let (mut printout, paper) = (printout(&t, 24).await, Paper::new());
    printout.tenant.name = "The Grand Zanzibar Beach Resort & Spa Guest Wireless".repeat(2);
    printout.batch.plan = "Unlimited family weekend with everything for everybody 🎉".repeat(2);
    printout.batch.batch.price = Money::new(123_456_789_012, Currency::KES);
    for layout in Layout::ALL {
        let pdf = paper.print(layout, &printout, Some(PORTAL));
        let text = pages_of(&pdf).concat();
        assert!(text.contains('…'), "{layout:?} says that something is left out");
        assert!(text.contains("KES 1234567890.12"), "{layout:?}: a price is never cut");
        // Nothing reaches the edge of the paper.
        let page = picture(&pdf, 1, 100);
        let white = |x: usize, y: usize| page.grey[y * page.width + x] > 200;
        let sides = (0..page.height - 4).all(|y| white(0, y) && white(page.width - 1, y));
        assert!(sides, "{layout:?}");
    }
}

#[tokio::test]
async fn vouchers_speak_the_language_of_the_business() {
    let t = Harness::on(Engine::Sqlite).await;
    let (mut printout, paper) = (printout(&t, 1).await, Paper::new());
    let home = printout.tenant.country;
    let phone = lango_domain::phone_number::PhoneNumber::parse("0712345678", home).unwrap();
    printout.tenant.help_phone = Some(phone);
    printout.tenant.language = lango_domain::language::Language::Sw;
    let text = pages_of(&paper.print(Layout::Roll80, &printout, None)).concat();
    assert!(text.contains("Jiunge na Wi-Fi") && text.contains("saa 1"), "{text}");
    assert!(text.contains("Msaada: +254712345678"), "{text}");
    printout.tenant.language = lango_domain::language::Language::Fr;
    let text = pages_of(&paper.print(Layout::Roll80, &printout, None)).concat();
    assert!(text.contains("Rejoignez notre Wi-Fi") && text.contains("1 heure"), "{text}");
    assert!(text.contains("à utiliser avant"), "{text}");
}

#[tokio::test]
async fn ten_thousand_vouchers_are_printed_while_one_waits_and_the_next_codes_are_longer() {
    let t = Harness::on(Engine::Sqlite).await;
    let printout = printout(&t, 10_000).await;
    assert!(printout.vouchers.iter().all(|voucher| voucher.code.len() == 8));
    let (began, paper) = (Instant::now(), Paper::new());
    let pdf = paper.print(Layout::Sheet40, &printout, Some(PORTAL));
    let (took, size) = (began.elapsed(), std::fs::metadata(&pdf).unwrap().len());
    println!("10,000 vouchers: {took:?}, {} KB", size / 1_024);
    // Unoptimised and beside a dozen other tests; built for use it is some seconds.
    assert!(took.as_secs() < 300, "{took:?}");
    assert!(size < 25_000_000, "{size}");
    assert_eq!(pages_of(&pdf).len(), 250);
    let next = t.batch("1 hour", 1, None).await.vouchers.remove(0).code;
    assert_eq!(next.len(), 11, "above ten thousand live ones codes have two more signs: {next}");
    assert!(lango_server::operations::issue_vouchers::read_code(&next).is_some());
}

// --- at the desk ----------------------------------------------------------------------------

#[test]
fn a_day_with_vouchers_at_the_desk() {
    let shop = Shop::open();
    let file = |name: &str| shop.path().with_file_name(name).to_str().unwrap().to_owned();
    shop.lango(&["reseller", "add", "Mama Njeri", "--phone", "0712345678", "--commission", "10"])
        .ok();
    let pdf = file("njeri.pdf");
    let create = ["voucher", "create", "--plan", "1 hour", "--count", "30", "--pdf", &pdf];
    let create = [&create[..], &["--layout", "40", "--reseller", "mama njeri"]].concat();
    let said = shop.lango_with("LANGO_PUBLIC_URL", PORTAL, &create).ok();
    assert!(said.err.contains("30 vouchers of plan 1 hour made, batch v"), "{said:?}");
    assert!(said.out.is_empty(), "codes that are on paper are not shown too");
    assert_eq!(pages_of(Path::new(&pdf)).len(), 1);
    shop.lango(&create).fails(1, &["njeri.pdf exists", "--pdf"]);

    let list = shop.lango(&["voucher", "batch", "list", "--json"]).ok().json();
    let batch = list[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&list[0]["count"], &list[0]["prints"]), (&30.into(), &1.into()), "{list}");
    assert_eq!(list.as_array().unwrap().len(), 1, "what was refused has made nothing");
    assert_eq!(list[0]["reseller"], "Mama Njeri");
    let stock = shop.lango(&["reseller", "show", "Mama Njeri", "--json"]).ok().json();
    assert_eq!(stock["stock"][0]["left"], 30);

    let again = file("again.pdf");
    let said = shop.lango(&["voucher", "batch", "print", &batch, "--pdf", &again]).ok();
    assert!(said.err.contains("printed 1 time before"), "{said:?}");
    assert!(said.err.contains("no QR code") && said.err.contains("public_url"), "{said:?}");
    let codes = shop.lango(&["voucher", "batch", "export", &batch]).ok().out;
    assert_eq!(codes.lines().count(), 31);
    assert!(codes.starts_with("serial,code,plan,price_amount"), "{codes}");
    let shown = shop.lango(&["voucher", "batch", "show", &batch]).ok().out;
    assert!(shown.contains("sold by: Mama Njeri") && shown.contains("as table"), "{shown}");

    let code = codes.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    let shown = shop.lango(&["voucher", "show", code]).ok().out;
    assert!(shown.contains("number 1 of batch") && shown.contains("sold by Mama Njeri"), "{shown}");
    let void = shop.lango(&["voucher", "batch", "void", &batch]).ok().out;
    assert!(void.contains("30 unused vouchers ended, 0 in use"), "{void}");
    shop.lango(&["voucher", "batch", "print", &batch, "--pdf", &file("x.pdf")])
        .fails(1, &["was voided"]);
    assert!(!Path::new(&file("x.pdf")).exists());
    shop.lango(&["voucher", "batch", "show", "nonsense"]).fails(1, &["voucher batch list"]);
    shop.lango(&["reseller", "remove", "Mama Njeri"]).ok();
    shop.lango(&["voucher", "create", "--plan", "1 hour", "--reseller", "Mama Njeri"])
        .fails(1, &["no such reseller any more"]);
}

#[test]
fn a_plan_is_offered_as_it_was_said_at_the_desk() {
    let shop = Shop::open();
    let free = ["plan", "add", "Try", "--price", "5", "--time", "10m", "--trial"];
    shop.lango(&free).fails(1, &["make its price 0"]);
    let add = ["plan", "add", "Night", "--price", "30", "--time", "8h", "--sold-at", "22:00-06:00"];
    shop.lango(&[&add[..], &["--place", "-2", "--vouchers", "3"]].concat()).ok();
    let shown = shop.lango(&["plan", "show", "Night", "--json"]).ok().json();
    assert_eq!(shown["sale"]["hours"], "Mo-Su 22:00-06:00");
    assert_eq!((&shown["sale"]["place"], &shown["sale"]["vouchers"]), (&(-2).into(), &3.into()));
    assert_eq!(shown["sale"]["portal"], true);
    let words = shop.lango(&["plan", "show", "Night"]).ok().out;
    assert!(words.contains("a bundle of: 3 vouchers"), "{words}");
    shop.lango(&["plan", "change", "Night", "--portal", "no", "--without", "sold-at"]).ok();
    let shown = shop.lango(&["plan", "show", "Night", "--json"]).ok().json();
    assert_eq!((&shown["sale"]["portal"], shown["sale"]["hours"].is_null()), (&false.into(), true));
    shop.lango(&["plan", "change", "Night", "--sold-on", "Nowhere"]).fails(1, &["no router"]);
}
