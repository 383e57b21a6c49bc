//! Every statement of the program, on the tables of the program.

use lango_store::checks::prepare_all;
use lango_store::{Bulk, Sql, Store, schema};

use crate::sources;

crate::on_both!(with lango_store::schema::MIGRATIONS; every_statement_prepares);

async fn every_statement_prepares(store: &Store) {
    let (statements, bulks) = (schema::statements(), schema::bulks());
    let statements: Vec<&Sql> = statements.iter().collect();
    let bulks: Vec<&Bulk> = bulks.iter().collect();
    let faults = prepare_all(store, &statements, &bulks).await.unwrap();
    assert_eq!(faults, [""; 0]);
}

#[test]
fn no_statement_is_missing_from_the_lists() {
    let listed = sources::listed();
    let missing: Vec<String> =
        sources::declared().into_iter().filter(|name| !listed.contains_key(name)).collect();
    assert_eq!(missing, [""; 0], "add them to STATEMENTS or BULKS of their module");
    assert_eq!(
        listed.len(),
        schema::statements().len() + schema::bulks().len(),
        "a statement is listed twice"
    );
}
