//! The portal without a browser: what is answered to whom.

use super::{Cafe, form_of};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_voucher_is_typed_and_the_phone_is_online_before_it_is_told_so() {
    let cafe = Cafe::opens().await;
    let (phone, (_, code)) = (cafe.phone(1), cafe.voucher().await);
    assert!(!cafe.browses(&phone));
    let page = cafe.get(&cafe.door(&phone, "http://example.org/")).await.page();
    assert!(page.contains("1 hour") && page.contains("KSh\u{a0}20"), "{page}");
    // Nobody said which language: it is the business's.
    assert!(page.contains("<html lang=\"sw\">") && page.contains("Lipa"));
    let typed = cafe.post(&form_of(&page, 1), &[("code", &code.to_lowercase())]).await;
    let (path, answer) = cafe.follow(&typed.leads_to()).await;
    assert!(path.contains("/online?"), "{path}: {}", answer.text());
    assert!(cafe.browses(&phone));
    let page = answer.page();
    assert!(page.contains(&code) && page.contains("href=\"http://example.org/\""), "{page}");
    // The sheet is closed; the phone comes back and is where it was, without the code on the screen.
    let (path, answer) = cafe.follow(&cafe.door(&phone, "http://example.org/")).await;
    assert!(path.contains("/online?"), "{path}");
    assert!(!answer.text().contains(&code), "an address of a device is no proof");
}

#[tokio::test]
async fn mistakes_cost_nothing_and_guesses_cost_time() {
    let cafe = Cafe::opens().await;
    let (phone, other) = (cafe.phone(1), cafe.phone(2));
    let form = form_of(&cafe.get(&cafe.door(&phone, "")).await.page(), 1);
    for _ in 0..10 {
        let told = cafe.post(&form, &[("code", "ABCD-EFGH")]).await.leads_to();
        assert!(told.contains("wrong=typing") || told.contains("wrong=unknown"), "{told}");
        let told = cafe.post(&form, &[("code", "OOOO-1111")]).await.leads_to();
        assert!(told.contains("wrong=never"), "{told}");
    }
    // One mistyped sign is no attempt; so these are well-formed codes that nobody has.
    let codes = ["22222222", "33333333"];
    let wellformed: Vec<String> = (0..8).map(|number| wellformed(number, codes[0])).collect();
    let words: Vec<String> = {
        let mut words = Vec::new();
        for code in &wellformed {
            words.push(cafe.post(&form, &[("code", code)]).await.leads_to());
        }
        words
    };
    assert!(words[..5].iter().all(|to| to.contains("wrong=unknown")), "{words:?}");
    assert!(words[5..].iter().all(|to| to.contains("wrong=too_many")), "{words:?}");
    let (_, code) = cafe.voucher().await;
    let form = form_of(&cafe.get(&cafe.door(&other, "")).await.page(), 1);
    let to = cafe.post(&form, &[("code", &code)]).await.leads_to();
    assert!(to.contains("/connect?"), "another device is not kept waiting: {to}");
}

/// A code with a right check sign that nobody was given.
fn wellformed(number: usize, start: &str) -> String {
    const SIGNS: &[u8] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
    let mut signs: Vec<usize> =
        start.bytes().take(7).map(|sign| SIGNS.iter().position(|s| *s == sign).unwrap()).collect();
    signs[6] = number + 1;
    let check =
        signs.iter().enumerate().map(|(place, sign)| (place + 2) * sign).sum::<usize>() % 31;
    signs.push(check);
    signs.into_iter().map(|sign| char::from(SIGNS[sign])).collect()
}

#[tokio::test]
async fn what_is_said_in_an_address_is_shown_and_never_done() {
    let cafe = Cafe::opens().await;
    let hostile = "\"><script>alert(1)</script>";
    let fields = [
        ("mac", "AA:BB:CC:00:00:09"),
        ("ip", "10.5.50.9"),
        ("login", "http://evil.example/login"),
        ("orig", "javascript:alert(1)"),
        ("error", hostile),
        ("phone", hostile),
        ("wrong", "phone"),
        ("lang", "xx"),
    ];
    let path = format!("/p/{}?{}", cafe.router, serde_urlencoded::to_string(fields).unwrap());
    let answer = cafe.get(&path).await;
    let page = answer.page();
    assert!(
        !page.contains("<script")
            && !page.contains("evil.example")
            && !page.contains("javascript:")
    );
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    assert!(answer.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn a_link_that_somebody_changed_says_nothing() {
    let cafe = Cafe::opens().await;
    let (phone, (grant, code)) = (cafe.phone(1), cafe.voucher().await);
    let form = form_of(&cafe.get(&cafe.door(&phone, "")).await.page(), 1);
    let to = cafe.post(&form, &[("code", &code)]).await.leads_to();
    let status = to.replace("/connect?", "/status?");
    assert!(cafe.get(&status).await.page().contains(&code));
    let (before, token) = status.split_once("v=").unwrap();
    for place in [0, 5, token.len() / 2, token.len() - 1] {
        let mut token = token.as_bytes().to_vec();
        token[place] = if token[place] == b'A' { b'B' } else { b'A' };
        let path = format!("{before}v={}", String::from_utf8(token).unwrap());
        let page = cafe.get(&path).await.page();
        assert!(!page.contains(&code), "{grant} is shown for {path}");
    }
    assert!(!cafe.get(&format!("{before}v=")).await.page().contains(&code));
    for unknown in ["/p/r0000000000000", "/p/nothing", "/p/r0000000000000/status"] {
        assert_eq!(cafe.get(unknown).await.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn a_printed_code_is_read_before_anybody_knows_where() {
    let cafe = Cafe::opens().await;
    let (phone, (_, code)) = (cafe.phone(1), cafe.voucher().await);
    let plain = code.replace('-', "");
    for path in [format!("/V/{plain}"), format!("/v/{}", code.to_lowercase())] {
        let page = cafe.get(&path).await.page();
        assert!(
            page.contains(&code) && page.contains(&format!("http://192.0.2.1/V/{plain}")),
            "{page}"
        );
    }
    // The router catches that address and sends the phone to us, with where it wanted to go.
    let to = cafe.get(&cafe.door(&phone, &format!("http://192.0.2.1/V/{plain}"))).await.leads_to();
    assert!(cafe.get(&to).await.page().contains(&format!("value=\"{code}\"")));
    let page = cafe.get("/V/%22%3E%3Cscript%3E").await.page();
    assert!(!page.contains("<script"));
}

#[tokio::test]
async fn a_page_is_small_and_the_same_page_again_is_next_to_nothing() {
    let cafe = Cafe::opens().await;
    let phone = cafe.phone(1);
    let door = cafe.door(&phone, "");
    let whole = cafe.get(&door).await;
    let zipped = cafe.send("GET", &door, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    assert!(zipped.body.len() * 2 < whole.body.len() && zipped.body.len() < 14 * 1_024);
    println!("plans: {} bytes, {} with gzip", whole.body.len(), zipped.body.len());
    let languages: BTreeSet<String> = {
        let mut all = BTreeSet::new();
        for wish in ["sw-KE,en;q=0.5", "en-GB", "fr"] {
            let page = cafe.send("GET", &door, &[("accept-language", wish)], "").await.text();
            all.insert(page.split("<html lang=\"").nth(1).unwrap()[..2].to_owned());
        }
        all
    };
    assert_eq!(languages, ["en", "fr", "sw"].map(str::to_owned).into());
}

#[tokio::test]
async fn no_gateway_yet_is_said_and_nothing_is_lost() {
    let cafe = Cafe::opens().await;
    let phone = cafe.phone(1);
    let page = cafe.get(&cafe.door(&phone, "")).await.page();
    let buy = form_of(&page, 0);
    let plan = page.split("name=\"plan\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let to = cafe.post(&buy, &[("plan", plan), ("phone", "12")]).await.leads_to();
    let again = cafe.get(&to).await.page();
    assert!(again.contains("aria-invalid") && again.contains("value=\"12\""), "{again}");
    assert!(again.contains(&format!("value=\"{plan}\" required checked")), "{again}");
    let to = cafe.post(&buy, &[("plan", "nothing"), ("phone", "0712345678")]).await.leads_to();
    assert!(to.contains("wrong=plan"), "{to}");
}

#[tokio::test]
async fn a_number_that_is_known_is_neither_asked_for_nor_told() {
    let cafe = Cafe::opens().await;
    let mpesa = cafe.takes_mpesa().await;
    let (known, stranger) = (cafe.phone(1), cafe.phone(2));
    let form = async |phone| {
        let page = cafe.get(&cafe.door(phone, "")).await.page();
        let plan = page.split("name=\"plan\" value=\"").nth(1).unwrap();
        (form_of(&page, 0), plan.split('"').next().unwrap().to_owned())
    };
    let (buy, plan) = form(&known).await;
    let to = cafe.post(&buy, &[("plan", &plan), ("phone", "0712345678")]).await.leads_to();
    assert!(to.contains("/wait?"), "{to}");
    mpesa.cancels("0712345678").await;
    // A device that never bought here has to say a number.
    let (theirs, plan) = form(&stranger).await;
    let to = cafe.post(&theirs, &[("plan", &plan), ("phone", "")]).await.leads_to();
    assert!(to.contains("wrong=phone"), "{to}");
    // The other pays by the same phone; the page tells nobody more than how its number ends.
    let page = cafe.get(&format!("{}&stay=1", cafe.door(&known, ""))).await.page();
    assert!(page.contains("inayoishia na 678") && !page.contains("712345"), "{page}");
    let to = cafe.post(&buy, &[("plan", &plan), ("phone", " ")]).await.leads_to();
    assert!(to.contains("/wait?"), "{to}");
    mpesa.rings("0712345678").await;
    assert_eq!(mpesa.books("0712345678"), (2, 0));
}
