//! The binary API over real sockets: by raw sentences and by our own client.

use std::time::Duration;

use bytes::BytesMut;
use lango_router_sim::{Account, PrintEnd, Settings, Trap};
use lango_routeros::sentence::{Decoder, encode};
use lango_routeros::{
    Connection, Endpoint, Error, Print, Protocol, Query, Timeouts, Tls, TrapKind,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Site, credentials, mac, timeouts};

/// A client that says exactly what it is told.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
}

impl Raw {
    pub(crate) async fn connect(site: &Site) -> Raw {
        let stream = TcpStream::connect(site.router.api_address().unwrap()).await.unwrap();
        Raw { stream, decoder: Decoder::new() }
    }

    async fn logged_in(site: &Site) -> Raw {
        let mut raw = Raw::connect(site).await;
        raw.say(&["/login", "=name=lango", "=password=secret"]).await;
        assert_eq!(raw.hear().await, ["!done"]);
        raw
    }

    pub(crate) async fn say<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        let mut out = BytesMut::new();
        encode(words, &mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    /// The next sentence; empty at the end of the connection.
    async fn hear(&mut self) -> Vec<String> {
        let words = self.hear_bytes().await;
        words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    pub(crate) async fn hear_bytes(&mut self) -> Vec<Vec<u8>> {
        loop {
            if let Some(sentence) = self.decoder.next().unwrap() {
                return sentence.words().map(<[u8]>::to_vec).collect();
            }
            match self.stream.read_buf(self.decoder.buffer()).await {
                Ok(0) | Err(_) => return Vec::new(),
                Ok(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_stranger_is_sent_away() {
    let site = Site::open();
    let mut raw = Raw::connect(&site).await;
    raw.say(&["/login", "=name=lango", "=password=wrong"]).await;
    assert_eq!(raw.hear().await, ["!trap", "=message=invalid user name or password (6)"]);
    assert_eq!(raw.hear().await, ["!done"]);
    raw.say(&["/system/identity/print"]).await;
    assert_eq!(raw.hear().await, ["!fatal", "not logged in"]);
    assert!(raw.hear().await.is_empty(), "the connection is closed");
}

#[tokio::test]
async fn routers_before_6_43_challenge() {
    let site = Site::of_version("6.42.12 (long-term)");
    let mut raw = Raw::connect(&site).await;
    raw.say(&["/login", "=name=lango", "=password=secret"]).await;
    let challenge = raw.hear().await;
    assert!(challenge[1].starts_with("=ret=") && challenge[1].len() == 37, "{challenge:?}");
    raw.say(&["/system/identity/print"]).await;
    assert_eq!(raw.hear().await[0], "!fatal");

    let client = site.api().await;
    client.ping().await.unwrap();
    let wrong =
        Connection::open(&site.endpoint(Protocol::Api), &credentials("lango", "x"), timeouts())
            .await;
    assert!(matches!(wrong, Err(Error::LoginRefused { .. })));
}

#[tokio::test]
async fn rows_empty_traps_and_counts_come_as_the_router_sends_them() {
    let site = Site::open();
    let mut raw = Raw::logged_in(&site).await;
    raw.say(&["/ip/hotspot/active/print", ".tag=7"]).await;
    assert_eq!(raw.hear().await, ["!empty", ".tag=7"]);
    assert_eq!(raw.hear().await, ["!done", ".tag=7"]);
    raw.say(&["/ip/hotspot/user/add", "=name=amina", "=comment=a=b"]).await;
    let added = raw.hear().await;
    assert!(added[1].starts_with("=ret=*"), "{added:?}");
    raw.say(&["/ip/hotspot/user/print", "=.proplist=name,comment", "?name=amina"]).await;
    assert_eq!(raw.hear().await, ["!re", "=name=amina", "=comment=a=b"]);
    assert_eq!(raw.hear().await, ["!done"]);
    raw.say(&["/ip/hotspot/user/print", "=count-only=", "?name=amina"]).await;
    assert_eq!(raw.hear().await, ["!done", "=ret=1"]);
    raw.say(&["/ip/hotspot/user/remove", "=.id=*FFFF"]).await;
    assert_eq!(raw.hear().await, ["!trap", "=category=0", "=message=no such item (4)"]);
    assert_eq!(raw.hear().await, ["!done"]);
    site.router.faults().tag_last(true);
    raw.say(&["/system/identity/print", ".tag=x"]).await;
    assert_eq!(raw.hear().await, ["!re", "=name=MikroTik", ".tag=x"]);
    raw.hear().await;
    raw.say(&["/quit"]).await;
    assert_eq!(raw.hear().await, ["!fatal", "session terminated on request"]);
}

#[tokio::test]
async fn before_7_18_nothing_is_said_about_nothing() {
    let site = Site::of_version("7.17 (stable)");
    let mut raw = Raw::logged_in(&site).await;
    raw.say(&["/ip/hotspot/active/print"]).await;
    assert_eq!(raw.hear().await, ["!done"]);
}

#[tokio::test]
async fn refusals_have_the_documented_texts() {
    let site = Site::with(Settings {
        absent_menus: vec!["/user-manager".into(), "/ppp".into()],
        ..Settings::default()
    });
    let client = site.api().await;
    let kind = |result: Result<_, Error>| match result {
        Ok(_) => panic!("was not refused"),
        Err(error) => error.trap().unwrap().kind.clone(),
    };
    let user = "/ip/hotspot/user";
    client.add(user, &[("name", "a")]).await.unwrap();
    assert_eq!(kind(client.add(user, &[("name", "a")]).await), TrapKind::AlreadyExists);
    assert!(matches!(
        kind(client.add(user, &[("name", "b"), ("profile", "x")]).await),
        TrapKind::InvalidValue(_)
    ));
    assert!(matches!(
        kind(client.add(user, &[("name", "b"), ("mac-address", "x")]).await),
        TrapKind::InvalidValue(_)
    ));
    assert!(matches!(
        kind(client.add(user, &[("colour", "x")]).await),
        TrapKind::UnknownParameter(_)
    ));
    assert_eq!(kind(client.add("/ppp/secret", &[("name", "b")]).await), TrapKind::NoSuchCommand);
    let login = [("user", "a"), ("password", ""), ("ip", "10.5.0.77")];
    let error = client.run("/ip/hotspot/active/login", &login).await.unwrap_err();
    assert_eq!(error.trap().unwrap().kind, TrapKind::UnknownHostIp);
}

#[tokio::test]
async fn a_guest_is_logged_in_from_our_side() {
    let site = Site::open();
    let client = site.api().await;
    site.user("amina", &[]);
    let ip = site.router.join(mac(1));
    let (address, machine, other) = (ip.to_string(), mac(1).to_string(), mac(2).to_string());
    let login = |machine: &str| {
        [("user", "amina"), ("password", "pw"), ("ip", &address), ("mac-address", machine)]
            .map(|(name, value)| (name, value.to_owned()))
    };
    let wrong = login(&other);
    let wrong: Vec<_> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let error = client.run("/ip/hotspot/active/login", &wrong).await.unwrap_err();
    assert!(error.to_string().contains("wrong MAC provided"), "{error}");
    let right = login(&machine);
    let right: Vec<_> = right.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.run("/ip/hotspot/active/login", &right).await.unwrap();
    assert!(site.browses(mac(1), ip));
    let rows = client
        .print(Print::of("/ip/hotspot/active").matching(Query::equals("user", "amina")))
        .await
        .unwrap();
    assert_eq!(rows[0].str("login-by"), Some("admin"));
}

#[tokio::test]
async fn listeners_hear_changes_between_the_replies() {
    let site = Site::open();
    let client = site.api().await;
    let mut listener = client.listen("/ip/hotspot/active", &[".id", "user"]).await.unwrap();
    client.ping().await.unwrap();
    site.user("amina", &[]);
    let (_, ip) = site.guest(1, "amina");
    let change = listener.next().await.unwrap();
    assert_eq!((change.row.str("user"), change.dead), (Some("amina"), false));
    let id = change.row.id().unwrap();
    assert_eq!(id.as_str(), format!("*{:X}", u32::from(ip)));
    client.remove("/ip/hotspot/active", &id).await.unwrap();
    let change = listener.next().await.unwrap();
    assert!(change.dead && change.row.id() == Some(id));
    drop(listener);
    client.ping().await.unwrap();
}

#[tokio::test]
async fn version_6_spells_some_things_differently() {
    let site = Site::of_version("6.49.19 (long-term)");
    site.user("amina", &[]);
    let mut raw = Raw::logged_in(&site).await;
    raw.say(&["/ip/hotspot/user/listen", "=.proplist=.id", ".tag=2"]).await;
    raw.say(&["/ip/hotspot/user/remove", "=.id=amina"]).await;
    assert_eq!(raw.hear().await, ["!done"]);
    assert_eq!(raw.hear().await, ["!re", ".tag=2", "=.id=*2", "=.dead=yes"]);
    raw.say(&["/ip/hotspot/user/remove", "=.id=amina"]).await;
    assert_eq!(raw.hear().await, ["!trap", "=category=0", "=message=no such item"]);
}

#[tokio::test]
async fn rubbish_ends_one_connection_and_nothing_else() {
    let site = Site::open();
    let client = site.api().await;
    let endless = [0xE0, 0xFF, 0xFF, 0xFF].repeat(8);
    let words =
        [&b"\x03\xFF\xFE\xFD\x00"[..], &b"\x06/login\x02==\x00"[..], &[0xF8, 0, 0], &endless];
    for rubbish in words {
        let mut raw = Raw::connect(&site).await;
        raw.stream.write_all(rubbish).await.unwrap();
        raw.stream.shutdown().await.unwrap();
        while !raw.hear().await.is_empty() {}
    }
    let strange: [&[&str]; 6] = [
        &["/", "=", "?", "?#", "?#9!&|."],
        &["//print"],
        &["/ip/hotspot/user/print", "?#0123456789876543210", "?<", "?>="],
        &["/ip/hotspot/user/add", "=name=x", "=limit-uptime=99999999999999w"],
        &["/ip/hotspot/user/set", "=.id=*FFFFFFFFFFFFFFFFFF", "=!name="],
        &["/execute", "=script=[[[{{{\"", "=as-string="],
    ];
    let mut raw = Raw::logged_in(&site).await;
    for words in strange {
        raw.say(words).await;
        while raw.hear().await[0] != "!done" {}
    }
    client.ping().await.unwrap();
}

#[tokio::test]
async fn cancel_interrupts_the_listener_and_ends_both() {
    let site = Site::open();
    let mut raw = Raw::logged_in(&site).await;
    raw.say(&["/ppp/secret/listen", ".tag=2"]).await;
    raw.say(&["/cancel", "=tag=2", ".tag=7"]).await;
    assert_eq!(raw.hear().await, ["!trap", ".tag=2", "=category=2", "=message=interrupted"]);
    assert_eq!(raw.hear().await, ["!done", ".tag=2"]);
    assert_eq!(raw.hear().await, ["!done", ".tag=7"]);
}

#[tokio::test]
async fn a_condition_can_be_waited_for() {
    let site = Site::open();
    let client = site.api().await;
    let there = |router: &lango_router_sim::Router| {
        !router.matching("/ppp/secret", &[("name", "a")]).is_empty()
    };
    assert!(!site.router.wait_for(Duration::from_millis(1), there).await);
    let router = site.router.router().clone();
    let waiting = tokio::spawn(async move { router.wait_for(Duration::from_secs(5), there).await });
    client.add("/ppp/secret", &[("name", "a")]).await.unwrap();
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn policies_decide() {
    let users =
        vec![Account::new("lango", "secret", "full"), Account::new("eye", "secret", "read")];
    let site = Site::with(Settings { users, ..Settings::default() });
    let eye =
        Connection::open(&site.endpoint(Protocol::Api), &credentials("eye", "secret"), timeouts())
            .await
            .unwrap();
    let error = eye.add("/ip/hotspot/user", &[("name", "a")]).await.unwrap_err();
    assert_eq!(error.trap().unwrap().kind, TrapKind::NotPermitted);
    site.router.add("/user/group", &[("name", "lango"), ("policy", "read,write,api")]).unwrap();
    site.router
        .add("/user", &[("name", "least"), ("password", "secret"), ("group", "lango")])
        .unwrap();
    site.user("amina", &[]);
    let endpoint = site.endpoint(Protocol::Api);
    let least =
        Connection::open(&endpoint, &credentials("least", "secret"), timeouts()).await.unwrap();
    let print = || Print::of("/ip/hotspot/user").matching(Query::equals("name", "amina"));
    assert_eq!(
        least.print(print()).await.unwrap()[0].str("password"),
        None,
        "passwords are sensitive"
    );
    assert_eq!(site.api().await.print(print()).await.unwrap()[0].str("password"), Some("pw"));
    let rest = Connection::open(
        &site.endpoint(Protocol::Rest),
        &credentials("least", "secret"),
        timeouts(),
    )
    .await;
    let refused = match rest {
        Err(error) => error,
        Ok(rest) => rest.ping().await.unwrap_err(),
    };
    assert!(refused.to_string().contains("permissions"), "{refused}");
    site.router.faults().take_policies(&["write"]);
    let error = least.add("/ip/hotspot/user", &[("name", "a")]).await.unwrap_err();
    assert_eq!(error.trap().unwrap().kind, TrapKind::NotPermitted);
}

#[tokio::test]
async fn tls_shows_the_certificate_with_the_announced_fingerprint() {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let site = Site::with(Settings { api_tls: Some(loopback), ..Settings::default() });
    let address = site.router.api_tls_address().unwrap();
    let endpoint = |tls| Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
        protocol: Protocol::Api,
        tls,
    };
    let right = endpoint(Tls::Pinned(site.router.api_tls_fingerprint().unwrap()));
    Connection::open(&right, &credentials("lango", "secret"), timeouts())
        .await
        .unwrap()
        .ping()
        .await
        .unwrap();
    let wrong = endpoint(Tls::Pinned([0; 32]));
    assert!(Connection::open(&wrong, &credentials("lango", "secret"), timeouts()).await.is_err());
}

#[tokio::test]
async fn unreachable_means_refused_and_it_comes_back_at_the_same_address() {
    let site = Site::open();
    let before = site.api().await;
    site.router.faults().unreachable(true);
    before.closed().await;
    while TcpStream::connect(site.router.api_address().unwrap()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(site.connect(Protocol::Api).await, Err(Error::Unreachable { .. })));
    site.router.faults().unreachable(false);
    loop {
        if let Ok(client) = site.connect(Protocol::Api).await {
            break client.ping().await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hanging_router_does_nothing_until_it_recovers() {
    let site = Site::open();
    let short = Timeouts { connect: Duration::from_secs(5), reply: Duration::from_millis(150) };
    let endpoint = site.endpoint(Protocol::Api);
    let client = Connection::open(&endpoint, &credentials("lango", "secret"), short).await.unwrap();
    site.router.faults().hang(true);
    let error = client.add("/ip/hotspot/user", &[("name", "late")]).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(site.router.matching("/ip/hotspot/user", &[("name", "late")]).is_empty());
    site.router.faults().hang(false);
    site.api().await.ping().await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_leaves_the_deed_done() {
    let site = Site::open();
    let client = site.api().await;
    site.router.faults().lose_reply("/ip/hotspot/user/add", 1);
    let error = client.add("/ip/hotspot/user", &[("name", "a")]).await.unwrap_err();
    assert!(error.leaves_doubt(), "{error:?}");
    assert_eq!(site.router.matching("/ip/hotspot/user", &[("name", "a")]).len(), 1);

    let client = site.api().await;
    site.router.faults().cut_next_reply_after(3);
    assert!(client.add("/ip/hotspot/user", &[("name", "b")]).await.is_err());
    assert_eq!(site.router.matching("/ip/hotspot/user", &[("name", "b")]).len(), 1);

    let client = site.api().await;
    site.router.faults().drop_at_command(2);
    assert!(client.add("/ip/hotspot/user", &[("name", "c")]).await.is_err());
    assert!(site.router.matching("/ip/hotspot/user", &[("name", "c")]).is_empty());
}

#[tokio::test]
async fn a_print_may_end_midway() {
    let site = Site::open();
    for number in 0..10 {
        site.user(&format!("u{number}"), &[]);
    }
    let client = site.api().await;
    let trap = PrintEnd::Trap(Trap::new("no such item (4)"));
    site.router.faults().cut_next_print("/ip/hotspot/user", 3, trap);
    assert!(client.print(Print::of("/ip/hotspot/user")).await.unwrap_err().is_missing());
    site.router.faults().cut_next_print("/ip/hotspot/user", 3, PrintEnd::Close);
    assert!(client.print(Print::of("/ip/hotspot/user")).await.is_err());
    client.closed().await;
}

#[tokio::test]
async fn small_pieces_and_strange_bytes_arrive_whole() {
    let site = Site::open();
    site.router.faults().write_in_pieces(Some(1));
    let mut raw = Raw::logged_in(&site).await;
    let mut out = BytesMut::new();
    encode([&b"/ip/hotspot/user/add"[..], b"=name=a", b"=comment=caf\xE9\r\n\x00"], &mut out);
    raw.stream.write_all(&out).await.unwrap();
    assert_eq!(raw.hear().await[0], "!done");
    let client = site.api().await;
    let rows = client
        .print(Print::of("/ip/hotspot/user").matching(Query::equals("name", "a")))
        .await
        .unwrap();
    assert_eq!(rows[0].raw("comment"), Some(&b"caf\xE9\r\n\x00"[..]));
}

#[tokio::test]
async fn a_service_meant_for_others_hangs_by_api_and_closes_by_rest() {
    let site = Site::open();
    let set = |address: &str| {
        for service in ["api", "www"] {
            site.router.set("/ip/service", service, &[("address", address)]).unwrap();
        }
    };
    set("192.0.2.0/24");
    let short = Timeouts { connect: Duration::from_secs(5), reply: Duration::from_millis(100) };
    let api =
        Connection::open(&site.endpoint(Protocol::Api), &credentials("lango", "secret"), short)
            .await;
    assert!(matches!(api, Err(Error::TimedOut { .. })));
    let mut rest = TcpStream::connect(site.router.rest_address().unwrap()).await.unwrap();
    let mut nothing = Vec::new();
    // Reading ends at once, whether by an end or by a reset.
    let _ = rest.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty());
    set("192.0.2.0/24,127.0.0.0/8");
    site.api().await.ping().await.unwrap();
    site.router.set("/ip/service", "api", &[("disabled", "yes")]).unwrap();
    assert!(site.connect(Protocol::Api).await.is_err());
}

#[tokio::test]
async fn services_take_only_so_many_sessions() {
    let site = Site::open();
    site.router.set("/ip/service", "api", &[("max-sessions", "1")]).unwrap();
    let first = site.api().await;
    assert!(site.connect(Protocol::Api).await.is_err());
    first.ping().await.unwrap();
}

#[tokio::test]
async fn a_reboot_by_command_ends_without_a_reply() {
    let site = Site::open();
    let client = site.api().await;
    site.pass(100);
    assert!(client.run("/system/reboot", &[]).await.is_err());
    client.closed().await;
    assert_eq!(site.router.rows("/system/resource")[0].text("uptime").unwrap(), "0s");
}

#[tokio::test]
async fn execute_returns_what_the_script_printed_even_its_errors() {
    let site = Site::open();
    let client = site.api().await;
    let run = |script: &'static str| {
        let client = client.clone();
        async move {
            let reply =
                client.run("/execute", &[("script", script), ("as-string", "")]).await.unwrap();
            reply.ret().unwrap().into_owned()
        }
    };
    assert_eq!(run(":put \"hello\"").await, "hello\n");
    assert!(run("/ppp/secret/remove nobody").await.contains("no such item"));
}

#[tokio::test]
async fn twenty_thousand_rows_come_in_one_print() {
    let site = Site::open();
    for number in 0..20_000 {
        site.router
            .add("/ip/hotspot/user", &[("name", &format!("user-{number}")), ("comment", "lango:x")])
            .unwrap();
    }
    let client = site.api().await;
    let rows = client
        .print(Print::of("/ip/hotspot/user").only(&[".id", "name", "comment"]))
        .await
        .unwrap();
    assert_eq!(rows.len(), 20_001);
    assert_eq!(client.count(Print::of("/ip/hotspot/user")).await.unwrap(), 20_001);
}
