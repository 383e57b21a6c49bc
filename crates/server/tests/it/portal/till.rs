//! A till: payments as the engine for money writes them, without a provider; what the portal shows of
//! them is what is tested by it. And M-Pesa's stand-in, where the whole way is walked.

use super::{Cafe, Phone, Real};
use crate::paybill;
use lango_domain::ids::{GatewayId, GrantId, MoneyId, PaymentId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::payment::{Failure, FailureReason, PaymentState};
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::time::{Span, Timestamp};
use lango_provider_sim::{Daraja, Owner, Prompt, Subscribers, daraja};
use lango_store::Tx;
use lango_store::gateways::Gateway;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::payments::Payment;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const PAYER: &str = "+254712345678";

/// M-Pesa, and the phones that it asks. Their owners do nothing by themselves.
pub(crate) struct Mpesa {
    people: Subscribers,
    daraja: Daraja,
}

impl Mpesa {
    /// The question on a phone, which may be on its way yet.
    pub(crate) async fn rings(&self, number: &str) -> Prompt {
        let begun = Instant::now();
        loop {
            if let Some(prompt) = self.people.pending_prompts(&abroad(number)).pop() {
                return prompt;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{number} is asked nothing");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The PIN is typed; returns when M-Pesa has told us.
    pub(crate) async fn approves(&self, number: &str) {
        assert!(self.people.approve(self.rings(number).await.id));
        self.people.settle().await;
    }

    pub(crate) async fn cancels(&self, number: &str) {
        assert!(self.people.cancel(self.rings(number).await.id));
        self.people.settle().await;
    }

    /// How often a phone was asked, and how many cents it has paid in all.
    pub(crate) fn books(&self, number: &str) -> (usize, i64) {
        let number = abroad(number);
        let asked = self.daraja.pushes().iter().filter(|push| push.msisdn == number).count();
        let paid = self.people.money_taken(&number);
        (asked, paid.iter().map(|amount| amount.hundredths).sum())
    }
}

fn abroad(number: &str) -> String {
    format!("254{}", number.trim_start_matches('0'))
}

impl Cafe {
    /// From now on money can be taken by M-Pesa.
    pub(crate) async fn takes_mpesa(&self) -> Mpesa {
        self.app.let_webhooks_be_private(true);
        self.app.is_reached_at(self.url("").parse().unwrap());
        let people = Subscribers::new(Arc::new(Real(self.app.clock().clone())));
        people.everybody(Owner::Person);
        let known = daraja::Settings { noisy_queries: false, ..daraja::Settings::default() };
        let daraja = Daraja::start(&people, known).unwrap();
        paybill::add(&self.app, (self.tenant, "M-Pesa"), &daraja, None).await;
        Mpesa { people, daraja }
    }

    /// A phone was asked for money, so long ago.
    pub(crate) async fn order(&self, phone: &Phone, ago: Span) -> PaymentId {
        self.order_of(PAYER, phone, ago).await
    }

    /// The same with another number.
    pub(crate) async fn order_of(&self, payer: &str, phone: &Phone, ago: Span) -> PaymentId {
        let now = self.now();
        let (tenant, router, id) = (self.tenant, self.router, self.app.id::<PaymentId>(now));
        let gateway = self.gateway().await;
        let mac = lango_domain::mac_address::MacAddress::new(phone.mac.0);
        let payment = Payment {
            id,
            tenant,
            gateway,
            reference: format!("L{id}"),
            door: vec![0],
            door_hash: id.to_string().into_bytes(),
            provider_id: None,
            state: PaymentState::Pending,
            plan: self.hour().await,
            amount: Money::new(2_000, Currency::KES),
            phone: PhoneNumber::parse(payer, Country::Ke).unwrap(),
            customer: None,
            renews: None,
            grant: None,
            router: Some(router),
            mac: Some(mac),
            address: Some(phone.address.to_string()),
            language: Language::Sw,
            created_at: now - ago,
            submitted_at: Some(now - ago),
            settled_at: None,
            next_attempt_at: None,
            attempt: 1,
            last_error: None,
            rings: true,
            version: 1,
        };
        let write = async move |tx: &mut Tx<'_>| lango_store::payments::insert(tx, &payment).await;
        self.app.store().write(write).await.unwrap();
        id
    }

    async fn hour(&self) -> lango_domain::ids::PlanId {
        let tenant = self.tenant;
        let look =
            async move |tx: &mut Tx<'_>| lango_store::plans::by_name(tx, tenant, "1 hour").await;
        self.app.store().read(look).await.unwrap().unwrap().plan.id
    }

    async fn gateway(&self) -> GatewayId {
        let (tenant, now) = (self.tenant, self.now());
        let known = async move |tx: &mut Tx<'_>| lango_store::gateways::of_tenant(tx, tenant).await;
        if let Some(known) = self.app.store().read(known).await.unwrap().first() {
            return known.id;
        }
        let gateway = till(self, now);
        let id = gateway.id;
        let write = async move |tx: &mut Tx<'_>| lango_store::gateways::insert(tx, &gateway).await;
        self.app.store().write(write).await.unwrap();
        id
    }

    /// The money came: a grant, and its receipt.
    pub(crate) async fn pays(&self, payment: PaymentId, receipt: &str) -> GrantId {
        let (grant, _) = self.voucher().await;
        let (now, receipt) = (self.now(), receipt.to_owned());
        let money = MoneyIn {
            id: self.app.id::<MoneyId>(now),
            tenant: self.tenant,
            gateway: Some(self.gateway().await),
            provider: "daraja".to_owned(),
            receipt: receipt.clone(),
            amount: Money::new(2_000, Currency::KES),
            account: String::new(),
            payer: Some(PAYER.to_owned()),
            payer_name: None,
            paid_at: now,
            heard_at: now,
            fate: Fate::Used,
            payment: Some(payment),
            customer: None,
            grant: Some(grant),
            version: 1,
        };
        let keep = async move |tx: &mut Tx<'_>| lango_store::money_in::keep(tx, &money).await;
        assert!(self.app.store().write(keep).await.unwrap());
        self.settle(payment, PaymentState::Paid { receipt }, Some(grant)).await;
        grant
    }

    /// The same for what a phone is waiting for.
    pub(crate) async fn pays_for(&self, phone: &Phone, receipt: &str) -> GrantId {
        let (router, mac) = (self.router, lango_domain::mac_address::MacAddress::new(phone.mac.0));
        let look =
            async move |tx: &mut Tx<'_>| lango_store::payments::of_device(tx, router, &mac).await;
        let payment = self.app.store().read(look).await.unwrap().unwrap();
        self.pays(payment.id, receipt).await
    }

    pub(crate) async fn refuses(&self, payment: PaymentId, why: FailureReason) {
        let failure = Failure { why, code: "1032".to_owned(), sentence: "cancelled".to_owned() };
        self.settle(payment, PaymentState::Failed(failure), None).await;
    }

    async fn settle(&self, id: PaymentId, state: PaymentState, grant: Option<GrantId>) {
        let now = self.now();
        let write = async move |tx: &mut Tx<'_>| {
            let payment = lango_store::payments::find(tx, id).await?.unwrap();
            let (state, settled_at) = (state.clone(), Some(now));
            // What is settled rings no more; else the same phone could be asked nothing again.
            let settled = Payment { state, grant, settled_at, rings: false, ..payment };
            lango_store::payments::save(tx, &settled).await
        };
        self.app.store().write(write).await.unwrap();
    }
}

fn till(cafe: &Cafe, now: Timestamp) -> Gateway {
    Gateway {
        id: cafe.app.id::<GatewayId>(now),
        tenant: cafe.tenant,
        name: "till".to_owned(),
        provider: "daraja".to_owned(),
        currency: Currency::KES,
        settings: vec![0],
        door: vec![0],
        door_hash: vec![1],
        place: 0,
        created_at: now,
        removed_at: None,
        compared_until: None,
        compare_at: None,
        last_error: None,
        version: 1,
    }
}
