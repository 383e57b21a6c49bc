//! Each client against its provider's stand-in, over real sockets: what is asked, what is told,
//! and what goes wrong on the way. Money is where the phones' pockets say it is.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use lango_domain::ids::{GatewayId, Id as _};
use lango_domain::money::{Currency, Money};
use lango_domain::payment::{FailureReason, Verdict};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::{Span, Timestamp};
use lango_provider_sim::{
    ALWAYS, AirtelMoney, Amount, CallbackFault, ClickPesa, Daraja, Faults, ManualClock,
    MobileMoney, Owner, RequestFault, Subscribers, airtel, clickpesa, daraja, momo,
};
use lango_server::outbound::Reach;
use lango_server::payments::pace::Pace;
use lango_server::payments::provider::{Links, Provider};
use lango_server::payments::settings::Settings;
use lango_server::payments::tokens::Tokens;
use lango_server::payments::{
    About, Asked, Callback, CallbackError, Charge, Door, Heard, ProviderError, ReceiptQuestion,
    Refund, RefundAnswer, Registered, Submitted, Till, Urls,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-01-02 23:30:00 in East Africa: 20:30:00 UTC.
const START: i64 = 1_767_385_800_000_000;
const CERTIFICATE: &str = include_str!("../../../src/payments/certificate_of_tests.pem");

/// A message that came to our addresses.
#[derive(Clone, Debug)]
struct Letter {
    door: Door,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Our addresses: keeps what comes and answers as the client says.
#[derive(Clone, Default)]
struct Mailbox {
    letters: Arc<Mutex<Vec<Letter>>>,
    provider: Arc<Mutex<Option<Provider>>>,
    refuses: Arc<Mutex<bool>>,
}

async fn keep(
    State(mailbox): State<Mailbox>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let door: Door = uri.path().split('/').nth(2).unwrap_or_default().parse().unwrap();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    mailbox.letters.lock().unwrap().push(Letter { door, headers, body: body.to_vec() });
    let provider = mailbox.provider.lock().unwrap().clone().unwrap();
    let answer = provider.answer_to(door, !*mailbox.refuses.lock().unwrap());
    let status = axum::http::StatusCode::from_u16(answer.status).unwrap();
    (status, [("content-type", answer.content_type)], answer.body).into_response()
}

/// Somebody who sells, his provider's client, and people with phones.
struct Shop {
    people: Subscribers,
    clock: Arc<ManualClock>,
    mailbox: Mailbox,
    url: String,
    currency: Currency,
    phone: &'static str,
}

impl Shop {
    async fn open(currency: Currency, phone: &'static str) -> Shop {
        let clock = Arc::new(ManualClock::at(START));
        let mailbox = Mailbox::default();
        let router = axum::Router::new().fallback(keep).with_state(mailbox.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Shop { people: Subscribers::new(clock.clone()), clock, mailbox, url, currency, phone }
    }

    fn client(&self, typed: Value) -> Provider {
        let settings = Settings::read(typed, self.currency).unwrap();
        let till = Till { gateway: GatewayId::from_raw(7), currency: self.currency };
        let links =
            Links { reach: Reach::Anywhere, tokens: Tokens::default(), pace: Pace::default() };
        let provider = Provider::from_settings(till, settings, links);
        *self.mailbox.provider.lock().unwrap() = Some(provider.clone());
        provider
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.people.now())
    }

    async fn pass(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
        self.people.settle().await;
    }

    fn at(&self, door: Door) -> String {
        format!("{}/cb/{}/8f3k2m9x", self.url, door.word())
    }

    fn charge(&self, door: Door, reference: &str, units: i64) -> Charge {
        let unit = 10i64.pow(self.currency.decimals());
        Charge {
            reference: reference.to_owned(),
            amount: Money::new(units * unit, self.currency),
            phone: PhoneNumber::from_e164(self.phone).unwrap(),
            callback: self.at(door),
            description: "wifi".to_owned(),
        }
    }

    fn asked(&self, charge: &Charge, submitted: &Submitted) -> Asked {
        let provider_id = match submitted {
            Submitted::Taken { provider_id } => provider_id.clone(),
            _ => None,
        };
        Asked {
            reference: charge.reference.clone(),
            provider_id,
            amount: charge.amount,
            phone: charge.phone.clone(),
            submitted_at: self.now(),
        }
    }

    /// Whatever came since the last look, read.
    fn heard(&self, provider: &Provider) -> Vec<Result<Callback, CallbackError>> {
        let letters: Vec<Letter> = self.mailbox.letters.lock().unwrap().drain(..).collect();
        let read = |letter: &Letter| {
            provider.read_callback(letter.door, &letter.headers, &letter.body, self.now())
        };
        letters.iter().map(read).collect()
    }

    fn verdicts(&self, provider: &Provider) -> Vec<Verdict> {
        let heard = self.heard(provider).into_iter().map(|callback| callback.unwrap().heard);
        heard
            .map(|heard| match heard {
                Heard::Charge { verdict, .. } | Heard::Refund { verdict, .. } => verdict,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn taken(&self) -> i64 {
        let all = self.people.money_taken(self.phone);
        all.iter().map(|amount| amount.units().unwrap()).sum()
    }
}

fn why(verdict: &Verdict) -> FailureReason {
    match verdict {
        Verdict::Failed(failure) => failure.why,
        other => panic!("{other:?}"),
    }
}

fn is_unknown(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Unknown(_))
}

fn after(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const KENYAN: &str = "+254712345678";

struct Safaricom {
    shop: Shop,
    daraja: Daraja,
    client: Provider,
}

impl Safaricom {
    async fn open(settings: daraja::Settings, more: Value) -> Safaricom {
        let shop = Shop::open(Currency::KES, KENYAN).await;
        let daraja = Daraja::start(&shop.people, settings).unwrap();
        let mut typed = json!({
            "provider": "daraja", "consumer_key": "key", "consumer_secret": "secret",
            "passkey": "passkey", "shortcode": "174379", "pull_number": "254712345678",
            "initiator": "initiator", "initiator_password": "Safaricom999!*!",
            "initiator_password_set_on": "2026-01-01", "certificate": CERTIFICATE,
            "base_url": daraja.base_url(),
        });
        for (name, value) in more.as_object().unwrap() {
            typed[name] = value.clone();
        }
        let client = shop.client(typed);
        Safaricom { shop, daraja, client }
    }

    async fn usual() -> Safaricom {
        Safaricom::open(daraja::Settings::default(), json!({})).await
    }

    async fn submit(&self, charge: &Charge) -> Submitted {
        self.client.submit(charge, self.shop.now()).await
    }

    async fn query(&self, asked: &Asked) -> Result<Verdict, ProviderError> {
        self.client.query(asked, self.shop.now()).await
    }

    fn charge(&self, reference: &str, units: i64) -> Charge {
        self.shop.charge(Door::Stk, reference, units)
    }
}

#[tokio::test]
async fn a_phone_is_asked_and_its_money_is_told_and_found() {
    let s = Safaricom::usual().await;
    let charge = s.charge("LANGO0001", 10);
    let submitted = s.submit(&charge).await;
    let Submitted::Taken { provider_id: Some(id) } = &submitted else { panic!("{submitted:?}") };
    let asked = s.shop.asked(&charge, &submitted);
    assert_eq!(s.query(&asked).await, Ok(Verdict::Pending), "4999");
    s.shop.pass(2).await;
    let callback = s.shop.heard(&s.client).pop().unwrap().unwrap();
    assert!(!callback.is_signed);
    let Heard::Charge { about, verdict: Verdict::Paid(proof) } = callback.heard else { panic!() };
    assert_eq!(about, About::ProviderId(id.clone()));
    assert_eq!(proof.amount, Some(charge.amount));
    // Half past eleven at night in Nairobi, and a date that would be wrong in UTC plus nothing.
    assert_eq!(proof.paid_at, Some(s.shop.now()));
    assert_eq!(proof.receipt, s.shop.people.transactions()[0].receipt);
    assert!(matches!(s.query(&asked).await, Ok(Verdict::Paid(p)) if p.receipt == *id));
    assert_eq!((s.shop.taken(), s.daraja.tokens_given()), (10, 1));
    let push = &s.daraja.pushes()[0];
    assert_eq!(
        (push.timestamp.as_str(), push.account_reference.as_str()),
        ("20260102233000", "LANGO0001")
    );
}

#[tokio::test]
async fn a_till_is_paid_at_its_own_number() {
    let s = Safaricom::open(
        daraja::Settings::default(),
        json!({ "shortcode": "600100", "till": "5600100" }),
    )
    .await;
    assert!(matches!(s.submit(&s.charge("R1", 10)).await, Submitted::Taken { .. }));
    s.shop.pass(2).await;
    assert!(matches!(s.shop.verdicts(&s.client)[..], [Verdict::Paid(_)]));
    let wrong =
        Safaricom::open(daraja::Settings::default(), json!({ "shortcode": "600100" })).await;
    wrong.submit(&wrong.charge("R1", 10)).await;
    wrong.shop.pass(2).await;
    let verdicts = wrong.shop.verdicts(&wrong.client);
    assert!(verdicts.iter().all(|verdict| why(verdict) == FailureReason::Setup), "{verdicts:?}");
}

#[tokio::test]
async fn whatever_the_owner_does_has_its_class() {
    let meets = |code: &str| Owner::Meets { code: code.to_owned(), after: after(1) };
    for (owner, expected) in [
        (Owner::Cancels { after: after(1) }, Some(FailureReason::Cancelled)),
        (Owner::HasNoMoney { after: after(1) }, Some(FailureReason::NotEnoughMoney)),
        (Owner::WrongPin { after: after(1) }, Some(FailureReason::WrongPin)),
        (Owner::Unreachable, Some(FailureReason::NoAnswer)),
        (meets("1019"), Some(FailureReason::Expired)),
        (meets("1025"), Some(FailureReason::NotDelivered)),
        (meets("17"), Some(FailureReason::TooSoon)),
        (meets("26"), Some(FailureReason::Busy)),
        (meets("SFC_IC0003"), Some(FailureReason::Setup)),
        (meets("31337"), None),
    ] {
        let s = Safaricom::usual().await;
        s.shop.people.owner(KENYAN, owner.clone());
        let charge = s.charge("R1", 10);
        let asked = s.shop.asked(&charge, &s.submit(&charge).await);
        s.shop.pass(20).await;
        let verdicts = s.shop.verdicts(&s.client);
        let asked = s.query(&asked).await.unwrap();
        for verdict in verdicts.iter().chain([&asked]) {
            match expected {
                Some(expected) => assert_eq!(why(verdict), expected, "{owner:?}"),
                None => assert!(is_unknown(verdict), "{owner:?}: {verdict:?}"),
            }
        }
        assert_eq!((verdicts.len(), s.shop.taken()), (1, 0));
    }
}

#[tokio::test]
async fn noise_between_the_answers_is_no_answer() {
    let s = Safaricom::usual().await;
    s.shop.people.owner(KENYAN, Owner::Cancels { after: after(20) });
    let charge = s.charge("R1", 10);
    let asked = s.shop.asked(&charge, &s.submit(&charge).await);
    s.shop.pass(1).await;
    assert!(is_unknown(&s.query(&asked).await.unwrap()), "500.001.1001 with status 200");
    s.shop.pass(25).await;
    assert_eq!(why(&s.query(&asked).await.unwrap()), FailureReason::Cancelled);
    s.shop.people.owner(KENYAN, Owner::Unreachable);
    let charge = s.charge("R2", 20);
    let asked = s.shop.asked(&charge, &s.submit(&charge).await);
    s.shop.pass(75).await;
    let mut noise = 0;
    for _ in 0..4 {
        match s.query(&asked).await.unwrap() {
            Verdict::Unknown(_) => noise += 1,
            verdict => assert_eq!(why(&verdict), FailureReason::NoAnswer),
        }
    }
    assert_eq!(noise, 2);
    let stranger = Asked { provider_id: Some("ws_CO_0".to_owned()), ..asked.clone() };
    assert!(is_unknown(&s.query(&stranger).await.unwrap()));
    let lost = Asked { provider_id: None, ..asked };
    assert!(is_unknown(&s.query(&lost).await.unwrap()));
}

#[tokio::test]
async fn an_answer_that_is_lost_is_unknown_and_a_line_that_is_cut_before_is_too() {
    let s = Safaricom::usual().await;
    for (fault, prompts) in [(RequestFault::DropAfter, 1), (RequestFault::DropBefore, 0)] {
        s.daraja.faults().requests("processrequest", 1, fault);
        let before = s.daraja.pushes().len();
        let submitted = s.submit(&s.charge("R1", 10)).await;
        assert!(matches!(submitted, Submitted::Unknown(_)), "{submitted:?}");
        s.shop.people.settle().await;
        assert_eq!(s.daraja.pushes().len() - before, prompts);
    }
    s.daraja.faults().requests("processrequest", 1, RequestFault::HtmlError(502));
    assert!(matches!(s.submit(&s.charge("R2", 10)).await, Submitted::Unknown(_)));
    // The payment of the lost answer is told by its callback all the same.
    s.shop.pass(2).await;
    assert!(matches!(s.shop.verdicts(&s.client)[..], [Verdict::Paid(_)]));
}

#[tokio::test]
async fn who_is_not_reached_was_not_asked() {
    let s = Safaricom::usual().await;
    s.daraja.faults().requests("oauth", 1, RequestFault::DropAfter);
    assert!(matches!(s.submit(&s.charge("R1", 10)).await, Submitted::NotSent { .. }), "no token");
    s.client.check(s.shop.now()).await.unwrap();
    s.daraja.stop();
    let submitted = s.submit(&s.charge("R1", 10)).await;
    assert!(matches!(submitted, Submitted::NotSent { .. }), "{submitted:?}");
    let asked =
        s.shop.asked(&s.charge("R1", 10), &Submitted::Taken { provider_id: Some("x".to_owned()) });
    assert!(matches!(s.query(&asked).await, Err(ProviderError::NoAnswer { .. })));
}

#[tokio::test]
async fn too_much_is_told_and_waited_for() {
    let s = Safaricom::usual().await;
    s.daraja.faults().requests("processrequest", 1, daraja::spike_arrest());
    let Submitted::NotSent { wait, .. } = s.submit(&s.charge("R1", 10)).await else { panic!() };
    assert_eq!(wait, Span::seconds(1));
    let early = s.submit(&s.charge("R1", 10)).await;
    assert!(matches!(early, Submitted::NotSent { .. }), "{early:?}");
    s.shop.pass(1).await;
    for number in 0..5 {
        let submitted = s.submit(&s.charge(&format!("R{number}"), 10 + number)).await;
        assert!(matches!(submitted, Submitted::Taken { .. }), "{submitted:?}");
    }
    let sixth = s.submit(&s.charge("R6", 16)).await;
    assert!(matches!(sixth, Submitted::NotSent { wait, .. } if wait <= Span::seconds(1)));
    assert_eq!(s.daraja.pushes().len(), 5);
    s.shop.pass(1).await;
    s.daraja.faults().requests("processrequest", 1, daraja::overloaded("Wrong credentials"));
    assert!(
        matches!(s.submit(&s.charge("R7", 17)).await, Submitted::Refused(f) if f.why == FailureReason::Setup)
    );
    s.daraja.faults().requests("processrequest", 1, daraja::overloaded(""));
    assert!(matches!(s.submit(&s.charge("R8", 18)).await, Submitted::Unknown(_)));
}

#[tokio::test]
async fn a_token_that_dies_is_replaced_once_however_many_need_it() {
    let s = Safaricom::usual().await;
    s.client.check(s.shop.now()).await.unwrap();
    s.daraja.kill_token();
    let charges: Vec<Charge> = (0..5).map(|n| s.charge(&format!("R{n}"), 10 + n)).collect();
    let submitted = futures_util::future::join_all(charges.iter().map(|one| s.submit(one))).await;
    for submitted in submitted {
        assert!(matches!(submitted, Submitted::Taken { .. }), "{submitted:?}");
    }
    assert_eq!((s.daraja.pushes().len(), s.daraja.tokens_given()), (5, 2));
    // It is refreshed before it ends.
    s.shop.pass(3_540).await;
    s.client.check(s.shop.now()).await.unwrap();
    assert_eq!(s.daraja.tokens_given(), 3);
}

#[tokio::test]
async fn wrong_keys_are_our_own_fault_and_said_so() {
    let s = Safaricom::open(daraja::Settings::default(), json!({ "consumer_secret": "old" })).await;
    let error = s.client.check(s.shop.now()).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Refused { code, .. } if code == "400.008.01"),
        "{error}"
    );
    assert!(!error.to_string().contains("old"));
    let submitted = s.submit(&s.charge("R1", 10)).await;
    assert!(matches!(submitted, Submitted::Refused(f) if f.why == FailureReason::Setup));
}

#[tokio::test]
async fn callbacks_come_twice_early_late_in_other_types_and_contradict() {
    let s = Safaricom::usual().await;
    let faults = s.daraja.faults();
    faults.callbacks(1, CallbackFault::BeforeAnswer);
    faults.callbacks(1, CallbackFault::Doubled { after: Duration::ZERO });
    faults.callbacks(1, CallbackFault::TextNumbers);
    faults.callbacks(1, CallbackFault::ThenFailure { after: after(5) });
    assert!(matches!(s.submit(&s.charge("R1", 10)).await, Submitted::Taken { .. }));
    s.shop.pass(10).await;
    let verdicts = s.shop.verdicts(&s.client);
    let paid: Vec<_> = verdicts
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Paid(proof) => Some(proof),
            _ => None,
        })
        .collect();
    assert!(paid.len() >= 2 && paid.len() < verdicts.len(), "{verdicts:?}");
    for proof in &paid {
        assert_eq!(proof.receipt, paid[0].receipt);
        assert_eq!(proof.amount, Some(Money::new(1_000, Currency::KES)));
    }
    assert_eq!(s.shop.taken(), 10);
}

#[tokio::test]
async fn money_by_hand_is_asked_for_told_and_listed() {
    let settings = daraja::Settings { validates: true, registers_once: true, ..Default::default() };
    let s = Safaricom::open(settings, json!({})).await;
    let urls = Urls {
        validate: s.shop.at(Door::C2bValidate),
        confirm: s.shop.at(Door::C2bConfirm),
        webhook: s.shop.at(Door::Webhook),
    };
    let first = s.client.register(&urls, s.shop.now()).await.unwrap();
    assert_eq!((first.confirmations, first.list), (Registered::Now, Registered::Now));
    let again = s.client.register(&urls, s.shop.now()).await.unwrap();
    assert_eq!((again.confirmations, again.list), (Registered::Before, Registered::Before));
    let receipt =
        s.daraja.pay_by_hand(KENYAN, "174379", "acc 1", Amount::whole(50, "KES")).await.unwrap();
    s.shop.pass(1).await;
    let mut heard = s.shop.heard(&s.client).into_iter().map(|callback| callback.unwrap().heard);
    let Some(Heard::MayPay(asked)) = heard.next() else { panic!() };
    let Some(Heard::Money(told)) = heard.next() else { panic!() };
    assert_eq!((asked.account.as_str(), &told), ("acc 1", &asked));
    assert_eq!(
        (told.receipt.as_str(), told.amount),
        (receipt.as_str(), Money::new(5_000, Currency::KES))
    );
    assert_eq!(told.payer.as_deref(), Some("2547 ***** 678"));
    *s.shop.mailbox.refuses.lock().unwrap() = true;
    let refused = s.daraja.pay_by_hand(KENYAN, "174379", "x", Amount::whole(50, "KES")).await;
    assert_eq!(refused.unwrap_err().code, "C2B00012");
    // The pushes are in the list as well.
    s.submit(&s.charge("LANGO0001", 10)).await;
    s.shop.pass(2).await;
    let now = s.shop.now();
    let listed = s.client.list_money(now - Span::hours(1), now, now).await.unwrap();
    let accounts: Vec<_> = listed.iter().map(|money| money.account.as_str()).collect();
    assert_eq!(accounts, ["acc 1", "LANGO0001"]);
    assert_eq!(listed[0].receipt, receipt);
    let before = now - Span::hours(2);
    assert_eq!(s.client.list_money(before, now - Span::hours(1), now).await, Ok(Vec::new()));
}

#[tokio::test]
async fn money_goes_back_once_and_a_receipt_is_looked_up() {
    let s = Safaricom::usual().await;
    s.submit(&s.charge("R1", 10)).await;
    s.shop.pass(2).await;
    let verdicts = s.shop.verdicts(&s.client);
    let [Verdict::Paid(paid)] = &verdicts[..] else { panic!("{verdicts:?}") };
    let question = |receipt: &str| ReceiptQuestion {
        receipt: receipt.to_owned(),
        callback: s.shop.at(Door::Status),
        timeout: s.shop.at(Door::Timeout),
    };
    let order = s.client.look_up(&question(&paid.receipt), s.shop.now()).await.unwrap();
    s.shop.pass(1).await;
    let callback = s.shop.heard(&s.client).pop().unwrap().unwrap();
    let Heard::Receipt { order: about, verdict: Verdict::Paid(found) } = callback.heard else {
        panic!()
    };
    assert_eq!((about, &found.receipt, found.amount), (order, &paid.receipt, paid.amount));
    let refund = Refund {
        receipt: paid.receipt.clone(),
        amount: Money::new(1_000, Currency::KES),
        phone: None,
        reference: "BACK1".to_owned(),
        callback: s.shop.at(Door::Result),
        timeout: s.shop.at(Door::Timeout),
    };
    for _ in 0..2 {
        let answer = s.client.refund(&refund, s.shop.now()).await;
        let RefundAnswer::Ordered { order } = answer else { panic!("{answer:?}") };
        s.shop.pass(1).await;
        let callback = s.shop.heard(&s.client).pop().unwrap().unwrap();
        let Heard::Refund { order: about, verdict } = callback.heard else { panic!() };
        assert_eq!(about, order);
        assert!(matches!(verdict, Verdict::Paid(_)), "{verdict:?}");
    }
    assert_eq!(s.shop.taken(), 0);
    s.client.look_up(&question("SKNOBODY00"), s.shop.now()).await.unwrap();
    s.shop.pass(1).await;
    let callback = s.shop.heard(&s.client).pop().unwrap().unwrap();
    assert!(matches!(callback.heard, Heard::Receipt { verdict: Verdict::Failed(_), .. }));
    s.daraja.faults().requests("reversal", 1, RequestFault::DropAfter);
    assert!(matches!(s.client.refund(&refund, s.shop.now()).await, RefundAnswer::Unknown(_)));
}

/// What the three with references of ours have in common.
struct Other {
    shop: Shop,
    client: Provider,
    faults: Faults,
    submits: &'static str,
    kill_token: Box<dyn Fn()>,
    /// Whoever listens, listens as long as this.
    _stand_in: Box<dyn std::any::Any>,
}

async fn clickpesa(settings: clickpesa::Settings, more: Value) -> Other {
    let shop = Shop::open(Currency::TZS, "+255712345678").await;
    let stand_in = ClickPesa::start(&shop.people, settings).unwrap();
    stand_in.send_webhooks_to(&shop.at(Door::Webhook));
    let mut typed = json!({
        "provider": "clickpesa", "client_id": "client", "api_key": "key",
        "base_url": stand_in.base_url(),
    });
    for (name, value) in more.as_object().unwrap() {
        typed[name] = value.clone();
    }
    let (client, kills) = (shop.client(typed), stand_in.clone());
    Other {
        client,
        faults: stand_in.faults().clone(),
        submits: "initiate-ussd-push-request",
        kill_token: Box::new(move || kills.kill_token()),
        _stand_in: Box::new(stand_in),
        shop,
    }
}

async fn mtn() -> Other {
    let shop = Shop::open(Currency::UGX, "+256772345678").await;
    let stand_in = MobileMoney::start(&shop.people, momo::Settings::default()).unwrap();
    let typed = json!({
        "provider": "momo", "country": "UG", "api_user": "user", "api_key": "key",
        "subscription_key": "subscription", "base_url": stand_in.base_url(),
    });
    let (client, kills) = (shop.client(typed), stand_in.clone());
    Other {
        client,
        faults: stand_in.faults().clone(),
        submits: "v1_0/requesttopay",
        kill_token: Box::new(move || kills.kill_token()),
        _stand_in: Box::new(stand_in),
        shop,
    }
}

async fn airtel_money(hash: Option<airtel::HashOver>) -> Other {
    let shop = Shop::open(Currency::UGX, "+256752345678").await;
    let settings = airtel::Settings {
        hash: hash.map(|over| ("callback key".to_owned(), over)),
        ..Default::default()
    };
    let stand_in = AirtelMoney::start(&shop.people, settings).unwrap();
    stand_in.send_callbacks_to(&shop.at(Door::Webhook));
    let mut typed = json!({
        "provider": "airtel", "country": "UG", "client_id": "client", "client_secret": "secret",
        "base_url": stand_in.base_url(),
    });
    if hash.is_some() {
        typed["callback_key"] = json!("callback key");
    }
    let (client, kills) = (shop.client(typed), stand_in.clone());
    Other {
        client,
        faults: stand_in.faults().clone(),
        submits: "merchant/v1/payments",
        kill_token: Box::new(move || kills.kill_token()),
        _stand_in: Box::new(stand_in),
        shop,
    }
}

async fn others() -> [Other; 3] {
    [clickpesa(Default::default(), json!({})).await, mtn().await, airtel_money(None).await]
}

impl Other {
    fn charge(&self, reference: &str, units: i64) -> Charge {
        self.shop.charge(Door::Webhook, reference, units)
    }

    async fn submit(&self, charge: &Charge) -> Submitted {
        self.client.submit(charge, self.shop.now()).await
    }

    async fn query(&self, charge: &Charge) -> Result<Verdict, ProviderError> {
        let asked = self.shop.asked(charge, &Submitted::Unknown(String::new()));
        self.client.query(&asked, self.shop.now()).await
    }
}

#[tokio::test]
async fn the_others_are_asked_told_and_found_by_our_own_reference() {
    for other in others().await {
        let name = other.client.name();
        other.client.check(other.shop.now()).await.unwrap();
        let charge = other.charge("LANGO0001", 1_000);
        let submitted = other.submit(&charge).await;
        assert!(matches!(submitted, Submitted::Taken { .. }), "{name}: {submitted:?}");
        assert_eq!(other.query(&charge).await, Ok(Verdict::Pending), "{name}");
        other.shop.pass(5).await;
        let callback = other.shop.heard(&other.client).pop().unwrap().unwrap();
        assert!(!callback.is_signed, "{name}");
        let Heard::Charge { about, verdict: Verdict::Paid(told) } = callback.heard else {
            panic!("{name}: {:?}", callback.heard)
        };
        assert_eq!(about, About::Reference("LANGO0001".to_owned()), "{name}");
        let found = other.query(&charge).await;
        let Ok(Verdict::Paid(found)) = found else { panic!("{name}: {found:?}") };
        assert_eq!(told.receipt, found.receipt, "{name}: one receipt by either way");
        for amount in [told.amount, found.amount].into_iter().flatten() {
            assert_eq!(amount, charge.amount, "{name}");
        }
        assert_eq!(other.shop.taken(), 1_000, "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_again_and_a_repeated_question_is_one() {
    for other in others().await {
        let name = other.client.name();
        let charge = other.charge("LANGO0001", 1_000);
        other.faults.requests(other.submits, 1, RequestFault::DropAfter);
        let submitted = other.submit(&charge).await;
        assert!(matches!(submitted, Submitted::Unknown(_)), "{name}: {submitted:?}");
        other.shop.people.settle().await;
        let again = other.submit(&charge).await;
        assert!(matches!(again, Submitted::Taken { .. }), "{name}: {again:?}");
        other.shop.pass(5).await;
        assert!(matches!(other.query(&charge).await, Ok(Verdict::Paid(_))), "{name}");
        assert_eq!(other.shop.taken(), 1_000, "{name}");
    }
}

#[tokio::test]
async fn what_fails_has_its_class_and_what_is_unclear_has_none() {
    for other in others().await {
        let name = other.client.name();
        other.shop.people.everybody(Owner::Cancels { after: after(1) });
        let charge = other.charge("R1", 1_000);
        other.submit(&charge).await;
        other.shop.pass(5).await;
        for verdict in other.shop.verdicts(&other.client) {
            assert!(matches!(verdict, Verdict::Failed(_)), "{name}: {verdict:?}");
        }
        assert!(matches!(other.query(&charge).await, Ok(Verdict::Failed(_))), "{name}");
        let nobody = other.query(&other.charge("NEVER", 1_000)).await;
        assert!(matches!(nobody, Ok(Verdict::Unknown(_))), "{name}: {nobody:?}");
        other.faults.requests("", ALWAYS, RequestFault::HtmlError(502));
        let asked = other.query(&charge).await;
        assert!(matches!(asked, Err(ProviderError::NoAnswer { .. })), "{name}: {asked:?}");
        let submitted = other.submit(&other.charge("R2", 1_000)).await;
        assert!(matches!(submitted, Submitted::Unknown(_)), "{name}: {submitted:?}");
        assert_eq!(other.shop.taken(), 0, "{name}");
    }
}

#[tokio::test]
async fn the_others_tokens_die_and_are_replaced_as_well() {
    for other in others().await {
        other.client.check(other.shop.now()).await.unwrap();
        (other.kill_token)();
        let submitted = other.submit(&other.charge("R1", 1_000)).await;
        assert!(
            matches!(submitted, Submitted::Taken { .. }),
            "{}: {submitted:?}",
            other.client.name()
        );
        // Three minutes at Airtel, an hour elsewhere.
        other.shop.pass(3_700).await;
        let submitted = other.submit(&other.charge("R2", 2_000)).await;
        assert!(
            matches!(submitted, Submitted::Taken { .. }),
            "{}: {submitted:?}",
            other.client.name()
        );
    }
}

#[tokio::test]
async fn clickpesa_is_believed_by_its_checksum_and_asked_when_it_says_nothing_came() {
    let key = || "checksum key".to_owned();
    for (checksum, scheme) in [
        (clickpesa::Checksum::Json { key: key() }, "json"),
        (clickpesa::Checksum::Values { key: key() }, "values"),
    ] {
        for floors_amounts in [false, true] {
            let settings = clickpesa::Settings {
                checksum: Some(checksum.clone()),
                floors_amounts,
                ..Default::default()
            };
            let more = json!({
                "checksum_key": "checksum key", "checksum_scheme": scheme, "preview": true,
            });
            let other = clickpesa(settings, more).await;
            let charge = other.charge("LANGO0001", 1_000);
            let submitted = other.submit(&charge).await;
            assert!(matches!(submitted, Submitted::Taken { .. }), "{scheme}: {submitted:?}");
            other.shop.pass(5).await;
            let callback = other.shop.heard(&other.client).pop().unwrap().unwrap();
            assert_eq!(callback.is_signed, !floors_amounts, "{scheme}");
            let found = other.query(&charge).await;
            assert!(matches!(found, Ok(Verdict::Paid(p)) if p.amount == Some(charge.amount)));
        }
    }
}

#[tokio::test]
async fn airtel_is_believed_by_either_hash_and_gives_back() {
    for over in [airtel::HashOver::Raw, airtel::HashOver::Compact] {
        let other = airtel_money(Some(over)).await;
        let charge = other.charge("LANGO0001", 1_000);
        other.submit(&charge).await;
        other.shop.pass(5).await;
        let callback = other.shop.heard(&other.client).pop().unwrap().unwrap();
        assert!(callback.is_signed, "{over:?}");
        let Heard::Charge { verdict: Verdict::Paid(proof), .. } = callback.heard else { panic!() };
        let refund = Refund {
            receipt: proof.receipt,
            amount: charge.amount,
            phone: None,
            reference: "BACK1".to_owned(),
            callback: String::new(),
            timeout: String::new(),
        };
        assert_eq!(other.client.refund(&refund, other.shop.now()).await, RefundAnswer::Done);
        assert_eq!(other.shop.taken(), 0);
        let twice = other.client.refund(&refund, other.shop.now()).await;
        assert!(matches!(twice, RefundAnswer::Refused(_)), "{twice:?}");
        assert!(matches!(other.query(&charge).await, Ok(Verdict::Failed(_))), "reversed");
    }
}
