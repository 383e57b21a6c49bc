//! A business's paybill at M-Pesa's stand-in, for every test that takes money by it.

use lango_domain::ids::TenantId;
use lango_provider_sim::{Daraja, daraja};
use lango_server::app::App;
use lango_server::operations::asked::By;
use lango_server::operations::gateways::{NewGateway, add_gateway, provider_of, urls_of};
use lango_store::gateways::Gateway;
use serde_json::{Value, json};

/// What its owner types in. With a number to pull by, the list of money is asked for as well.
pub(crate) fn settings(daraja: &Daraja, pull_number: Option<&str>) -> Value {
    let known = daraja::Settings::default();
    json!({
        "provider": "daraja",
        "consumer_key": known.consumer_key,
        "consumer_secret": known.consumer_secret,
        "shortcode": "174379",
        "passkey": known.passkey,
        "base_url": daraja.base_url(),
        "pull_number": pull_number,
    })
}

/// The same, and who may give money back.
pub(crate) fn that_reverses(daraja: &Daraja, initiator: &str) -> Value {
    let mut typed = settings(daraja, None);
    typed["initiator"] = json!(initiator);
    typed["initiator_password"] = json!("Safaricom999!*!");
    typed["initiator_password_set_on"] = json!("2026-01-01");
    typed["certificate"] = json!(include_str!("../../src/payments/certificate_of_tests.pem"));
    typed
}

/// Adds it under a name, and tells M-Pesa where to report.
pub(crate) async fn add(
    app: &App,
    (tenant, name): (TenantId, &str),
    daraja: &Daraja,
    pull_number: Option<&str>,
) -> Gateway {
    let (now, settings) = (app.clock().now(), settings(daraja, pull_number));
    let new = NewGateway { tenant, name: name.to_owned(), currency: None, settings };
    let gateway = add_gateway(app, new, &By::cli(), now).await.unwrap();
    let urls = urls_of(app, &gateway).unwrap().unwrap();
    provider_of(app, &gateway).unwrap().register(&urls, now).await.unwrap();
    gateway
}
