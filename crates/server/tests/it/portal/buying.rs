//! Buying at the portal, from the plans to being online, with M-Pesa's stand-in and a phone that
//! answers: what is offered to whom, who is asked for money, how often, and what it adds to.

use super::{Answer, Cafe, Phone, form_of};
use crate::paybill;
use lango_domain::grant::State;
use lango_domain::hours::Week;
use lango_domain::ids::{CustomerId, GatewayId, GrantId, PlanId, PostingId};
use lango_domain::money::{Currency, Money};
use lango_domain::payment::PaymentState;
use lango_domain::plan::Terms;
use lango_domain::sale::Sale;
use lango_domain::time::Span;
use lango_provider_sim::{AirtelMoney, Daraja, Owner, Subscribers, SystemClock, airtel, daraja};
use lango_server::operations::accept_payment::{self, accept_payment};
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::asked::By;
use lango_server::operations::change_plan::{PlanChange, change_plan};
use lango_server::operations::gateways::{NewGateway, add_gateway};
use lango_store::Tx;
use lango_store::ledger::{Account, Posting};
use lango_store::payments::Payment;
use std::sync::Arc;
use std::time::Duration;

const NUMBER: &str = "0712345678";
const E164: &str = "+254712345678";

/// The café takes money by phone.
struct Market {
    cafe: Cafe,
    people: Subscribers,
    daraja: Daraja,
}

impl Market {
    async fn opens() -> Market {
        let cafe = Cafe::opens().await;
        let people = Subscribers::new(Arc::new(SystemClock));
        let quick = daraja::Settings {
            callback_delay: Duration::from_millis(50),
            noisy_queries: false,
            // In real time nobody buys the same again within a minute; these tests do.
            refuses_repeats: false,
            ..daraja::Settings::default()
        };
        let daraja = Daraja::start(&people, quick).unwrap();
        cafe.app.is_reached_at(cafe.url("").parse().unwrap());
        cafe.app.let_webhooks_be_private(true);
        let market = Market { cafe, people, daraja };
        market.add("M-Pesa", paybill::settings(&market.daraja, None)).await;
        market.owner(E164, Owner::Approves { after: Duration::from_millis(50) });
        market
    }

    async fn add(&self, name: &str, settings: serde_json::Value) -> GatewayId {
        let (tenant, name) = (self.cafe.tenant, name.to_owned());
        let new = NewGateway { tenant, name, currency: None, settings };
        add_gateway(&self.cafe.app, new, &By::cli(), self.cafe.now()).await.unwrap().id
    }

    fn owner(&self, phone: &str, owner: Owner) {
        self.people.owner(phone.trim_start_matches('+'), owner);
    }

    async fn plan(&self, name: &str) -> PlanId {
        let (tenant, name) = (self.cafe.tenant, name.to_owned());
        let look =
            async move |tx: &mut Tx<'_>| lango_store::plans::by_name(tx, tenant, &name).await;
        self.cafe.app.store().read(look).await.unwrap().unwrap().plan.id
    }

    async fn sell(&self, name: &str, price: i64, sale: Sale) -> PlanId {
        self.sell_of(name, price, Terms::hotspot(Span::minutes(30)), sale).await
    }

    async fn sell_of(&self, name: &str, price: i64, terms: Terms, sale: Sale) -> PlanId {
        let (app, tenant, now) = (&self.cafe.app, self.cafe.tenant, self.cafe.now());
        let new = NewPlan {
            tenant,
            name: name.to_owned(),
            price: Money::new(price, Currency::KES),
            terms,
        };
        let plan = add_plan(app, new, &By::cli(), now).await.unwrap().plan.id;
        let change = PlanChange { sale: Some(sale), ..PlanChange::default() };
        change_plan(app, (tenant, plan), change, None, &By::cli(), now).await.unwrap();
        plan
    }

    /// The plans, as a visit that goes on sees them.
    fn plans_of(&self, path: &str) -> String {
        let token = path.split("v=").nth(1).unwrap().split('&').next().unwrap();
        format!("/p/{}?v={token}&stay=1", self.cafe.router)
    }

    /// Chooses on a page of plans and sends the form.
    async fn buys(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        self.cafe.post(&form_of(page, 0), fields).await
    }

    /// Comes in, buys an hour, and is online: the address of that page.
    async fn is_a_customer(&self, phone: &Phone) -> String {
        let plan = self.plan("1 hour").await.to_string();
        let page = self.cafe.get(&self.cafe.door(phone, "")).await.page();
        let fields = [("plan", plan.as_str()), ("phone", NUMBER)];
        let (path, _) = self.cafe.follow(&self.buys(&page, &fields).await.leads_to()).await;
        assert!(path.contains("/online?"), "{path}");
        assert!(self.cafe.browses(phone));
        path
    }

    async fn last(&self, phone: &Phone) -> Payment {
        let (router, mac) =
            (self.cafe.router, lango_domain::mac_address::MacAddress::new(phone.mac.0));
        let look =
            async move |tx: &mut Tx<'_>| lango_store::payments::of_device(tx, router, &mac).await;
        self.cafe.app.store().read(look).await.unwrap().unwrap()
    }

    async fn receipts(&self, grant: GrantId) -> usize {
        let look = async move |tx: &mut Tx<'_>| lango_store::receipts::of_grant(tx, grant).await;
        self.cafe.app.store().read(look).await.unwrap().len()
    }

    /// How long a grant lasts altogether.
    async fn hours_of(&self, grant: GrantId) -> i64 {
        let look = async move |tx: &mut Tx<'_>| lango_store::grants::one(tx, grant).await;
        let stored = self.cafe.app.store().read(look).await.unwrap();
        assert!(matches!(stored.grant.state, State::Active(_)), "{:?}", stored.grant.state);
        let left = stored.grant.state.ends_at().unwrap().since(self.cafe.now());
        (left.as_seconds() + 600) / 3_600
    }

    /// How many accesses of a customer are sold as that plan.
    async fn grants(&self, customer: CustomerId, plan: PlanId) -> usize {
        let tenant = self.cafe.tenant;
        let look = async move |tx: &mut Tx<'_>| {
            lango_store::grants::of_customer(tx, tenant, customer).await
        };
        let all = self.cafe.app.store().read(look).await.unwrap();
        all.iter().filter(|stored| stored.grant.plan == plan).count()
    }

    async fn put_into_wallet(&self, customer: CustomerId, amount: i64) {
        let (app, tenant, now) = (&self.cafe.app, self.cafe.tenant, self.cafe.now());
        let ids: [PostingId; 2] = [app.id(now), app.id(now)];
        let lines = [(Account::Suspense, amount), (Account::Wallet(customer), -amount)];
        let lines: Vec<Posting> = ids
            .into_iter()
            .zip(lines)
            .map(|(id, (account, amount))| Posting {
                id,
                entry: ids[0],
                tenant,
                account,
                amount: Money::new(amount, Currency::KES),
                at: now,
                what: "paid too much".to_owned(),
            })
            .collect();
        let write = async move |tx: &mut Tx<'_>| lango_store::ledger::post(tx, &lines).await;
        assert!(app.store().write(write).await.unwrap());
    }
}

#[tokio::test]
async fn who_pays_again_and_again_is_led_online_each_time_however_he_taps() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    let plan = market.plan("1 hour").await.to_string();
    let fields = [("plan", plan.as_str()), ("phone", NUMBER)];
    let mut plans = cafe.door(&phone, "");
    for round in 1..=5 {
        let page = cafe.get(&plans).await.page();
        // Impatient people tap twice, and the browser shows the answer to the second tap.
        let (one, two) = tokio::join!(market.buys(&page, &fields), market.buys(&page, &fields));
        assert!(one.leads_to().contains("/wait?"));
        let (path, told) = cafe.follow(&two.leads_to()).await;
        assert!(path.contains("/online?"), "round {round}: {}", told.text());
        plans = market.plans_of(&path);
    }
    assert_eq!(market.daraja.pushes().len(), 5, "one question for each purchase");
    let grant = market.last(&phone).await.grant.unwrap();
    assert_eq!((market.receipts(grant).await, market.hours_of(grant).await), (5, 5));
    assert!(cafe.browses(&phone));
}

#[tokio::test]
async fn a_phone_that_never_pays_is_left_in_peace_and_its_page_leads_on() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    market.owner(E164, Owner::Cancels { after: Duration::from_millis(20) });
    let plan = market.plan("1 hour").await.to_string();
    let fields = [("plan", plan.as_str()), ("phone", NUMBER)];
    let page = cafe.get(&cafe.door(&phone, "")).await.page();
    for _ in 0..6 {
        let to = market.buys(&page, &fields).await.leads_to();
        let (_, told) = cafe.follow(&to).await;
        assert!(told.text().contains("Malipo hayajafanyika"), "{}", told.text());
    }
    let refused = market.buys(&page, &fields).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("Hakuna pesa iliyokatwa"), "{}", refused.text());
    assert_eq!(market.daraja.pushes().len(), 6);
    // That page is loaded again, or in another language: no dead end.
    let again = cafe.get(&form_of(&page, 0)).await.leads_to();
    assert!(cafe.get(&again).await.page().contains("KSh\u{a0}20"));
    // Somebody else's phone may pay for this device at once.
    market.owner("+254722000000", Owner::Approves { after: Duration::from_millis(20) });
    let friend = [("plan", plan.as_str()), ("phone", "0722000000")];
    let (path, _) = cafe.follow(&market.buys(&page, &friend).await.leads_to()).await;
    assert!(path.contains("/online?"), "{path}");
}

#[tokio::test]
async fn who_waits_is_led_back_to_where_he_waits() {
    let cafe = Cafe::opens().await;
    let phone = cafe.phone(1);
    let page = cafe.get(&cafe.door(&phone, "")).await.page();
    let form = form_of(&page, 0);
    let to = cafe.get(&form).await.leads_to();
    assert!(to.contains("stay=1"), "nothing is under way: {to}");
    cafe.order(&phone, Span::ZERO).await;
    for path in [form.clone(), form.replace("/buy?", "/again?")] {
        let to = cafe.get(&path).await.leads_to();
        assert!(to.contains("/wait?"), "{to}");
    }
    // Another plan, while his phone still rings for the first one.
    let plan = page.split("name=\"plan\" value=\"").nth(2).unwrap().split('"').next().unwrap();
    let to = cafe.post(&form, &[("plan", plan), ("phone", NUMBER)]).await.leads_to();
    assert!(to.contains("/wait?"), "{to}");
}

#[tokio::test]
async fn of_several_providers_the_number_chooses_or_the_customer() {
    let market = Market::opens().await;
    let (cafe, one, two) = (&market.cafe, market.cafe.phone(1), market.cafe.phone(2));
    let alone = cafe.get(&cafe.door(&one, "")).await.page();
    assert!(!alone.contains("name=\"gateway\""), "one provider is no question");
    let other = AirtelMoney::start(&market.people, airtel::Settings::default()).unwrap();
    let airtel = market
        .add(
            "Airtel Money",
            serde_json::json!({
                "provider": "airtel", "country": "KE", "client_id": "id", "client_secret": "secret",
                "base_url": other.base_url(),
            }),
        )
        .await;
    let plan = market.plan("1 hour").await.to_string();
    let page = cafe.get(&cafe.door(&one, "")).await.page();
    assert!(page.contains("M-Pesa") && page.contains("Airtel Money"), "{page}");
    let fields = [("plan", plan.as_str()), ("phone", "0733000000"), ("gateway", "")];
    assert!(market.buys(&page, &fields).await.leads_to().contains("/wait?"));
    assert_eq!(market.last(&one).await.gateway, airtel, "0733 is a number of Airtel's");
    let page = cafe.get(&cafe.door(&two, "")).await.page();
    let fields = [("plan", plan.as_str()), ("phone", NUMBER), ("gateway", "")];
    assert!(market.buys(&page, &fields).await.leads_to().contains("/wait?"));
    assert_ne!(market.last(&two).await.gateway, airtel, "0712 is one of Safaricom's");
    // A number that moved to another network: its owner knows better.
    let (three, chosen) = (cafe.phone(3), airtel.to_string());
    let page = cafe.get(&cafe.door(&three, "")).await.page();
    let fields = [("plan", plan.as_str()), ("phone", "0712000009"), ("gateway", &chosen)];
    assert!(market.buys(&page, &fields).await.leads_to().contains("/wait?"));
    assert_eq!(market.last(&three).await.gateway, airtel);
    // What was chosen stays chosen when something else was wrong.
    let fields = [("plan", plan.as_str()), ("phone", "12"), ("gateway", &chosen)];
    let four = cafe.get(&cafe.door(&cafe.phone(4), "")).await.page();
    let page = cafe.get(&market.buys(&four, &fields).await.leads_to()).await.page();
    assert!(page.contains(&format!("name=\"gateway\" value=\"{chosen}\" checked")), "{page}");
}

#[tokio::test]
async fn a_free_trial_is_given_once_to_a_device_and_a_number() {
    let market = Market::opens().await;
    let (cafe, one, two) = (&market.cafe, market.cafe.phone(1), market.cafe.phone(2));
    let trial = Sale { trial: true, ..Sale::default() };
    let plan = market.sell("Taster", 0, trial).await.to_string();
    let page = cafe.get(&cafe.door(&one, "")).await.page();
    assert!(page.contains("Taster") && page.contains("bure") && page.contains("Endelea"), "{page}");
    let fields = [("plan", plan.as_str()), ("phone", NUMBER)];
    let (path, _) = cafe.follow(&market.buys(&page, &fields).await.leads_to()).await;
    assert!(path.contains("/online?") && cafe.browses(&one), "{path}");
    assert_eq!(market.daraja.pushes().len(), 0, "nobody is asked for money");
    // The device had it: it is not offered again, and not given for an old page.
    let page = cafe.get(&market.plans_of(&path)).await.page();
    assert!(!page.contains("<span>Taster"), "{page}");
    let again = [("plan", plan.as_str()), ("phone", "0722111111")];
    let to = market.buys(&page, &again).await.leads_to();
    assert!(to.contains("wrong=trial"), "{to}");
    // The number had it, on another device; and one that nobody sees is offered none.
    let page = cafe.get(&cafe.door(&two, "")).await.page();
    let to = market.buys(&page, &fields).await.leads_to();
    assert!(cafe.get(&to).await.page().contains("ilishapata jaribio"), "{to}");
    let unseen = cafe.get(&format!("/p/{}", cafe.router)).await.page();
    assert!(!unseen.contains("Taster"));
}

#[tokio::test]
async fn the_number_that_paid_is_known_again_and_never_shown() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    let first = cafe.get(&cafe.door(&phone, "")).await.page();
    assert!(first.contains("name=\"phone\" value=\"\" required"), "{first}");
    let path = market.is_a_customer(&phone).await;
    // The sheet was closed; what knows him is the address of his device and nothing else.
    let door = format!("{}&stay=1", cafe.door(&phone, ""));
    for page in [cafe.get(&door).await.page(), cafe.get(&market.plans_of(&path)).await.page()] {
        assert!(page.contains("inayoishia na 678"), "{page}");
        assert!(!page.contains("712345678") && !page.contains("0712"), "{page}");
    }
    let plan = market.plan("1 hour").await.to_string();
    let page = cafe.get(&door).await.page();
    let empty = [("plan", plan.as_str()), ("phone", " ")];
    let (path, _) = cafe.follow(&market.buys(&page, &empty).await.leads_to()).await;
    assert!(path.contains("/online?"), "{path}");
    let last = market.last(&phone).await;
    assert_eq!(last.phone.as_str(), E164);
    assert_eq!(market.hours_of(last.grant.unwrap()).await, 2, "added to what he had");
    // Another device is known to nobody.
    let page = cafe.get(&cafe.door(&cafe.phone(2), "")).await.page();
    assert!(!page.contains("inayoishia"));
    let to = market.buys(&page, &empty).await.leads_to();
    assert!(to.contains("wrong=phone"), "{to}");
}

#[tokio::test]
async fn what_is_bought_from_the_page_of_an_access_is_added_to_it() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    let path = market.is_a_customer(&phone).await;
    let grant = market.last(&phone).await.grant.unwrap();
    let status = cafe.get(&path.replace("/online?", "/status?")).await.page();
    let renew = status.split("class=\"g r\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let page = cafe.get(&renew.replace("&#38;", "&").replace("&amp;", "&")).await.page();
    assert!(page.contains("Tayari una 1 hour"), "{page}");
    assert!(page.contains("required checked"), "the plan that he has is chosen: {page}");
    let half_a_day = market.plan("12 hours").await.to_string();
    let fields = [("plan", half_a_day.as_str()), ("phone", "")];
    let (path, _) = cafe.follow(&market.buys(&page, &fields).await.leads_to()).await;
    assert!(path.contains("/online?"), "{path}");
    assert_eq!(market.last(&phone).await.grant, Some(grant));
    assert_eq!(market.hours_of(grant).await, 13);
    let status = cafe.get(&path.replace("/online?", "/status?")).await.page();
    assert!(
        status.contains("KSh\u{a0}20") && status.contains("KSh\u{a0}50"),
        "both receipts: {status}"
    );
}

#[tokio::test]
async fn hours_and_places_of_sale_are_said_and_kept() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    let hour = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Africa/Nairobi").unwrap());
    let (closed, open) = match hour.hour() {
        0..12 => ("Mo-Su 20:00-21:00", "Mo-Su 00:00-19:00"),
        _ => ("Mo-Su 03:00-04:00", "Mo-Su 05:00-24:00"),
    };
    let week = |text: &str| Some(text.parse::<Week>().unwrap());
    let at = |hours| Sale { hours: week(hours), ..Sale::default() };
    market.sell("Daytime", 1_000, at(open)).await;
    let night = market.sell("Night", 3_000, at(closed)).await.to_string();
    let page = cafe.get(&format!("{}&lang=en", cafe.door(&phone, ""))).await.page();
    assert!(page.contains("Daytime") && page.contains("on sale until"), "{page}");
    assert!(page.contains("Night, KSh\u{a0}30: on sale from"), "{page}");
    assert!(!page.contains(&night), "it cannot be chosen");
    let fields = [("plan", night.as_str()), ("phone", NUMBER)];
    let to = market.buys(&page, &fields).await.leads_to();
    assert!(to.contains("wrong=plan"), "{to}");

    let sim = lango_router_sim::RouterSim::start(
        lango_router_sim::Settings { identity: "beach".to_owned(), ..Default::default() },
        Arc::new(super::Real(cafe.app.clock().clone())),
    );
    let beach = super::known_router(&cafe.app, cafe.tenant, &sim.unwrap(), "beach").await;
    let there = Sale { routers: vec![beach], ..Sale::default() };
    market.sell("Beach hour", 1_500, there).await;
    assert!(!cafe.get(&cafe.door(&phone, "")).await.page().contains("Beach hour"));
    let page = cafe.get(&format!("/p/{beach}?mac=AA:BB:CC:00:00:01")).await.page();
    assert!(page.contains("Beach hour"), "{page}");
}

#[tokio::test]
async fn what_a_customer_has_with_us_pays_for_more_and_only_once() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    let path = market.is_a_customer(&phone).await;
    let bought = market.last(&phone).await;
    let (customer, grant) = (bought.customer.unwrap(), bought.grant.unwrap());
    let plans = market.plans_of(&path);
    assert!(!cafe.get(&plans).await.page().contains("value=\"wallet\""));
    market.put_into_wallet(customer, 5_000).await;
    let page = cafe.get(&plans).await.page();
    assert!(page.contains("salio lako la KSh\u{a0}50"), "{page}");
    // An address of a device alone is no proof.
    let unproven = cafe.get(&format!("{}&stay=1", cafe.door(&phone, ""))).await.page();
    assert!(!unproven.contains("value=\"wallet\""));
    let plan = market.plan("1 hour").await.to_string();
    let fields = [("plan", plan.as_str()), ("phone", ""), ("by", "wallet"), ("shown", "5000")];
    let stolen = market.buys(&unproven, &fields).await.leads_to();
    assert!(stolen.contains("/status?"), "{stolen}");
    let (one, two) = tokio::join!(market.buys(&page, &fields), market.buys(&page, &fields));
    let (one, two) = (one.leads_to(), two.leads_to());
    assert!(one.contains("/connect?") != two.contains("/connect?"), "{one} and {two}");
    assert_eq!((market.receipts(grant).await, market.hours_of(grant).await), (2, 2));
    let page = cafe.get(&plans).await.page();
    assert!(page.contains("salio lako la KSh\u{a0}30"), "{page}");
    let dear = market.plan("Day").await.to_string();
    let fields = [("plan", dear.as_str()), ("phone", ""), ("by", "wallet"), ("shown", "3000")];
    let to = market.buys(&page, &fields).await.leads_to();
    assert!(to.contains("wrong=wallet"), "{to}");
    assert_eq!(market.daraja.pushes().len(), 1, "the phone was asked for the first hour only");
}

/// By phone or from the wallet, it is the same: more of what he has is added to it, and something
/// else is an access of its own that takes nothing from what is left.
#[tokio::test]
async fn something_else_is_bought_beside_what_somebody_has_whoever_pays() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    let speed = Some("5M/5M".parse().unwrap());
    let fast = Terms { speed, ..Terms::hotspot(Span::hours(2)) };
    let fast = market.sell_of("Fast", 3_000, fast, Sale::default()).await;
    let family = Sale { vouchers: 3.try_into().unwrap(), ..Sale::default() };
    let family = market.sell("Family", 4_000, family).await;
    let half_a_day = market.plan("12 hours").await;
    let path = market.is_a_customer(&phone).await;
    let bought = market.last(&phone).await;
    let (customer, held) = (bought.customer.unwrap(), bought.grant.unwrap());
    let plans = market.plans_of(&path);

    for (plan, price, gives) in [(fast, 3_000, 1), (family, 4_000, 3)] {
        let (id, shown) = (plan.to_string(), price.to_string());
        market.put_into_wallet(customer, price).await;
        let page = cafe.get(&plans).await.page();
        let fields = [("plan", id.as_str()), ("by", "wallet"), ("shown", shown.as_str())];
        let to = market.buys(&page, &fields).await.leads_to();
        assert!(to.contains("/connect?"), "{to}");
        assert_eq!(market.grants(customer, plan).await, gives);
    }
    assert_eq!((market.receipts(held).await, market.hours_of(held).await), (1, 1));

    // More of the same is added, and from now on it is what it is sold as.
    market.put_into_wallet(customer, 5_000).await;
    let (page, id) = (cafe.get(&plans).await.page(), half_a_day.to_string());
    let fields = [("plan", id.as_str()), ("by", "wallet"), ("shown", "5000")];
    let to = market.buys(&page, &fields).await.leads_to();
    assert!(to.contains("/connect?"), "{to}");
    assert_eq!((market.receipts(held).await, market.hours_of(held).await), (2, 13));
    assert_eq!(market.grants(customer, half_a_day).await, 1);

    for (plan, gives) in [(fast, 1), (family, 3)] {
        let id = plan.to_string();
        let page = cafe.get(&plans).await.page();
        let fields = [("plan", id.as_str()), ("phone", NUMBER)];
        let (path, _) = cafe.follow(&market.buys(&page, &fields).await.leads_to()).await;
        assert!(path.contains("/online?"), "{path}");
        assert_ne!(market.last(&phone).await.grant, Some(held));
        assert_eq!(market.grants(customer, plan).await, 2 * gives);
    }
    assert_eq!((market.receipts(held).await, market.hours_of(held).await), (2, 13));
}

/// What somebody decided to keep for the customer is nothing that he waits for.
#[tokio::test]
async fn who_has_it_in_his_wallet_is_not_kept_waiting() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    cafe.order(&phone, Span::ZERO).await;
    let payment = market.last(&phone).await;
    let state = PaymentState::Paid { receipt: "TKL4X7Y2QP".to_owned() };
    let payment = Payment { state, rings: false, ..payment };
    let save = async move |tx: &mut Tx<'_>| lango_store::payments::save(tx, &payment).await;
    cafe.app.store().write(save).await.unwrap();
    let page = cafe.get(&cafe.door(&phone, "")).await.page();
    assert!(page.contains("1 hour"), "he sees what is sold: {page}");
}

/// The numbers of a cash book are written by hand, one after the other.
#[tokio::test]
async fn a_number_in_the_cash_book_opens_nothing() {
    let market = Market::opens().await;
    let (cafe, phone) = (&market.cafe, market.cafe.phone(1));
    let (grant, _) = cafe.voucher().await;
    for (provider, receipt) in [("cash", "17"), ("bank", "18")] {
        let paid = accept_payment::Payment {
            tenant: cafe.tenant,
            grant,
            provider: provider.to_owned(),
            receipt: receipt.to_owned(),
            amount: Money::new(2_000, Currency::KES),
        };
        accept_payment(&cafe.app, paid, &By::cli(), cafe.now()).await.unwrap();
        let recover = format!("{}&x=", cafe.door(&phone, "")).replace('?', "/recover?");
        let form = form_of(&cafe.get(&recover).await.page(), 0);
        let to = cafe.post(&form, &[("what", receipt)]).await.leads_to();
        assert!(to.contains("wrong=not_seen"), "{provider}: {to}");
    }
}

#[tokio::test]
async fn who_paid_and_is_not_connected_helps_himself() {
    let market = Market::opens().await;
    let (cafe, old, new) = (&market.cafe, market.cafe.phone(1), market.cafe.phone(2));
    // His phone has another address today, and he has the receipt.
    let payment = cafe.order(&old, Span::ZERO).await;
    cafe.pays(payment, "TKL4X7Y2QP").await;
    let recover = format!("{}&x=", cafe.door(&new, "")).replace('?', "/recover?");
    let form = form_of(&cafe.get(&recover).await.page(), 0);
    let to = cafe.post(&form, &[("what", " tkl4x7y2qp ")]).await.leads_to();
    let (path, _) = cafe.follow(&to).await;
    assert!(path.contains("/online?") && cafe.browses(&new), "{path}");
    // Nobody has seen this one: he is told not to pay again.
    let to = cafe.post(&form, &[("what", "TKLNEVERWAS")]).await.leads_to();
    assert!(cafe.get(&to).await.page().contains("Usilipe tena"));

    // Just paid by that phone, and never used: the number is enough.
    let third = cafe.phone(3);
    let payment = cafe.order(&third, Span::ZERO).await;
    cafe.pays(payment, "TKL4X7Y2QQ").await;
    let (fourth, number) = (cafe.phone(4), [("what", NUMBER)]);
    let recover = cafe.door(&fourth, "").replace('?', "/recover?");
    let form = form_of(&cafe.get(&recover).await.page(), 0);
    let (path, _) = cafe.follow(&cafe.post(&form, &number).await.leads_to()).await;
    assert!(path.contains("/online?") && cafe.browses(&fourth), "{path}");
    // Used already: the code goes to the phone that paid, and to nobody else.
    let to = cafe.post(&form, &number).await.leads_to();
    let page = cafe.get(&to).await.page();
    assert!(to.contains("/sent?") && page.contains("0712\u{a0}…\u{a0}678"), "{page}");
}
