//! Orders from the server: sessions that are ended or changed from outside.

use std::net::{Ipv4Addr, SocketAddr};

use lango_radius::accounting::{Status, TerminateCause};
use lango_radius::{Code, Draft, Packet, Secret, dictionary as field};
use lango_router_sim::{ErrorCause, Settings};
use tokio::net::UdpSocket;

use crate::mac;
use crate::radius::Isp;
use crate::radius_server::{SECRET, exchange_by};

fn code(answer: &[u8]) -> Code {
    Packet::parse(answer).unwrap().code()
}

fn cause(answer: &[u8]) -> Option<u32> {
    Packet::parse(answer).unwrap().read(field::ERROR_CAUSE)
}

/// A guest named amina, and where the router takes orders.
async fn with_guest(isp: &Isp) -> (Ipv4Addr, SocketAddr) {
    isp.server.user("amina", |accept| {
        accept.put(field::MIKROTIK_RATE_LIMIT, "1M/1M").unwrap();
        accept.put(field::SESSION_TIMEOUT, 600).unwrap();
    });
    isp.guest(1, "amina").await;
    let ip = isp.site.router.address_of(mac(1)).unwrap();
    (ip, isp.site.router.accept_incoming(0).unwrap())
}

fn amina(ip: Ipv4Addr) -> impl Fn(&mut Draft) {
    move |draft| {
        draft.put(field::USER_NAME, "amina").unwrap();
        draft.put(field::ACCT_SESSION_ID, "80000000").unwrap();
        draft.put(field::FRAMED_IP_ADDRESS, ip).unwrap();
    }
}

#[tokio::test]
async fn a_disconnect_ends_the_session_and_its_cookie_and_is_reported() {
    let isp = Isp::open().await;
    let (ip, orders) = with_guest(&isp).await;
    isp.site.router.clear_browser(mac(1));
    let (order, answer) = isp.server.order(orders, 1, Code::DisconnectRequest, amina(ip)).await;
    assert_eq!(code(&answer), Code::DisconnectAck);
    let secret = Secret::new(SECRET).unwrap();
    let request = Packet::parse(&order).unwrap();
    assert!(Packet::parse(&answer).unwrap().verify_reply(&request, &secret).is_ok());
    assert!(!isp.site.browses(mac(1), ip));
    assert!(isp.site.router.rows("/ip/hotspot/cookie").is_empty());
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::ADMIN_RESET));
}

#[tokio::test]
async fn a_missing_session_is_an_unsupported_extension_to_routeros() {
    let isp = Isp::open().await;
    let (ip, orders) = with_guest(&isp).await;
    let fill = |draft: &mut Draft| draft.put(field::USER_NAME, "nobody").unwrap();
    let (_, answer) = isp.server.order(orders, 1, Code::DisconnectRequest, fill).await;
    assert_eq!((code(&answer), cause(&answer)), (Code::DisconnectNak, Some(406)));
    let without_address = |draft: &mut Draft| draft.put(field::USER_NAME, "amina").unwrap();
    let (_, answer) = isp.server.order(orders, 2, Code::DisconnectRequest, without_address).await;
    assert_eq!(cause(&answer), Some(406), "a guest is found by his address");
    assert!(isp.site.browses(mac(1), ip));
    let incoming = isp.site.router.run("/radius/incoming/monitor", &[("once", "")]).unwrap().0;
    assert_eq!(incoming[0].text("naks").unwrap(), "2");
}

#[tokio::test]
async fn a_router_that_keeps_to_the_rfc_says_503() {
    let missing_session = ErrorCause::SessionContextNotFound;
    let isp = Isp::with(Settings { missing_session, ..Settings::default() }).await;
    let (_, orders) = with_guest(&isp).await;
    let fill = |draft: &mut Draft| draft.put(field::USER_NAME, "nobody").unwrap();
    let (_, answer) = isp.server.order(orders, 1, Code::CoaRequest, fill).await;
    assert_eq!((code(&answer), cause(&answer)), (Code::CoaNak, Some(503)));
}

#[tokio::test]
async fn orders_with_the_wrong_things_inside_are_refused() {
    let isp = Isp::open().await;
    let (ip, orders) = with_guest(&isp).await;
    let stray = |draft: &mut Draft| {
        amina(ip)(draft);
        draft.put(field::SESSION_TIMEOUT, 60).unwrap();
    };
    let (_, answer) = isp.server.order(orders, 1, Code::DisconnectRequest, stray).await;
    assert_eq!(cause(&answer), Some(401));
    let pool = |draft: &mut Draft| {
        amina(ip)(draft);
        draft.put(field::FRAMED_POOL, "gold").unwrap();
    };
    let (_, answer) = isp.server.order(orders, 2, Code::CoaRequest, pool).await;
    assert_eq!(cause(&answer), Some(401));
    let elsewhere = |draft: &mut Draft| {
        amina(ip)(draft);
        draft.put(field::NAS_IP_ADDRESS, [10, 9, 8, 7].into()).unwrap();
    };
    let (_, answer) = isp.server.order(orders, 3, Code::DisconnectRequest, elsewhere).await;
    assert_eq!(cause(&answer), Some(403));
    let (_, answer) = isp.server.order(orders, 4, Code::DisconnectRequest, |_| ()).await;
    assert_eq!(cause(&answer), Some(402));
    assert!(isp.site.browses(mac(1), ip));
}

#[tokio::test]
async fn a_change_gives_another_speed_list_and_end_to_the_running_session() {
    let isp = Isp::open().await;
    let (ip, orders) = with_guest(&isp).await;
    let router = &isp.site.router;
    assert_eq!(router.speed_limit(mac(1), ip), Some((1_000_000, 1_000_000)));
    let change = |draft: &mut Draft| {
        amina(ip)(draft);
        draft.put(field::MIKROTIK_RATE_LIMIT, "256k/512k").unwrap();
        draft.put(field::MIKROTIK_ADDRESS_LIST, "slow").unwrap();
        draft.put(field::SESSION_TIMEOUT, 1_200).unwrap();
    };
    let (_, answer) = isp.server.order(orders, 1, Code::CoaRequest, change).await;
    assert_eq!(code(&answer), Code::CoaAck);
    assert_eq!(router.speed_limit(mac(1), ip), Some((256_000, 512_000)));
    assert_eq!(router.rows("/queue/simple").len(), 1);
    assert_eq!(router.rows("/queue/simple")[0].text("max-limit").unwrap(), "256k/512k");
    assert_eq!(router.rows("/ip/firewall/address-list")[0].text("list").unwrap(), "slow");
    isp.site.pass(1_199);
    assert!(isp.site.browses(mac(1), ip));
    isp.site.pass(1);
    assert!(!isp.site.browses(mac(1), ip));
    assert!(router.rows("/ip/firewall/address-list").is_empty());
}

#[tokio::test]
async fn identifiers_alone_ask_whether_the_session_lives() {
    let isp = Isp::open().await;
    let (ip, orders) = with_guest(&isp).await;
    let (_, answer) = isp.server.order(orders, 1, Code::CoaRequest, amina(ip)).await;
    assert_eq!(code(&answer), Code::CoaAck);
    isp.site.router.press_logout(mac(1));
    let (_, answer) = isp.server.order(orders, 2, Code::CoaRequest, amina(ip)).await;
    assert_eq!(code(&answer), Code::CoaNak);
}

#[tokio::test]
async fn an_order_that_comes_twice_gets_the_same_answer_twice() {
    let isp = Isp::open().await;
    let (ip, orders) = with_guest(&isp).await;
    let mut draft = Draft::disconnect_request(1).signed(true);
    amina(ip)(&mut draft);
    let order = draft.seal(&Secret::new(SECRET).unwrap()).into_octets();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let first = exchange_by(&socket, orders, &order).await.unwrap();
    assert_eq!(code(&first), Code::DisconnectAck);
    let signed = Packet::parse(&first).unwrap().first(field::MESSAGE_AUTHENTICATOR.id()).is_some();
    assert!(signed, "a signed order gets a signed answer");
    let second = exchange_by(&socket, orders, &order).await.unwrap();
    assert_eq!(first, second, "the session is gone, and still it is an ACK");
    let (_, anew) = isp.server.order(orders, 2, Code::DisconnectRequest, amina(ip)).await;
    assert_eq!(code(&anew), Code::DisconnectNak);
}

#[tokio::test]
async fn a_client_can_be_changed_and_ended_by_name_and_session() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |_| ());
    assert!(isp.dial(7, "house-7").await);
    let router = &isp.site.router;
    let orders = router.accept_incoming(0).unwrap();
    let house = |draft: &mut Draft| {
        draft.put(field::USER_NAME, "house-7").unwrap();
        draft.put(field::ACCT_SESSION_ID, "81000000").unwrap();
    };
    let change = |draft: &mut Draft| {
        house(draft);
        draft.put(field::MIKROTIK_RATE_LIMIT, "3M/9M").unwrap();
    };
    let (_, answer) = isp.server.order(orders, 1, Code::CoaRequest, change).await;
    assert_eq!(code(&answer), Code::CoaAck);
    let ip = router.address_of(mac(7)).unwrap();
    assert_eq!(router.speed_limit(mac(7), ip), Some((3_000_000, 9_000_000)));
    let interfaces = router.matching("/interface", &[("name", "<pppoe-house-7>")]);
    assert_eq!(interfaces.len(), 1, "the interface stays");
    let (_, answer) = isp.server.order(orders, 2, Code::DisconnectRequest, house).await;
    assert_eq!(code(&answer), Code::DisconnectAck);
    assert!(router.rows("/ppp/active").is_empty());
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::ADMIN_RESET));
}

#[tokio::test]
async fn strangers_and_wrong_secrets_get_silence_and_nobody_is_heard_until_accept() {
    let isp = Isp::open().await;
    let (ip, orders) = with_guest(&isp).await;
    let mut draft = Draft::disconnect_request(1);
    amina(ip)(&mut draft);
    let forged = draft.seal(&Secret::new("not the secret").unwrap()).into_octets();
    assert_eq!(isp.server.exchange(orders, &forged).await, None);
    let mut draft = Draft::disconnect_request(1);
    amina(ip)(&mut draft);
    let right = draft.seal(&Secret::new(SECRET).unwrap()).into_octets();
    let stranger = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 44), 0)).await.unwrap();
    assert_eq!(exchange_by(&stranger, orders, &right).await, None);
    assert!(isp.site.browses(mac(1), ip));
    isp.site.router.set("/radius/incoming", "", &[("accept", "no")]).unwrap();
    let freed = async {
        while UdpSocket::bind(orders).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), freed).await.expect("the port is free");
}
