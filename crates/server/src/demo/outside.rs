//! What is outside of Lango: the payment provider, the gateway of texts, and everybody's phones.
//! Stand-ins on real sockets; Lango knows nothing of them but their addresses.

use crate::app::App;
use crate::clock::Clock;
use crate::messaging::gateways;
use crate::operations::asked::By;
use crate::operations::gateways::{NewGateway, add_gateway};
use crate::operations::sender::{NewSender, add_sender};
use anyhow::Context;
use lango_domain::ids::{GatewayId, TenantId};
use lango_provider_sim::{
    CallbackFault, Daraja, Disturbance, Gateway, Owner, PhonePage, SmsGateways, Subscribers, daraja,
};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long a question stands on a phone, in real time: a person wants to read it.
const RINGS: Duration = Duration::from_secs(60);

/// All of it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outside {
    pub(super) people: Subscribers,
    pub(super) daraja: Daraja,
    pub(super) phones: PhonePage,
    texts: SmsGateways,
}

struct Shared(Clock);

impl lango_provider_sim::Clock for Shared {
    fn now_micros(&self) -> i64 {
        self.0.now().micros()
    }
}

impl Outside {
    /// Starts the stand-ins, at the demonstration's time. Of what the provider says, some is lost,
    /// some comes twice and some comes late.
    pub(super) fn open(clock: &Clock, speed: f64) -> anyhow::Result<Outside> {
        let people = Subscribers::new(Arc::new(Shared(clock.clone())));
        // Whoever is not of the town is a person at the page of the phones.
        people.everybody(Owner::Person);
        let settings =
            daraja::Settings { prompt_lasts: RINGS.mul_f64(speed), ..Default::default() };
        let daraja = Daraja::start(&people, settings).context("starting a payment provider")?;
        daraja.faults().disturb(Disturbance {
            seed: 11,
            lost: 12,
            doubled: 15,
            late: 12,
            longest_delay: Duration::from_secs(20),
        });
        // The dice may spare a short demonstration: one of each is certain.
        daraja.faults().callbacks(1, CallbackFault::Doubled { after: Duration::from_secs(2) });
        let texts =
            SmsGateways::start(&people, Default::default()).context("starting a gateway")?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let phones = PhonePage::start(&people, any).context("serving the page of the phones")?;
        Ok(Outside { people, daraja, phones, texts })
    }

    /// The business signs up with both.
    pub(super) async fn sign_up(&self, app: &App, tenant: TenantId) -> anyhow::Result<GatewayId> {
        let now = app.clock().now();
        let settings = json!({
            "provider": "daraja", "consumer_key": "key", "consumer_secret": "secret",
            "passkey": "passkey", "shortcode": "174379", "base_url": self.daraja.base_url(),
        });
        let new = NewGateway { tenant, name: "M-Pesa".to_owned(), currency: None, settings };
        let gateway = add_gateway(app, new, &By::cli(), now).await?.id;
        let url = self.texts.base_url(Gateway::AfricasTalking);
        let new = NewSender {
            tenant,
            name: "texts".to_owned(),
            gateway: gateways::Gateway::AfricasTalking { user: "user".to_owned(), url },
            secret: "secret".to_owned(),
            from_name: None,
            part_price: None,
            low_balance: None,
        };
        add_sender(app, new, &By::cli(), now).await?;
        Ok(gateway)
    }

    /// How many texts reached the phones.
    pub(super) fn texts_that_arrived(&self) -> usize {
        self.people.phones().iter().map(|phone| self.people.inbox(phone).len()).sum()
    }
}
