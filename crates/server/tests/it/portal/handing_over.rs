//! A router that asks us by RADIUS cannot be told to log a device in: the device itself presents a
//! password that is good once, without its owner typing anything.

use super::{Answer, Cafe, Phone, form_of, refresh_of};
use lango_router_sim::Fetched;

impl Cafe {
    /// The router as it names itself to this phone.
    fn own_door(&self, phone: &Phone, wanted: &str) -> String {
        self.door(phone, wanted).replace("10.5.50.1", "10.5.0.1")
    }

    /// Goes to the router's own login page, which sends the phone back to where it came from.
    async fn presents(&self, phone: &Phone, link: &str) -> (String, Answer) {
        let back = match self.sim.router().open_page(phone.mac, link).await {
            Fetched::Redirect(to) => to,
            other => panic!("{link} led to {other:?}"),
        };
        let path = back.strip_prefix(&self.url("")).expect("it leads back to the portal");
        self.follow(path).await
    }
}

#[tokio::test]
async fn a_router_that_asks_us_is_shown_a_password_that_is_good_once() {
    let cafe = Cafe::opens_by_radius().await;
    let (phone, (_, code)) = (cafe.phone(1), cafe.voucher().await);
    let page = cafe.get(&cafe.own_door(&phone, "http://example.org/")).await.page();
    let typed = cafe.post(&form_of(&page, 1), &[("code", &code)]).await;
    let (path, handed) = cafe.follow(&typed.leads_to()).await;
    assert!(path.contains("/connect?"), "{path}");
    let page = handed.page();
    let link = refresh_of(&page).expect("a page that leads to the router");
    assert!(link.starts_with("http://10.5.0.1/login?username="), "{link}");
    assert!(!link.contains(&format!("password={}", code.replace('-', ""))), "no lasting secret");
    assert!(!page.contains("<form"), "browsers stop at forms from HTTPS to a router without it");
    assert!(!cafe.browses(&phone), "not before the router was shown it");

    let (path, answer) = cafe.presents(&phone, &link).await;
    assert!(path.contains("/online?"), "{path}: {}", answer.text());
    assert!(cafe.browses(&phone));
    assert!(answer.page().contains("http://example.org/"));

    // Somebody read the link over a shoulder: it opens nothing any more.
    let other = cafe.phone(2);
    let told = cafe.sim.router().open_page(other.mac, &link).await;
    assert!(!cafe.browses(&other), "{told:?}");
}

#[tokio::test]
async fn a_sheet_that_was_closed_before_the_router_saw_the_password_goes_on() {
    let cafe = Cafe::opens_by_radius().await;
    let (phone, (_, code)) = (cafe.phone(1), cafe.voucher().await);
    let page = cafe.get(&cafe.own_door(&phone, "")).await.page();
    let typed = cafe.post(&form_of(&page, 1), &[("code", &code)]).await;
    let (_, handed) = cafe.follow(&typed.leads_to()).await;
    assert!(refresh_of(&handed.page()).is_some());
    // Closed here. His phone asks again whether it is online, and the router leads it in again.
    let (path, handed) = cafe.follow(&cafe.own_door(&phone, "")).await;
    assert!(path.contains("/connect?"), "{path}");
    let link = refresh_of(&handed.page()).unwrap();
    let (path, _) = cafe.presents(&phone, &link).await;
    assert!(path.contains("/online?"), "{path}");
    assert!(cafe.browses(&phone));
}
