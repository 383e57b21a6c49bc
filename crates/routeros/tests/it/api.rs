//! The binary API as routers of all versions have been seen to speak it.

use std::time::Duration;

use futures_util::future::join_all;
use lango_routeros::menus::{HotspotActive, Identity};
use lango_routeros::{Connection, Error, ItemId, Print, Protocol, Query, Row, Tls, TrapKind};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::fake_router::{FakeRouter, HASTY, PATIENT, Session, credentials, endpoint, wire};

const ACTIVE: &str = "/ip/hotspot/active";

fn names(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.string("name")).collect()
}

/// Answers commands until the client hangs up; for tests about what happens afterwards.
async fn answer_identity(router: &mut Session) {
    let tag = router.expect(&["/system/identity/print"]).await;
    router.say(&["!re", &format!(".tag={tag}"), "=name=core"]).await;
    router.done(&tag).await;
}

#[tokio::test]
async fn a_current_router_takes_the_plain_login() {
    let router = FakeRouter::start().await;
    let (connection, ()) = tokio::join!(router.dial(PATIENT), async {
        let mut session = router.accept().await;
        let login = session.hear().await;
        let words: Vec<_> = login.words().collect();
        assert_eq!(words, [b"/login".as_slice(), b"=name=lango", b"=password=passTest"]);
        session.say(&["!done"]).await;
    });
    assert!(connection.is_ok());
}

#[tokio::test]
async fn a_router_before_6_43_gets_its_challenge_answered() {
    let router = FakeRouter::start().await;
    let (connection, ()) = tokio::join!(router.dial(PATIENT), async {
        let mut session = router.accept().await;
        session.hear().await;
        session.say(&["!done", "=ret=abc123"]).await;
        let login = session.hear().await;
        let response = login.attribute("response").unwrap();
        assert_eq!(response, b"0021277bff9ac7caf06aa608e46616d47f");
        assert_eq!(login.attribute("name").unwrap(), b"lango");
        assert_eq!(login.attribute("password"), None);
        session.say(&["!done"]).await;
    });
    assert!(connection.is_ok());
}

#[tokio::test]
async fn a_refused_login_names_the_user_and_the_reason() {
    let router = FakeRouter::start().await;
    let (connection, ()) = tokio::join!(router.dial(PATIENT), async {
        let mut session = router.accept().await;
        session.hear().await;
        session.say(&["!trap", "=message=invalid user name or password (6)"]).await;
        session.say(&["!done"]).await;
    });
    let error = connection.err().unwrap();
    assert!(matches!(&error, Error::LoginRefused { user, .. } if &**user == "lango"));
    assert_eq!(error.trap().unwrap().kind, TrapKind::WrongCredentials);
    assert!(!error.leaves_doubt());
}

#[tokio::test]
async fn being_turned_away_at_login_points_to_the_service_settings() {
    let router = FakeRouter::start().await;
    let (connection, ()) = tokio::join!(router.dial(PATIENT), async {
        let mut session = router.accept().await;
        session.hear().await;
    });
    let error = connection.err().unwrap().to_string();
    assert!(error.contains("/ip/service address="), "{error}");
}

#[tokio::test]
async fn a_login_without_answer_times_out() {
    let router = FakeRouter::start().await;
    let (connection, _session) = tokio::join!(router.dial(HASTY), router.accept());
    let error = connection.err().unwrap();
    assert!(matches!(&error, Error::TimedOut { command, .. } if &**command == "/login"));
}

#[tokio::test]
async fn a_refused_connection_says_where_to_look() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let nobody = endpoint(port, Protocol::Api, Tls::Off);
    let error = Connection::open(&nobody, &credentials(), PATIENT).await.err().unwrap();
    assert!(error.to_string().contains("is the service enabled"), "{error}");
}

#[tokio::test]
async fn a_tag_may_stand_first_or_last() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (rows, ()) = tokio::join!(connection.print(Print::of("/x")), async {
        let tag = router.expect(&["/x/print"]).await;
        let tag = format!(".tag={tag}");
        router.say(&["!re", &tag, "=name=first"]).await;
        router.say(&["!re", "=name=last", &tag]).await;
        router.say(&["!re", "=name=between", &tag, "=x=y"]).await;
        router.say(&["!done", &tag]).await;
    });
    assert_eq!(names(&rows.unwrap()), ["first", "last", "between"]);
}

#[tokio::test]
async fn empty_and_words_of_later_versions_do_not_end_a_reply() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (rows, ()) = tokio::join!(connection.print(Print::of("/x")), async {
        let tag = format!(".tag={}", router.expect(&["/x/print"]).await);
        router.say(&["!empty", &tag]).await;
        router.say(&["!progress", &tag, "=percent=50"]).await;
        router.say(&["!novelty"]).await;
        router.say(&["!done", &tag]).await;
    });
    assert_eq!(rows.unwrap(), []);
    tokio::join!(async { connection.ping().await.unwrap() }, answer_identity(&mut router));
}

#[tokio::test]
async fn a_print_asks_for_its_properties_and_rows() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let print = Print::of(ACTIVE)
        .only(&[".id", "user"])
        .matching(Query::equals("user", "ann").or(Query::equals("user", "bob")));
    let (rows, ()) = tokio::join!(connection.print(print), async {
        let expected =
            ["/ip/hotspot/active/print", "=.proplist=.id,user", "?user=ann", "?user=bob", "?#|"];
        let tag = router.expect(&expected).await;
        router.done(&tag).await;
    });
    assert_eq!(rows.unwrap(), []);
}

#[tokio::test]
async fn a_trap_is_a_refusal_and_the_connection_goes_on() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let gone = ItemId::new("*7");
    let (removed, ()) = tokio::join!(connection.remove(ACTIVE, &gone), async {
        let tag = router.expect(&["/ip/hotspot/active/remove", "=.id=*7"]).await;
        let tag = format!(".tag={tag}");
        router.say(&["!trap", &tag, "=category=0", "=message=no such item (4)"]).await;
        router.say(&["!done", &tag]).await;
    });
    let error = removed.unwrap_err();
    assert!(error.is_missing() && !error.leaves_doubt(), "{error}");
    assert_eq!(error.trap().unwrap().category, Some(0));
    assert!(error.to_string().contains("/ip/hotspot/active/remove"), "{error}");
    tokio::join!(async { connection.ping().await.unwrap() }, answer_identity(&mut router));
}

#[tokio::test]
async fn a_print_that_ends_in_a_trap_gives_no_partial_rows() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let print = Print::of("/ip/firewall/connection");
    let (rows, ()) = tokio::join!(connection.print(print), async {
        let tag = router.expect(&["/ip/firewall/connection/print"]).await;
        let tag = format!(".tag={tag}");
        router.say(&["!re", &tag, "=.id=*1"]).await;
        router.say(&["!trap", &tag, "=message=no such item"]).await;
        router.say(&["!done", &tag]).await;
    });
    assert!(rows.unwrap_err().is_missing());
}

#[tokio::test]
async fn fatal_ends_every_call_with_its_reason() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (one, two, ()) = tokio::join!(connection.ping(), connection.ping(), async {
        router.hear().await;
        router.hear().await;
        router.say(&["!fatal", "session terminated on request"]).await;
    });
    for error in [one.unwrap_err(), two.unwrap_err(), connection.ping().await.unwrap_err()] {
        assert!(matches!(&error, Error::Fatal { reason, .. }
            if &**reason == "session terminated on request"));
    }
    connection.closed().await;
    assert!(!connection.is_open());
}

#[tokio::test]
async fn a_stream_that_ends_in_a_reply_is_an_error_not_a_short_list() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (rows, ()) = tokio::join!(connection.print(Print::of("/x")), async {
        let tag = router.expect(&["/x/print"]).await;
        router.say(&["!re", &format!(".tag={tag}"), "=name=a"]).await;
        router.say_raw(&[5, b'!', b'd']).await;
        drop(router);
    });
    let error = rows.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.leaves_doubt(), "{error}");
    assert!(!connection.is_open());
}

#[tokio::test]
async fn an_idle_connection_notices_the_routers_goodbye() {
    let (connection, router) = FakeRouter::logged_in(PATIENT).await;
    assert!(connection.is_open());
    drop(router);
    connection.closed().await;
    assert!(matches!(connection.ping().await, Err(Error::Unreachable { .. })));
}

#[tokio::test]
async fn silence_drops_the_connection_and_everybody_on_it() {
    let (connection, mut router) = FakeRouter::logged_in(HASTY).await;
    let (one, two, ()) =
        tokio::join!(connection.print(Print::of("/x")), connection.print(Print::of("/y")), async {
            let tag = router.expect(&["/x/print"]).await;
            router.say(&["!re", &format!(".tag={tag}"), "=name=a"]).await;
            router.expect(&["/y/print"]).await;
        });
    assert!(matches!(one, Err(Error::TimedOut { .. })));
    assert!(matches!(two, Err(Error::TimedOut { .. })));
    connection.closed().await;
    assert!(router.heard().await.is_none(), "the socket is closed, not kept half-read");
}

#[tokio::test]
async fn a_slow_reply_is_fine_while_it_keeps_coming() {
    let (connection, mut router) = FakeRouter::logged_in(HASTY).await;
    let (rows, ()) = tokio::join!(connection.print(Print::of("/x")), async {
        let tag = format!(".tag={}", router.expect(&["/x/print"]).await);
        for _ in 0..8 {
            // The scenario itself: in total far longer than the time limit.
            sleep(HASTY.reply / 4).await;
            router.say(&["!re", &tag, "=name=a"]).await;
        }
        router.say(&["!done", &tag]).await;
    });
    assert_eq!(rows.unwrap().len(), 8);
}

#[tokio::test]
async fn a_command_may_wait_behind_a_long_print() {
    let (connection, mut router) = FakeRouter::logged_in(HASTY).await;
    let (rows, waited, ()) =
        tokio::join!(connection.print(Print::of("/x")), connection.print(Print::of("/y")), async {
            let x = format!(".tag={}", router.expect(&["/x/print"]).await);
            let y = format!(".tag={}", router.expect(&["/y/print"]).await);
            for _ in 0..8 {
                // The scenario itself, as above.
                sleep(HASTY.reply / 4).await;
                router.say(&["!re", &x, "=name=a"]).await;
            }
            router.say(&["!done", &x]).await;
            router.say(&["!done", &y]).await;
        });
    assert_eq!(rows.unwrap().len(), 8);
    assert_eq!(waited.unwrap(), []);
}

#[tokio::test]
async fn an_idle_connection_has_no_deadline() {
    let (connection, mut router) = FakeRouter::logged_in(HASTY).await;
    let closed = timeout(HASTY.reply * 3, connection.closed()).await;
    assert!(closed.is_err(), "it was given up while nothing was due");
    tokio::join!(async { connection.ping().await.unwrap() }, answer_identity(&mut router));
}

#[tokio::test]
async fn replies_of_different_commands_may_interleave() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (one, two, ()) =
        tokio::join!(connection.print(Print::of("/x")), connection.print(Print::of("/y")), async {
            let x = format!(".tag={}", router.expect(&["/x/print"]).await);
            let y = format!(".tag={}", router.expect(&["/y/print"]).await);
            router.say(&["!re", &y, "=name=y1"]).await;
            router.say(&["!re", &x, "=name=x1"]).await;
            router.say(&["!re", &y, "=name=y2"]).await;
            router.say(&["!done", &y]).await;
            router.say(&["!re", &x, "=name=x2"]).await;
            router.say(&["!done", &x]).await;
        });
    assert_eq!(names(&one.unwrap()), ["x1", "x2"]);
    assert_eq!(names(&two.unwrap()), ["y1", "y2"]);
}

#[tokio::test]
async fn a_reply_may_come_one_byte_at_a_time() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    router.stream.set_nodelay(true).unwrap();
    let (rows, ()) = tokio::join!(connection.print(Print::of("/x")), async {
        let tag = format!(".tag={}", router.expect(&["/x/print"]).await);
        let long = format!("=name={}", "n".repeat(200));
        let mut bytes = wire(&["!re", &tag, &long]);
        bytes.extend_from_slice(&wire(&["!done", &tag]));
        for byte in &bytes {
            router.say_raw(&[*byte]).await;
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(rows.unwrap()[0].str("name").map(str::len), Some(200));
}

#[tokio::test]
async fn a_comment_from_winbox_keeps_its_bytes() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (rows, ()) = tokio::join!(connection.print(Print::of("/x")), async {
        let tag = format!(".tag={}", router.expect(&["/x/print"]).await);
        let comment = b"=comment=caf\xe9 = \0\r\n";
        router.say(&[b"!re".as_slice(), tag.as_bytes(), b"=.id=*1", comment]).await;
        router.say(&["!done", &tag]).await;
    });
    let rows = rows.unwrap();
    assert_eq!(rows[0].raw("comment"), Some(b"caf\xe9 = \0\r\n".as_slice()));
    assert_eq!(rows[0].str("comment"), None);
    assert_eq!(rows[0].id(), Some(ItemId::new("*1")));
}

#[tokio::test]
async fn five_hundred_adds_share_the_socket() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let numbers: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    let attributes: Vec<_> = numbers.iter().map(|number| [("name", number.as_str())]).collect();
    let adds = attributes.iter().map(|attributes| connection.add("/ppp/secret", attributes));
    let (ids, ()) = tokio::join!(join_all(adds), async {
        for _ in 0..500 {
            let add = router.hear().await;
            let number = String::from_utf8_lossy(add.attribute("name").unwrap()).into_owned();
            let tag = String::from_utf8_lossy(add.tag().unwrap()).into_owned();
            // `=ret=` before `.tag`: the order that made another client report a failure.
            router.say(&["!done", &format!("=ret=*{number}"), &format!(".tag={tag}")]).await;
        }
    });
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(id.unwrap(), ItemId::new(format!("*{number}")));
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_a_clean_stream() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let given_up = tokio::spawn({
        let connection = connection.clone();
        async move { connection.print(Print::of("/x")).await }
    });
    let x = format!(".tag={}", router.expect(&["/x/print"]).await);
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    let (rows, ()) = tokio::join!(connection.print(Print::of("/y")), async {
        let y = format!(".tag={}", router.expect(&["/y/print"]).await);
        router.say(&["!re", &x, "=name=late"]).await;
        router.say(&["!re", &y, "=name=mine"]).await;
        let cancel = router.hear().await;
        assert_eq!(cancel.command(), b"/cancel");
        assert_eq!(cancel.attribute("tag").unwrap(), &x.as_bytes()[5..]);
        router.say(&["!done", &x]).await;
        router.say(&["!done", &y]).await;
    });
    assert_eq!(names(&rows.unwrap()), ["mine"]);
}

#[tokio::test]
async fn every_verb_has_its_words() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let id = ItemId::new("*1");
    let calls = async {
        connection.set("/ppp/secret", &id, &[("disabled", "yes"), ("comment", "")]).await.unwrap();
        connection.unset("/ppp/secret", &id, "remote-address").await.unwrap();
        let count = connection.count(Print::of(ACTIVE).matching(Query::has("user"))).await;
        assert_eq!(count.unwrap(), 42);
        let script = [("script", ":put 1"), ("as-string", "")];
        let reply = connection.run("/execute", &script).await.unwrap();
        assert_eq!(reply.ret().as_deref(), Some("1"));
    };
    tokio::join!(calls, async {
        let set = ["/ppp/secret/set", "=.id=*1", "=disabled=yes", "=comment="];
        let tag = router.expect(&set).await;
        router.done(&tag).await;
        let unset = ["/ppp/secret/unset", "=.id=*1", "=value-name=remote-address"];
        let tag = router.expect(&unset).await;
        router.done(&tag).await;
        let tag = router.expect(&["/ip/hotspot/active/print", "=count-only=", "?user"]).await;
        router.say(&["!done", "=ret=42", &format!(".tag={tag}")]).await;
        let tag = router.expect(&["/execute", "=script=:put 1", "=as-string="]).await;
        router.say(&["!done", &format!(".tag={tag}"), "=ret=1"]).await;
    });
}

#[tokio::test]
async fn an_add_without_an_id_is_not_believed() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (added, ()) = tokio::join!(connection.add("/x", &[]), async {
        let tag = router.expect(&["/x/add"]).await;
        router.done(&tag).await;
    });
    assert!(matches!(added, Err(Error::Protocol { .. })));
}

#[tokio::test]
async fn typed_menus_come_with_their_properties() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (active, ()) = tokio::join!(connection.all::<HotspotActive>(None), async {
        let command = router.hear().await;
        let asked = String::from_utf8_lossy(command.attribute(".proplist").unwrap()).into_owned();
        assert!(asked.starts_with(".id,user,address,mac-address"), "{asked}");
        let tag = format!(".tag={}", String::from_utf8_lossy(command.tag().unwrap()));
        router.say(&["!re", &tag, "=.id=*C0A80A08", "=user=ann", "=uptime=1m"]).await;
        router.say(&["!done", &tag]).await;
    });
    let active = active.unwrap();
    assert_eq!((active.len(), active[0].user.as_str()), (1, "ann"));
    assert_eq!(active[0].uptime, Some(Duration::from_secs(60)));
    let (identity, ()) = tokio::join!(connection.one::<Identity>(), async {
        let tag = router.expect(&["/system/identity/print", "=.proplist=name"]).await;
        router.say(&["!re", &format!(".tag={tag}"), "=name=core"]).await;
        router.done(&tag).await;
    });
    assert_eq!(identity.unwrap().unwrap().name, "core");
}

#[tokio::test]
async fn a_listener_hears_changes_until_it_is_dropped() {
    let (connection, mut router) = FakeRouter::logged_in(HASTY).await;
    let mut listener = connection.listen(ACTIVE, &[".id", "user"]).await.unwrap();
    let listen = ["/ip/hotspot/active/listen", "=.proplist=.id,user"];
    let tag = format!(".tag={}", router.expect(&listen).await);

    // A listener may be silent for longer than any reply.
    assert!(timeout(HASTY.reply * 2, listener.next()).await.is_err());
    router.say(&["!re", &tag, "=.id=*3", "=user=ann"]).await;
    let change = listener.next().await.unwrap();
    assert_eq!((change.dead, change.row.string("user").as_str()), (false, "ann"));
    for spelling in ["=.dead=true", "=.dead=yes"] {
        router.say(&["!re", &tag, "=.id=*3", spelling]).await;
        let change = listener.next().await.unwrap();
        assert!(change.dead);
        assert_eq!(change.id(), Some(ItemId::new("*3")));
    }

    drop(listener);
    let cancel = router.expect(&["/cancel", &format!("=tag={}", &tag[5..])]).await;
    router.say(&["!re", &tag, "=.id=*4", "=user=late"]).await;
    router.say(&["!trap", &tag, "=category=2", "=message=interrupted"]).await;
    router.say(&["!done", &tag]).await;
    router.done(&cancel).await;
    tokio::join!(async { connection.ping().await.unwrap() }, answer_identity(&mut router));
}

#[tokio::test]
async fn a_refused_listener_ends_with_the_reason() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let mut listener = connection.listen("/x", &[]).await.unwrap();
    let tag = format!(".tag={}", router.expect(&["/x/listen"]).await);
    router.say(&["!trap", &tag, "=message=no such command"]).await;
    router.say(&["!done", &tag]).await;
    assert_eq!(listener.next().await, None);
    let failure = listener.failure().unwrap();
    assert_eq!(failure.trap().unwrap().kind, TrapKind::NoSuchCommand);
}

#[tokio::test]
async fn a_listener_ends_with_its_connection() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let mut listener = connection.listen("/x", &[]).await.unwrap();
    router.expect(&["/x/listen"]).await;
    drop(router);
    assert_eq!(listener.next().await, None);
    assert!(matches!(listener.failure(), Some(Error::Unreachable { .. })));
}

#[tokio::test]
async fn a_listener_that_is_not_read_is_told_that_it_missed_changes() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let mut listener = connection.listen("/x", &[]).await.unwrap();
    let tag = format!(".tag={}", router.expect(&["/x/listen"]).await);
    for _ in 0..5_000 {
        router.say(&["!re", &tag, "=.id=*1"]).await;
    }
    router.expect(&["/cancel", &format!("=tag={}", &tag[5..])]).await;
    let mut heard = 0;
    while listener.next().await.is_some() {
        heard += 1;
    }
    assert!((1..5_000).contains(&heard));
    assert!(matches!(listener.failure(), Some(Error::Lagged { .. })));
}

#[tokio::test]
async fn the_last_handle_closes_the_connection() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let clone = connection.clone();
    let listener = clone.listen("/x", &[]).await.unwrap();
    router.expect(&["/x/listen"]).await;
    drop(connection);
    drop(clone);
    drop(listener);
    let cancel = router.hear().await;
    assert_eq!(cancel.command(), b"/cancel");
    let (listen, cancel) = (cancel.attribute("tag").unwrap(), cancel.tag().unwrap());
    for tag in [listen, cancel] {
        router.done(std::str::from_utf8(tag).unwrap()).await;
    }
    assert!(router.heard().await.is_none());
}

#[tokio::test]
async fn a_peer_that_is_no_router_is_found_out() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let (pinged, ()) = tokio::join!(connection.ping(), async {
        router.hear().await;
        router.say_raw(&[0xFF, 0xFB, 0x01]).await;
    });
    let error = pinged.unwrap_err();
    assert!(matches!(&error, Error::Protocol { problem, .. } if problem.contains("0xff")));
    let mut rest = Vec::new();
    router.stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn twenty_thousand_rows_arrive_whole_and_in_order() {
    let (connection, mut router) = FakeRouter::logged_in(PATIENT).await;
    let print = Print::of("/ip/firewall/address-list").only(&[".id", "list", "address"]);
    let (rows, ()) = tokio::join!(connection.print(print), async {
        let command = router.hear().await;
        let tag = format!(".tag={}", String::from_utf8_lossy(command.tag().unwrap()));
        let mut all = bytes::BytesMut::new();
        for number in 0..20_000 {
            let id = format!("=.id=*{number:X}");
            let address = format!("=address=10.0.{}.{}", number / 256, number % 256);
            all.extend_from_slice(&wire(&["!re", &tag, &id, "=list=paid", &address]));
        }
        all.extend_from_slice(&wire(&["!done", &tag]));
        router.say_raw(&all).await;
    });
    let rows = rows.unwrap();
    assert_eq!(rows.len(), 20_000);
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row.id(), Some(ItemId::new(format!("*{number:X}"))));
    }
}
