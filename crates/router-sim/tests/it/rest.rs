//! REST over real sockets.

use lango_router_sim::{Account, Settings};
use lango_routeros::{Connection, Print, Protocol, Query, TrapKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Site, credentials, timeouts};

/// Status and body of one raw request.
pub(crate) async fn ask(site: &Site, method: &str, path: &str, body: &str) -> (u16, String) {
    ask_as(site, "bGFuZ286c2VjcmV0", method, path, body).await
}

async fn ask_as(site: &Site, basic: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(site.router.rest_address().unwrap()).await.unwrap();
    let request = format!(
        "{method} /rest{path} HTTP/1.1\r\nhost: r\r\nauthorization: Basic {basic}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn every_verb_does_what_the_manual_says() {
    let site = Site::open();
    let (status, body) =
        ask(&site, "PUT", "/ip/hotspot/user", r#"{"name":"amina","limit-bytes-total":1500}"#).await;
    assert_eq!(status, 201);
    let made: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (made["name"].as_str(), made["limit-bytes-total"].as_str()),
        (Some("amina"), Some("1500"))
    );
    assert_eq!(made["disabled"].as_str(), Some("false"), "booleans are strings");
    let id = made[".id"].as_str().unwrap();

    let (status, body) = ask(&site, "GET", &format!("/ip/hotspot/user/{id}"), "").await;
    assert!(status == 200 && body.starts_with('{'), "{body}");
    assert_eq!(
        ask(&site, "GET", "/ip/hotspot/user?name=amina&.proplist=name", "").await.1,
        r#"[{"name":"amina"}]"#
    );
    assert_eq!(
        ask(&site, "GET", "/ip/hotspot/user/amina?.proplist=name", "").await.1,
        r#"{"name":"amina"}"#
    );

    let (status, body) =
        ask(&site, "PATCH", &format!("/ip/hotspot/user/{id}"), r#"{"comment":"x"}"#).await;
    assert!(status == 200 && body.contains(r#""comment":"x""#), "{body}");
    let query =
        r#"{".proplist":["name"],".query":["name=amina","name=nobody","#.to_owned() + r##""#|"]}"##;
    assert_eq!(
        ask(&site, "POST", "/ip/hotspot/user/print", &query).await.1,
        r#"[{"name":"amina"}]"#
    );
    let disable = format!(r#"{{"numbers":"{id}"}}"#);
    assert_eq!(
        ask(&site, "POST", "/ip/hotspot/user/disable", &disable).await,
        (200, "[]".to_owned())
    );
    let add = ask(&site, "POST", "/ip/hotspot/user/add", r#"{"name":"b"}"#).await;
    assert!(add.1.starts_with(r#"{"ret":"*"#), "{add:?}");

    assert_eq!(
        ask(&site, "DELETE", &format!("/ip/hotspot/user/{id}"), "").await,
        (204, String::new())
    );
    let (status, body) = ask(&site, "DELETE", &format!("/ip/hotspot/user/{id}"), "").await;
    assert_eq!(status, 404);
    assert!(body.contains(r#""error":404"#) && body.contains(r#""message":"Not Found""#), "{body}");
}

#[tokio::test]
async fn refusals_have_the_routers_shapes() {
    let site = Site::with(Settings {
        users: vec![Account::new("lango", "secret", "full"), Account::new("eye", "secret", "read")],
        ..Settings::default()
    });
    assert_eq!(ask_as(&site, "bm9ib2R5Og==", "GET", "/system/identity", "").await.0, 401);
    assert_eq!(ask(&site, "GET", "/no/such", "").await.0, 406);
    assert_eq!(ask(&site, "POST", "/ip/hotspot/user/add", "{").await.0, 400);
    let (status, body) =
        ask(&site, "PUT", "/ip/hotspot/user", r#"{"name":"a","profile":"none"}"#).await;
    assert_eq!(status, 400);
    assert!(body.contains("input does not match any value of profile"), "{body}");
    // eye:secret may only read.
    let (status, body) =
        ask_as(&site, "ZXllOnNlY3JldA==", "PUT", "/ip/hotspot/user", r#"{"name":"a"}"#).await;
    assert_eq!(status, 500);
    assert!(body.contains("not enough permissions (9)"), "{body}");
    assert_eq!(
        ask(&site, "GET", "/system/identity", "").await,
        (200, r#"{"name":"MikroTik"}"#.to_owned())
    );
}

#[tokio::test]
async fn our_own_client_reads_and_writes() {
    let site = Site::open();
    let rest = site.connect(Protocol::Rest).await.unwrap();
    let id = rest.add("/ip/hotspot/user", &[("name", "amina")]).await.unwrap();
    rest.set("/ip/hotspot/user", &id, &[("comment", "lango:1")]).await.unwrap();
    let print =
        Print::of("/ip/hotspot/user").only(&["comment"]).matching(Query::equals("name", "amina"));
    assert_eq!(rest.print(print).await.unwrap()[0].str("comment"), Some("lango:1"));
    rest.remove("/ip/hotspot/user", &id).await.unwrap();
    let error = rest.remove("/ip/hotspot/user", &id).await.unwrap_err();
    assert!(error.is_missing(), "{error}");
    let twice = [
        rest.add("/ppp/secret", &[("name", "a")]).await,
        rest.add("/ppp/secret", &[("name", "a")]).await,
    ];
    assert!(twice[1].as_ref().unwrap_err().is_duplicate());
    let wrong =
        Connection::open(&site.endpoint(Protocol::Rest), &credentials("lango", "no"), timeouts())
            .await;
    assert!(wrong.is_err());
    site.router.faults().refuse("/ip/hotspot/user", 1, "not enough permissions (9)");
    let error = rest.add("/ip/hotspot/user", &[("name", "x")]).await.unwrap_err();
    assert_eq!(error.trap().unwrap().kind, TrapKind::NotPermitted);
}
