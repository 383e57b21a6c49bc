//! The program itself, with the settings that it comes with: devices log in by EAP by a
//! certificate that it made.

use super::supplicant::{block, came_in, join};
use super::*;
use crate::cli::{Shop, until};
use serde_json::Value;

fn listeners(shop: &Shop) -> Value {
    let listeners = std::fs::read_to_string(shop.path().join("listeners.json")).unwrap();
    serde_json::from_str(&listeners).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_makes_its_certificate_and_keeps_it() {
    let shop = Shop::open();
    std::fs::write(shop.path().join("lango.toml"), "radsec = \":0\"\n").unwrap();
    let login = ["--user", "lango", "--password", SECRET];
    let router = ["router", "add", "Lobby", "radius://127.0.0.1:3799"];
    shop.lango(&[router.as_slice(), &login].concat()).ok();
    let ann = ["service", "add", "--plan", "1 hour", "--pppoe", "ann", "--password", "secret"];
    shop.lango(&[ann.as_slice(), &["--paid"]].concat()).ok();

    let root = shop.path().join(lango_server::radius::ROOT);
    let mut roots = Vec::new();
    for _ in 0..2 {
        let server = shop.serve();
        let at: SocketAddr =
            listeners(&shop)["radius_authentication"].as_str().unwrap().parse().unwrap();
        let radsec: SocketAddr = listeners(&shop)["radsec"].as_str().unwrap().parse().unwrap();
        until("RadSec listens", || std::net::TcpStream::connect(radsec).is_ok());
        let said = join(&shop.path(), at, ANN, &block("PEAP", "MSCHAPV2", "ann", "secret")).await;
        assert!(came_in(&said), "{said}");
        roots.push(std::fs::read(&root).unwrap());
        assert_eq!(server.stop(), Some(0));
    }
    assert_eq!(roots[0], roots[1], "devices need not be told again whom to trust");

    let missing = "radius_certificate = \"/nowhere/c.pem\"\nradius_key = \"/nowhere/k.pem\"\n";
    std::fs::write(shop.path().join("lango.toml"), missing).unwrap();
    shop.lango(&["serve", "--http", ":0"]).fails(1, &["/nowhere/c.pem", "PEM"]);
}
