//! Everything outside of the server: the payment provider, phones, routers, customers with browsers.

use crate::browser::{Browser, Page};
use crate::server::Server;
use anyhow::{Context, anyhow, bail};
use lango_domain::time::Span;
use lango_provider_sim::{Daraja, Owner, PromptId, Subscribers, daraja};
use lango_router_sim::{Change, MacAddress, Router, RouterSim, Settings, SystemClock};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// All of it.
pub(crate) struct Street {
    people: Subscribers,
    pub(crate) daraja: Daraja,
    routers: Vec<RouterSim>,
    portals: Vec<String>,
    browser: Browser,
    /// When each device was first shown online.
    online: Arc<Mutex<BTreeMap<MacAddress, i64>>>,
}

/// Somebody who buys.
pub(crate) struct Customer {
    router: Router,
    mac: MacAddress,
    portal: String,
    phone: String,
    browser: Browser,
}

/// What came back for the messages of the provider.
pub(crate) struct Answers {
    pub(crate) failed: usize,
    /// How long each took, sorted.
    pub(crate) took: Vec<Span>,
}

/// The name of what everybody buys.
pub(crate) const PLAN: &str = "One day";
/// Nobody's question is given up while others set out.
const RINGS: Duration = Duration::from_secs(600);

impl Street {
    pub(crate) fn open(routers: usize) -> anyhow::Result<Street> {
        let people = Subscribers::new(Arc::new(lango_provider_sim::SystemClock));
        let settings = daraja::Settings { prompt_lasts: RINGS, ..Default::default() };
        let daraja = Daraja::start(&people, settings)?;
        let online = Arc::new(Mutex::new(BTreeMap::new()));
        let mut sims = Vec::new();
        for number in 0..routers {
            let settings =
                Settings { identity: format!("R{number}"), rest: None, ..Settings::default() };
            let sim = RouterSim::start(settings, Arc::new(SystemClock))?;
            tokio::spawn(watch(sim.router().clone(), online.clone()));
            sims.push(sim);
        }
        let browser = Browser::at("");
        Ok(Street { people, daraja, routers: sims, portals: Vec::new(), browser, online })
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        let addresses = self.routers.iter().filter_map(|sim| sim.router().api_address());
        addresses.map(|address| address.port()).collect()
    }

    /// From now on customers go to that server's portal.
    pub(crate) fn know(&mut self, server: &Server) {
        self.portals = server.open.portals.clone();
        self.browser = Browser::at(&server.open.url);
    }

    pub(crate) fn everybody_approves_after(&self, after: Duration) {
        self.people.everybody(Owner::Approves { after });
    }

    pub(crate) fn everybody_waits(&self) {
        self.people.everybody(Owner::Person);
    }

    pub(crate) fn customer(&self, number: u32) -> Customer {
        let place = number as usize % self.routers.len();
        let [_, high, middle, low] = number.to_be_bytes();
        Customer {
            router: self.routers[place].router().clone(),
            mac: MacAddress([0xDA, 0xA1, 0x19, high, middle, low]),
            portal: self.portals[place].clone(),
            phone: format!("+2547{number:08}"),
            browser: self.browser.on(Ipv4Addr::new(10, high, middle, low)),
        }
    }

    /// The questions on the phones, once there are so many.
    pub(crate) async fn prompts(
        &self,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<Vec<PromptId>> {
        let began = Instant::now();
        loop {
            let open = self.people.open_prompts();
            if open.len() >= count {
                return Ok(open.iter().map(|prompt| prompt.id).collect());
            }
            if began.elapsed() > patience {
                bail!("only {} of {count} phones are asked", open.len());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn approve(&self, prompt: PromptId) {
        self.people.approve(prompt);
    }

    /// What came back for the provider's messages, once there are so many.
    pub(crate) async fn answers(&self, count: usize, patience: Duration) -> Answers {
        let began = Instant::now();
        let mut deliveries = self.daraja.deliveries();
        while deliveries.len() < count && began.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(50)).await;
            deliveries = self.daraja.deliveries();
        }
        let failed = deliveries.iter().filter(|one| one.status != Ok(200)).count();
        let mut took: Vec<Span> = deliveries.iter().map(|one| Span::from(one.took)).collect();
        took.sort();
        Answers { failed, took }
    }

    pub(crate) async fn until_online(&self, count: usize, patience: Duration) {
        let began = Instant::now();
        while self.online().len() < count && began.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Of everybody who paid and is online, sorted.
    pub(crate) fn between_confirmation_and_session(&self) -> Vec<Span> {
        let online = self.online();
        let mut took: Vec<Span> = self
            .people
            .transactions()
            .iter()
            .filter_map(|paid| {
                let number: u32 = paid.payer.strip_prefix("2547")?.parse().ok()?;
                let at = online.get(&self.customer(number).mac)?;
                Some(Span::from_micros(at - paid.at_micros))
            })
            .collect();
        took.sort();
        took
    }

    pub(crate) fn receipts(&self) -> BTreeSet<String> {
        self.people.transactions().into_iter().map(|paid| paid.receipt).collect()
    }

    fn online(&self) -> BTreeMap<MacAddress, i64> {
        self.online.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn watch(router: Router, online: Arc<Mutex<BTreeMap<MacAddress, i64>>>) {
    let mut events = router.subscribe();
    loop {
        match events.recv().await {
            Ok(event) if matches!(event.change, Change::Connected { .. }) => {
                let mut online = online.lock().unwrap_or_else(PoisonError::into_inner);
                online.entry(event.mac).or_insert(event.at_micros);
            }
            Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

impl Customer {
    /// Comes in, chooses, and sends the form. Returns the page that he is left with.
    pub(crate) async fn buys(&self) -> anyhow::Result<Page> {
        let address = self.router.join(self.mac);
        self.router.keep_busy(self.mac, 100, 1_000);
        let mac = self.mac.0.map(|octet| format!("{octet:02X}")).join(":");
        let door = format!("{}?mac={mac}&ip={address}", self.portal);
        let landing = self.browser.get(&door).await?;
        let form =
            landing.form("/buy").with_context(|| format!("no plans: {}", landing.title()))?;
        let plan = landing.plan(PLAN).context("the plan is not offered")?;
        let page = self.browser.post(&form, &[("plan", &plan), ("phone", &self.phone)]).await?;
        match page.is("wait") {
            true => Ok(page),
            false => Err(anyhow!("the form led to {}: {}", page.path, page.title())),
        }
    }

    /// And goes where the pages send him, until one says that he is online.
    pub(crate) async fn buys_and_goes_online(&self, patience: Duration) -> anyhow::Result<()> {
        let (began, mut page) = (Instant::now(), self.buys().await?);
        while !page.is("online") {
            if began.elapsed() > patience {
                bail!("not online: {}", page.path);
            }
            let Some((seconds, to)) = page.sends_on() else {
                bail!("{} stands still: {}", page.path, page.text);
            };
            tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            page = self.browser.get(&to).await?;
        }
        Ok(())
    }
}
