//! Somebody who pays by phone: he comes into the Wi-Fi, is led to the portal, chooses, and does with
//! the question on his phone what people do. Everything he knows he reads from pages and texts.

use super::browser::{Browser, Page};
use super::outside::Outside;
use crate::clock::Clock;
use crate::operations::issue_vouchers::read_code;
use anyhow::{Context, bail};
use lango_domain::time::{Span, Timestamp};
use lango_provider_sim::Owner;
use lango_router_sim::{Fetched, MacAddress, Router};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// What phones ask for by themselves, to see whether they are online.
const PROBE: &str = "http://captive.apple.com/hotspot-detect.html";
/// How long before his end who renews does it: a lost callback is found by asking, in time.
const RENEW_BEFORE: Span = Span::seconds(150);
/// After so long a phone that nobody looks at is quiet again.
const QUIET_AFTER: Span = Span::seconds(60);
/// How long somebody waits before he tries again.
const BREATH: Span = Span::seconds(20);
/// How often somebody looks at his phone.
const GLANCE: Span = Span::seconds(5);
/// A purchase that leads nowhere for so long is a fault.
const PATIENCE: Span = Span::minutes(25);

/// What he does with the first question on his phone. With the second one he always pays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Temper {
    /// Types his PIN.
    Pays,
    /// Says no, and thinks better of it.
    Cancels,
    /// Does not look.
    Ignores,
    /// Does not look, leaves, and pays on his way.
    PaysLate,
    /// Has too little.
    IsPoor,
}

impl Temper {
    /// So that every kind comes early.
    pub(super) fn of(number: usize) -> Temper {
        use Temper::{Cancels, Ignores, IsPoor, Pays, PaysLate};
        const ALL: [Temper; 9] = [Pays, Cancels, Pays, PaysLate, Pays, Ignores, Pays, IsPoor, Pays];
        ALL[number % ALL.len()]
    }
}

/// What he tells the town.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    /// A page said that he is online, after he had paid for it.
    Online {
        /// When his phone first showed a router what lets him in, if it had to.
        presented: Option<Timestamp>,
    },
    /// A page said so again, after he had paid for more.
    Renewed,
}

/// Him.
pub(super) struct Buyer {
    pub(super) number: usize,
    pub(super) mac: MacAddress,
    pub(super) router: Router,
    /// The portal's own address for his device, for when no router leads him there.
    pub(super) portal: String,
    /// With `+`.
    pub(super) phone: String,
    pub(super) plan: &'static str,
    pub(super) minutes: i64,
    pub(super) temper: Temper,
    pub(super) renewals: u8,
    /// Sends the form twice, as impatient people do.
    pub(super) taps_twice: bool,
    /// When his phone first showed a router what lets him in, in microseconds; 0 is never.
    pub(super) presented: AtomicI64,
}

/// What is around him.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) outside: Outside,
    pub(super) browser: Browser,
    pub(super) news: UnboundedSender<(usize, News)>,
    /// From now on nobody renews.
    pub(super) closing: Arc<AtomicBool>,
}

/// Where following pages led.
enum End {
    Online(Page),
    /// The money did not come; where to try again.
    Failed(String),
    /// The plans are shown.
    Plans(Page),
}

impl Buyer {
    /// His whole life.
    pub(super) async fn live(self, around: Surroundings) -> anyhow::Result<()> {
        let mut online = self.first_time(&around).await?;
        let mut until = around.clock.now() + Span::minutes(self.minutes);
        let presented = Some(self.presented.load(Ordering::Relaxed)).filter(|at| *at != 0);
        let presented = presented.map(Timestamp::from_micros);
        around.tell(self.number, News::Online { presented });
        for _ in 0..self.renewals {
            if !around.until_or_closing(until - RENEW_BEFORE).await {
                return Ok(());
            }
            let plans = online.plans().context("a page of the portal leads to no plans")?;
            online = self.renew(&around, &plans).await?;
            until = until.max(around.clock.now()) + Span::minutes(self.minutes);
            around.tell(self.number, News::Renewed);
        }
        Ok(())
    }

    async fn first_time(&self, around: &Surroundings) -> anyhow::Result<Page> {
        self.is_asked_as(around, self.temper);
        let (began, mut next, mut temper) = (around.clock.now(), self.door().await, self.temper);
        loop {
            let landing = around.browser.get(&next).await?;
            let end = match landing.form("/buy") {
                Some(_) => self.choose(around, &landing).await?,
                None => self.follow(around, landing).await?,
            };
            match end {
                End::Online(page) => return Ok(page),
                End::Failed(_) if temper == Temper::PaysLate => {
                    return self.comes_back(around).await;
                }
                End::Failed(again) => next = again,
                End::Plans(page) => next = page.path,
            }
            if around.clock.now().since(began) > PATIENCE {
                bail!("he is not online, and was last sent to {next}");
            }
            temper = Temper::Pays;
            self.is_asked_as(around, temper);
            around.clock.sleep(BREATH).await;
        }
    }

    async fn renew(&self, around: &Surroundings, plans: &str) -> anyhow::Result<Page> {
        self.is_asked_as(around, Temper::Pays);
        let began = around.clock.now();
        loop {
            let landing = around.browser.get(plans).await?;
            match self.choose(around, &landing).await? {
                End::Online(page) => return Ok(page),
                End::Failed(_) | End::Plans(_) if around.clock.now().since(began) < PATIENCE => {
                    around.clock.sleep(BREATH).await;
                }
                End::Failed(again) => bail!("he cannot renew, and may only try {again}"),
                End::Plans(page) => bail!("he cannot renew: he is left with `{}`", page.title()),
            }
        }
    }

    /// What will be done with the next question on his phone.
    fn is_asked_as(&self, around: &Surroundings, temper: Temper) {
        let soon = Duration::from_secs(6);
        let owner = match temper {
            Temper::Pays => Owner::Approves { after: soon },
            Temper::Cancels => Owner::Cancels { after: soon },
            Temper::IsPoor => Owner::HasNoMoney { after: soon },
            Temper::Ignores => Owner::Ignores,
            Temper::PaysLate => Owner::Approves { after: Duration::from_secs(200) },
        };
        around.outside.people.owner(&self.phone, owner);
        if matches!(temper, Temper::Ignores | Temper::PaysLate) {
            tokio::spawn(falls_quiet(around.clone(), self.phone.clone()));
        }
    }

    /// He joins, his phone asks whether it is online, and the router leads it to the portal. One
    /// that is let in at once finds it by its address.
    async fn door(&self) -> String {
        let address = self.router.join(self.mac);
        match self.router.open_page(self.mac, PROBE).await {
            Fetched::Redirect(to) => to,
            _ => format!("{}?mac={}&ip={address}", self.portal, written(self.mac)),
        }
    }

    async fn choose(&self, around: &Surroundings, landing: &Page) -> anyhow::Result<End> {
        let form = landing.form("/buy").context("a page of plans has no form")?;
        let plan = landing.plan(self.plan).context("the plan is not offered")?;
        let fields = [("plan", plan.as_str()), ("phone", self.phone.as_str())];
        if self.taps_twice {
            let (one, two) =
                (around.browser.post(&form, &fields), around.browser.post(&form, &fields));
            let (one, two) = tokio::join!(one, two);
            one?;
            return self.follow(around, two?).await;
        }
        let page = around.browser.post(&form, &fields).await?;
        self.follow(around, page).await
    }

    /// Goes where the pages send him until one of them stands still.
    async fn follow(&self, around: &Surroundings, mut page: Page) -> anyhow::Result<End> {
        let began = around.clock.now();
        loop {
            if page.is("online") {
                return Ok(End::Online(page));
            }
            if page.form("/buy").is_some() {
                return Ok(End::Plans(page));
            }
            page = match page.sends_on() {
                Some((seconds, to)) => {
                    around.clock.sleep(Span::seconds(seconds.into())).await;
                    self.go(around, &to).await?
                }
                None if page.is("wait") => match page.button() {
                    Some(again) => return Ok(End::Failed(again)),
                    None => self.look_again(around, &page).await?,
                },
                None => self.look_again(around, &page).await?,
            };
            if around.clock.now().since(began) > PATIENCE {
                bail!("he is left with the page `{}`", page.title());
            }
        }
    }

    /// To a page of the portal, or to the router, which sends him back to one.
    async fn go(&self, around: &Surroundings, to: &str) -> anyhow::Result<Page> {
        let Some((_, query)) = to.split_once("/login?") else {
            return around.browser.get(to).await;
        };
        let now = around.clock.now().micros();
        let _ = self.presented.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        // Whether it was good for anything the portal says.
        self.router.open_page(self.mac, to).await;
        let fields: Vec<(String, String)> = serde_urlencoded::from_str(query)?;
        let dst = fields.into_iter().find(|(name, _)| name == "dst");
        let (_, dst) = dst.context("the router is not told where to lead him afterwards")?;
        around.browser.get(&dst).await
    }

    /// Something is wrong for a moment: he closes the page, and his phone leads him in again.
    async fn look_again(&self, around: &Surroundings, page: &Page) -> anyhow::Result<Page> {
        around.clock.sleep(BREATH).await;
        match self.router.open_page(self.mac, PROBE).await {
            Fetched::Redirect(to) => around.browser.get(&to).await,
            _ => around.browser.get(&page.path).await,
        }
    }

    /// He left without access and paid on his way; the code came as a text, and brings him in.
    async fn comes_back(&self, around: &Surroundings) -> anyhow::Result<Page> {
        self.router.leave(self.mac);
        let code = self.code_of_a_text(around).await?;
        around.clock.sleep(BREATH).await;
        let landing = around.browser.get(&self.door().await).await?;
        let Some(form) = landing.form("/voucher") else {
            // The portal knows his device.
            return self.is_online(self.follow(around, landing).await?);
        };
        let page = around.browser.post(&form, &[("code", &code)]).await?;
        self.is_online(self.follow(around, page).await?)
    }

    fn is_online(&self, end: End) -> anyhow::Result<Page> {
        match end {
            End::Online(page) => Ok(page),
            End::Failed(to) | End::Plans(Page { path: to, .. }) => {
                bail!("he paid late, and his code led him to {to}")
            }
        }
    }

    async fn code_of_a_text(&self, around: &Surroundings) -> anyhow::Result<String> {
        let began = around.clock.now();
        while around.clock.now().since(began) < PATIENCE {
            let texts = around.outside.people.inbox(&self.phone);
            if let Some(code) = texts.iter().find_map(|text| code_in(&text.text)) {
                return Ok(code);
            }
            around.clock.sleep(GLANCE).await;
        }
        bail!("he paid late, and no code came")
    }
}

impl Surroundings {
    fn tell(&self, number: usize, news: News) {
        // The town hears until the end of the demonstration; after it nobody cares.
        let _ = self.news.send((number, news));
    }

    /// Waits until then. False if nobody is to renew any more.
    async fn until_or_closing(&self, at: Timestamp) -> bool {
        while self.clock.now() < at && !self.closing.load(Ordering::Relaxed) {
            self.clock.sleep_until(at.min(self.clock.now() + GLANCE)).await;
        }
        !self.closing.load(Ordering::Relaxed)
    }
}

/// Nobody looks at the phone: after a while it is quiet again.
async fn falls_quiet(around: Surroundings, phone: String) {
    let people = &around.outside.people;
    while people.pending_prompts(&phone).is_empty() && !around.closing.load(Ordering::Relaxed) {
        around.clock.sleep(GLANCE).await;
    }
    around.clock.sleep(QUIET_AFTER).await;
    for prompt in people.pending_prompts(&phone) {
        people.ignore(prompt.id);
    }
}

/// As routers write it.
pub(super) fn written(mac: MacAddress) -> String {
    mac.0.map(|octet| format!("{octet:02X}")).join(":")
}

/// The code that a text brings.
fn code_in(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find_map(|word| read_code(word.trim_matches(|sign: char| !sign.is_ascii_alphanumeric())))
}
