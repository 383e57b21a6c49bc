//! Every screen in every language, as it is sent, compared with what a person has looked at:
//! `snapshots/SCREEN.LANGUAGE.html`, without the style. After a change that is meant,
//! `LANGO_BLESS=1 cargo test -p lango-server --lib snapshots` writes them anew; read the difference.
//!
//! The weights are printed: `cargo test -p lango-server --lib snapshots -- --nocapture`.

use crate::web::portal::pages::*;
use crate::web::portal::respond::{STYLE, gzip, html};
use crate::web::portal::sentences::{Sentences, fill, sentences};
use crate::web::portal::words;
use askama::Template;
use lango_domain::language::Language;
use lango_domain::phone_number::{Country, PhoneNumber};
use std::path::Path;

/// What fits into the first packets of a connection.
const PAGE: usize = 14 * 1_024;
/// Plans, waiting, connecting, online.
const JOURNEY: usize = 30 * 1_024;
const ALL: [Language; 3] = [Language::En, Language::Sw, Language::Fr];

fn link(page: &str) -> String {
    let token = "c2lnbmVkIHdpdGggYSBrZXkgdGhhdCBub2JvZHkgaGFzLCBtPTAyJTNBMDA";
    format!("/p/r0123456789abc/{page}?v={token}")
}

fn frame(language: Language, title: &str) -> Frame {
    let say = sentences(language);
    let languages =
        [("Kiswahili", Language::Sw), ("English", Language::En), ("Français", Language::Fr)].map(
            |(word, other)| LanguageLink {
                word,
                code: other.code(),
                href: link(other.code()),
                current: other == language,
            },
        );
    let phone = "+254711000001";
    Frame {
        language,
        say,
        title: title.to_owned(),
        business: "Hotel <ABC> & Sons".to_owned(),
        help: Some(Help {
            number: phone.to_owned(),
            text: fill(say.help_call, &[("phone", phone)]),
        }),
        languages: languages.into(),
        plans: link(""),
        recover: link("recover"),
        terms: link("terms"),
        refresh: None,
        offers_rescue: true,
        offers_plans: true,
    }
}

fn moving(language: Language, title: &str, to: String) -> Frame {
    Frame { refresh: Some(Refresh { seconds: 4, to }), ..frame(language, title) }
}

fn facts(language: Language) -> Vec<Fact> {
    let say = sentences(language);
    let fact = |name: &str, value: &str| Fact { name: name.to_owned(), value: value.to_owned() };
    vec![
        fact(say.plan, "1 hour"),
        fact(say.state, say.state_online),
        fact(say.time_left, &fill(say.minute_many, &[("n", "42")])),
        fact(say.ends, &fill(say.today, &[("time", "12:42")])),
    ]
}

/// All screens by name.
fn screens(language: Language) -> Vec<(&'static str, String)> {
    let say = sentences(language);
    vec![
        ("landing", html(&landing(language, false))),
        ("landing-known", html(&known(language))),
        ("landing-wrong", html(&landing(language, true))),
        ("wait", html(&wait(language, &[(say.wait_look, true), (say.wait_moves, false)]))),
        ("wait-slow", slow_wait(language)),
        ("wait-long", html(&wait(language, &[(say.wait_long, true)]))),
        ("failed", failed(language)),
        ("connecting", html(&connecting(language, None))),
        ("connecting-slow", slow_connecting(language)),
        (
            "hand-over",
            html(&connecting(language, Some("http://10.5.50.1/login?username=a&password=b"))),
        ),
        ("online", online(language)),
        ("voucher", html(&voucher(language, None))),
        ("voucher-printed", html(&voucher(language, Some("http://192.0.2.1/V/ABCDEFGH")))),
        ("recover", recover(language)),
        ("sent", sent(language)),
        ("move", html(&moved(language))),
        ("status", status(language)),
        ("trouble", trouble(language)),
        ("terms", terms(language)),
    ]
}

fn landing(language: Language, wrong: bool) -> Landing {
    let say = sentences(language);
    let offer = |id: &str, name: &str, gives: String, price: &str, chosen| Offer {
        id: id.to_owned(),
        name: name.to_owned(),
        gives,
        price: price.to_owned(),
        chosen,
    };
    let hours = |n| fill(say.hour_many, &[("n", n)]);
    let wrongly = |text: String| wrong.then_some(text);
    Landing {
        frame: Frame { offers_plans: false, ..frame(language, say.plans_title) },
        notices: wrongly(say.notice_router.to_owned()).into_iter().collect(),
        offers: vec![
            offer("p1", "Saa moja", say.hour_1.to_owned(), "KSh\u{a0}20", false),
            offer("p2", "Half <b>day", hours("12"), "KSh\u{a0}50", wrong),
            offer("p3", "Siku", hours("24"), "KSh\u{a0}80", false),
            offer("p4", "Mwezi wa familia", all_it_gives(say), "KSh\u{a0}1,500", false),
        ],
        later: wrongly(fill(
            say.sold_later,
            &[
                ("plan", "Usiku"),
                ("price", "KSh\u{a0}30"),
                ("from", &fill(say.today, &[("time", "22:00")])),
            ],
        ))
        .into_iter()
        .collect(),
        gateways: if wrong { gateways(say) } else { Vec::new() },
        wallet: wrong.then(|| Wallet {
            shown: 5_000,
            text: fill(say.pay_from_wallet, &[("amount", "KSh\u{a0}50")]),
        }),
        go: if wrong { say.go_ahead } else { say.pay },
        buy: link("buy"),
        phone: if wrong { "\"><script>alert(1)</script>".to_owned() } else { String::new() },
        phone_known: None,
        phone_wrong: wrongly(fill(
            say.phone_wrong,
            &[("example", words::example_of_a_phone(Country::Ke))],
        )),
        plan_wrong: wrongly(say.plan_wrong.to_owned()),
        voucher: VoucherForm {
            action: link("voucher"),
            code: String::new(),
            wrong: None,
            quiet: true,
        },
    }
}

/// A plan of many words, which must fit on a small screen as well.
fn all_it_gives(say: &Sentences) -> String {
    let devices = fill(say.devices_many, &[("n", "5")]);
    let speed = fill(say.speed_up_to, &[("speed", "10 Mbit/s")]);
    [fill(say.day_many, &[("n", "30")]), devices, speed].join(" · ")
}

fn masked() -> String {
    words::masked(&PhoneNumber::from_e164("+254712345678").unwrap(), Country::Ke)
}

fn gateways(say: &Sentences) -> Vec<Gateway> {
    [("", say.by_number), ("y1", "M-Pesa"), ("y2", "Airtel <Money>")]
        .map(|(id, name)| Gateway {
            id: id.to_owned(),
            name: name.to_owned(),
            chosen: id.is_empty(),
        })
        .into()
}

fn known(language: Language) -> Landing {
    let known = fill(sentences(language).pay_known, &[("phone", "678")]);
    Landing { phone_known: Some(known), ..landing(language, false) }
}

fn wait(language: Language, lines: &[(&str, bool)]) -> Wait {
    let say = sentences(language);
    let line = |(text, strong): &(&str, bool)| Line {
        text: fill(text, &[("phone", &masked())]),
        strong: *strong,
    };
    Wait {
        frame: moving(language, say.wait_title, link("wait")),
        lines: lines.iter().map(line).collect(),
        amount: "KSh\u{a0}20".to_owned(),
        plan: "Saa moja".to_owned(),
        order: "7K4M2P".to_owned(),
        again: None,
        retry: None,
    }
}

fn slow_wait(language: Language) -> String {
    let say = sentences(language);
    let page = wait(language, &[(say.wait_look, true), (say.wait_slow, false)]);
    html(&Wait { again: Some(link("again")), ..page })
}

fn failed(language: Language) -> String {
    let say = sentences(language);
    let page = wait(language, &[(say.failed_cancelled, true)]);
    html(&Wait { frame: frame(language, say.failed_title), retry: Some(link("")), ..page })
}

fn connecting(language: Language, to: Option<&str>) -> Connecting {
    let say = sentences(language);
    let (title, refresh) = match to {
        Some(to) => (say.one_more, to.to_owned()),
        None => (say.connecting_title, link("connect")),
    };
    Connecting {
        frame: moving(language, title, refresh),
        text: say.connecting.to_owned(),
        code: None,
        link: to.map(str::to_owned),
    }
}

fn slow_connecting(language: Language) -> String {
    let text = sentences(language).connecting_slow.to_owned();
    let code = Some("ABCD-EFGH".to_owned());
    html(&Connecting { text, code, ..connecting(language, None) })
}

fn online(language: Language) -> String {
    let say = sentences(language);
    html(&Online {
        frame: frame(language, say.online_title),
        facts: facts(language).into_iter().filter(|fact| fact.name != say.state).collect(),
        code: Some("ABCD-EFGH".to_owned()),
        more_devices: true,
        onward: Onward {
            href: "http://example.org/?a=b&c=d".to_owned(),
            text: fill(say.go_to, &[("host", "example.org")]),
        },
        status: link("status"),
    })
}

fn voucher(language: Language, onward: Option<&str>) -> VoucherPage {
    let say = sentences(language);
    let code = if onward.is_some() { "ABCD-EFGH" } else { "ABCD-EFG" };
    VoucherPage {
        frame: frame(language, say.voucher_title),
        voucher: VoucherForm {
            action: link("voucher"),
            code: code.to_owned(),
            wrong: onward.is_none().then(|| say.code_typing.to_owned()),
            quiet: false,
        },
        onward: onward.map(str::to_owned),
    }
}

fn recover(language: Language) -> String {
    let say = sentences(language);
    html(&Recover {
        frame: Frame { offers_rescue: false, ..frame(language, say.recover_title) },
        action: link("recover"),
        what: "TKL4X7Y2QP".to_owned(),
        wrong: Some(say.recover_not_seen.to_owned()),
    })
}

fn sent(language: Language) -> String {
    let say = sentences(language);
    html(&Sent {
        frame: frame(language, say.sent_title),
        text: fill(say.sent_text, &[("phone", &masked())]),
        voucher: VoucherForm {
            action: link("voucher"),
            code: String::new(),
            wrong: None,
            quiet: false,
        },
    })
}

fn moved(language: Language) -> Move {
    Move {
        frame: frame(language, sentences(language).move_title),
        devices: vec!["…9A:0B, 12".to_owned()],
        action: link("move"),
    }
}

fn status(language: Language) -> String {
    let say = sentences(language);
    html(&Status {
        frame: frame(language, say.status_title),
        notice: None,
        facts: facts(language),
        connect: Some(link("connect")),
        renew: link(""),
        code: Some("ABCD-EFGH".to_owned()),
        devices: vec![format!("…9A:0B ({})", say.this_device)],
        receipts: vec![Fact { name: "TKL4X7Y2QP".to_owned(), value: "KSh\u{a0}20".to_owned() }],
        leave: Some(link("leave")),
    })
}

fn trouble(language: Language) -> String {
    let say = sentences(language);
    html(&Trouble {
        frame: frame(language, say.trouble_title),
        text: say.trouble_router.to_owned(),
        again: Some(link("")),
        support_code: Some("7f3a01".to_owned()),
    })
}

fn terms(language: Language) -> String {
    let say = sentences(language);
    let money = fill(say.terms_money, &[("business", "Hotel ABC")]);
    html(&Terms { frame: frame(language, say.terms_title), money })
}

#[test]
fn every_screen_is_as_somebody_has_looked_at_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/portal/snapshots");
    let bless = std::env::var_os("LANGO_BLESS").is_some();
    for language in ALL {
        for (name, page) in screens(language) {
            let file = folder.join(format!("{name}.{}.html", language.code()));
            let page = page.replace(STYLE, "");
            if bless {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, &page).unwrap();
            }
            let known = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(page, known, "{} changed: see the head of this file", file.display());
        }
    }
}

#[test]
fn every_screen_is_within_its_weight() {
    println!("{:<16} {:>6} {:>6}   budget {PAGE}", "screen", "bytes", "gzip");
    for language in ALL {
        for (name, page) in screens(language) {
            let weight = gzip(page.as_bytes()).len();
            println!("{:<16} {:>6} {weight:>6}", format!("{name}.{}", language.code()), page.len());
            assert!(weight <= PAGE, "{name} weighs {weight}");
        }
        let weigh = |name| {
            let all = screens(language);
            all.iter()
                .find(|(known, _)| *known == name)
                .map_or(0, |(_, page)| gzip(page.as_bytes()).len())
        };
        let journey: usize = ["landing", "wait", "connecting", "online"].map(weigh).iter().sum();
        println!("{:<16} {:>6} {journey:>6}   budget {JOURNEY}", "journey", "");
        assert!(journey <= JOURNEY);
    }
}

#[test]
fn no_screen_runs_or_loads_anything_and_nothing_typed_becomes_a_tag() {
    for (name, page) in ALL.into_iter().flat_map(screens) {
        for never in [
            "<script",
            "<img",
            "<link",
            "<iframe",
            "javascript:",
            "onclick",
            "_blank",
            "style=",
            "maxlength",
            "<ABC>",
            "<Money>",
            "<b>day",
        ] {
            assert!(!page.contains(never), "{name} has {never}");
        }
        assert_eq!(page.matches("<style>").count(), 1, "{name}");
        assert!(page.contains("<html lang=") && page.contains("<h1>"), "{name}");
    }
}

/// A template that was never rendered is one that nobody has seen.
#[test]
fn a_page_renders() {
    assert!(landing(Language::Sw, false).render().unwrap().contains("Lipa"));
}
