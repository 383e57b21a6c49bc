//! Money at a terminal: the real program, on a real database.

use crate::cli::Shop;

#[test]
fn secrets_of_gateways_never_stand_on_a_command_line() {
    let shop = Shop::open();
    let add = ["payment", "gateway", "add", "Paybill", "--provider", "daraja"];
    let open = [&add[..], &["--set", "shortcode=174379", "--set", "passkey=seen"]].concat();
    shop.lango(&open).fails(1, &["passkey is a secret", "command line"]);
    let good = [&add[..], &["--set", "shortcode=174379"]].concat();
    let secrets = r#"{"consumer_key":"key","consumer_secret":"sec","passkey":"a passkey 1234567"}"#;
    let added = shop.lango_with("LANGO_GATEWAY_SECRETS", secrets, &good).ok();
    assert!(added.out.contains("public_url"), "{added:?}");
    let list = shop.lango(&["payment", "gateway", "list", "--json"]).ok();
    assert!(!list.out.contains("a passkey"), "{list:?}");
    assert_eq!(list.json()[0]["settings"]["shortcode"], "174379");

    let file = shop.path().join("till.json");
    std::fs::write(
        &file,
        r#"{"provider":"signed_webhook","secret":"0123456789abcdef","header":"x-mark"}"#,
    )
    .unwrap();
    let from_file = ["payment", "gateway", "add", "Till", "--settings", file.to_str().unwrap()];
    shop.lango(&from_file).ok();
    let change = ["payment", "gateway", "change", "till", "--set", "header=x-sign", "--json"];
    assert_eq!(shop.lango(&change).ok().json()["settings"]["header"], "x-sign");
    shop.lango(&["payment", "gateway", "change", "till"]).fails(1, &["--set"]);
    shop.lango(&["payment", "gateway", "test", "Till"]).fails(1, &[]);
    shop.lango(&["payment", "gateway", "register", "Till"]).fails(1, &["does not offer"]);
    let check = shop.lango(&["check"]);
    assert!(check.out.contains("public_url is not set"), "{check:?}");
    shop.lango(&["payment", "gateway", "remove", "Till"]).ok();
    let left = shop.lango(&["payment", "gateway", "list", "--json"]).ok().json();
    assert_eq!(left.as_array().unwrap().len(), 1);
}

#[test]
fn cash_wallets_and_books_agree() {
    let shop = Shop::open();
    let plan = ["plan", "add", "Home", "--price", "2500", "--time", "30d", "--starts", "payment"];
    shop.lango(&plan).ok();
    shop.lango(&["customer", "add", "Ann Wanjiku", "--phone", "0712345678"]).ok();
    let line = ["service", "add", "--plan", "Home", "--pppoe", "ann", "--customer", "0712345678"];
    shop.lango(&line).ok();
    let pay = |receipt, amount| {
        shop.lango(&["payment", "add", "ann", "--receipt", receipt, "--amount", amount])
    };
    let less = pay("C-1", "1000").ok();
    assert!(less.out.contains("less than the price"), "{less:?}");
    let more = pay("C-2", "4500").ok();
    assert!(more.out.contains("ann (PPPoE) is active until"), "{more:?}");
    let wallet = || shop.lango(&["customer", "wallet", "0712345678", "--json"]).ok().json();
    assert_eq!(wallet()["balances"][0]["amount"], 300_000);
    let renew = ["customer", "wallet", "0712345678", "--renew", "ann"];
    let spent = shop.lango(&renew).ok();
    assert!(spent.out.contains("KES 500 is left"), "{spent:?}");
    shop.lango(&renew).fails(1, &["KES 500 in the wallet", "KES 2500"]);
    shop.lango(&["payment", "give-back", "C-2", "--reason", "paid twice"])
        .fails(1, &["has spent it"]);
    let auto = ["payment", "renewal", "ann", "--from-wallet", "yes", "--json"];
    assert_eq!(shop.lango(&auto).ok().json()["from_wallet"], true);

    let all = shop.lango(&["payment", "list", "--json"]).ok().json();
    let states: Vec<&str> =
        all.as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["used", "credited"], "latest first");
    let waiting = shop.lango(&["payment", "waiting"]).ok();
    assert!(waiting.out.contains("No money waits"), "{waiting:?}");
    shop.lango(&["payment", "assign", "C-1", "--to", "ann", "--reason", "?"])
        .fails(1, &["credited already", "cannot be undone"]);
    assert!(shop.lango(&["payment", "purchases"]).ok().out.contains("Nobody"));
    assert!(shop.lango(&["payment", "letters"]).ok().out.contains("90 days"));
    shop.lango(&["payment", "show", "K7M2XQ4R"]).fails(1, &["no purchase"]);
    let books = shop.lango(&["payment", "ledger", "--csv"]).ok();
    assert!(books.out.contains("clearing,in the till,550000,KES"), "{books:?}");
    assert!(books.out.contains("revenue,,-500000,KES"), "{books:?}");
    assert!(books.out.contains("wallet,,-50000,KES"), "{books:?}");
}
