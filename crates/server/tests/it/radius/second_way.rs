//! Routers that take no orders by RADIUS: what must be over ends by their API, and that is said.

use super::town::{Town, browses, phone, sign_in};
use crate::harness::Engine;
use lango_domain::grant::{Event, SuspendReason};
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_router_sim::RouterSim;
use lango_server::operations::add_router::{RouterAddress, RouterLogin};
use lango_server::operations::asked::By;
use lango_server::operations::change_router::{ChangeRouterError, RouterChange, change_router};
use lango_server::operations::router_api::{ApiChange, RouterApi};

macro_rules! in_town {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Town::on(super::Engine::Sqlite).await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Town::on(super::Engine::Postgres).await).await;
            })+
        }
    };
}

in_town!(
    a_router_that_is_deaf_to_orders_is_told_by_its_api,
    whose_terms_change_on_a_deaf_router_is_back_without_a_word,
    an_api_belongs_to_routers_that_ask_by_radius,
);

fn api_of(sim: &RouterSim, password: &str) -> ApiChange {
    let address = format!("api://{}", sim.api_address().unwrap()).parse().unwrap();
    let login = RouterLogin { user: "lango".to_owned(), password: password.to_owned() };
    ApiChange::Use(RouterApi { address, login })
}

async fn change(town: &Town, change: RouterChange) -> Result<(), ChangeRouterError> {
    let whose = (town.tenant, town.places[0].id);
    change_router(&town.app, whose, change, None, &By::cli(), town.now()).await.map(drop)
}

/// The lobby's router is as RouterOS leaves the factory: nobody may give it orders.
async fn a_deaf_lobby(town: &Town) {
    town.lobby().set("/radius/incoming", "", &[("accept", "no")]).unwrap();
    let api = Some(api_of(town.lobby(), "secret"));
    change(town, RouterChange { api, ..RouterChange::default() }).await.unwrap();
}

async fn a_router_that_is_deaf_to_orders_is_told_by_its_api(town: Town) {
    town.plan("Day", Terms::hotspot(Span::days(1))).await;
    town.plan("Month", Terms::service(Span::days(30))).await;
    a_deaf_lobby(&town).await;
    let (code, guest) = town.voucher("Day").await;
    let (ann, bob) = (phone(1), phone(2));
    let (other, other_guest) = town.voucher("Day").await;
    let home = town.service("Month", "home").await;
    sign_in(town.lobby(), ann, &code).await.unwrap();
    sign_in(town.lobby(), bob, &other).await.unwrap();
    town.lobby().dial(phone(3), "home", "secret");
    town.until("both are online", async || browses(town.lobby(), phone(3))).await;
    town.settle().await;
    assert!(browses(town.lobby(), ann) && browses(town.lobby(), bob));
    for grant in [guest, home] {
        town.tell(grant, Event::Suspend(SuspendReason::Staff)).await;
    }
    town.until("both are cut", async || {
        town.cuts(guest).await.len() == 2 && town.cuts(home).await.len() == 2
    })
    .await;
    assert!(!browses(town.lobby(), ann) && !browses(town.lobby(), phone(3)));
    let rows = town.lobby().rows("/ip/hotspot/active");
    assert!(browses(town.lobby(), bob), "nobody else is touched: {rows:?}");
    assert!(town.lobby().matching("/ip/hotspot/cookie", &[("user", &code)]).is_empty());
    for grant in [guest, home] {
        let cuts = town.cuts(grant).await;
        let at = |place: usize| {
            let cut = cuts.iter().find(|cut| cut.router == town.places[place].id).unwrap();
            (cut.confirmed_by.as_str(), cut.sessions_ended)
        };
        assert_eq!(at(0), ("api", 1), "it is said how");
        assert_eq!(at(1), ("nobody", 0), "nobody was there, and that is not the router's work");
    }
    town.settle().await;
    assert!(town.sessions(guest).await.iter().all(|(counted, _)| counted.ended_at.is_some()));
    assert!(town.cuts(other_guest).await.is_empty());
}

async fn whose_terms_change_on_a_deaf_router_is_back_without_a_word(town: Town) {
    town.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    a_deaf_lobby(&town).await;
    let (code, grant) = town.voucher("Hour").await;
    let ann = phone(1);
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.settle().await;
    town.pass(Span::minutes(50)).await;
    town.pay(grant).await;
    // His phone asks for a page, and the router's cookie lets it in with the new terms.
    town.until("the router knows of the new end", async || {
        town.lobby().surf(ann, 1);
        town.lobby().tick();
        let rows = town.lobby().rows("/ip/hotspot/active");
        rows.iter().any(|row| row.text("session-time-left").as_deref() == Some("1h10m"))
    })
    .await;
    assert!(browses(town.lobby(), ann));
    town.settle().await;
    assert_eq!(town.sessions(grant).await.len(), 2);
    assert!(town.cuts(grant).await.is_empty());
}

async fn an_api_belongs_to_routers_that_ask_by_radius(town: Town) {
    let address = Some("radius://127.0.0.9".parse::<RouterAddress>().unwrap());
    let ApiChange::Use(api) = api_of(town.lobby(), "secret") else { panic!("it is one") };
    let nonsense = RouterApi { address: address.clone().unwrap(), ..api.clone() };
    let nonsense = Some(ApiChange::Use(nonsense));
    let refused = change(&town, RouterChange { api: nonsense, ..RouterChange::default() }).await;
    assert!(matches!(refused, Err(ChangeRouterError::NoApi(_))), "{refused:?}");
    let address = Some(api.address.clone());
    let both = RouterChange { address, api: Some(ApiChange::Use(api)), ..RouterChange::default() };
    let refused = change(&town, both).await;
    assert!(matches!(refused, Err(ChangeRouterError::OneWay)), "{refused:?}");
}
