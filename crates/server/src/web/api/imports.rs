//! Imports: tables of other programs, a whole table or nothing of it.

use crate::operations::import::{Import, Report, Subject, import};
use crate::web::api::door::{Ask, Csv, Doors, Reply, Shown, Sign};
use crate::web::api::problem::Problem;
use axum::http::StatusCode;
use lango_domain::role::Permission;
use schemars::JsonSchema;
use serde::Deserialize;

/// How a table is to be taken.
#[derive(Deserialize, JsonSchema, Debug, Clone)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    /// Only say what would happen, and what is wrong
    #[serde(default)]
    dry_run: bool,
}

impl Shown for Report {}

const TAG: &str = "imports";

pub(crate) fn open(doors: &mut Doors) {
    let customers = Sign::make("/api/v1/imports/customers", "import_customers").about(
        TAG,
        "Take in a table of customers: name, phone, language. All of it, or with a fault nothing",
    );
    let services = Sign::make("/api/v1/imports/services", "import_services").about(
        TAG,
        "Take in a table of services: kind (pppoe, hotspot, static_ip), plan, login, password, \
         address, mac, phone, customer, router, paid_until",
    );
    let vouchers = Sign::make("/api/v1/imports/vouchers", "import_vouchers").about(
        TAG,
        "Take in a table of vouchers: code, plan, password, phone, customer, router, paid_until",
    );
    for (sign, subject) in [
        (customers, Subject::Customers),
        (services, Subject::Services),
        (vouchers, Subject::Vouchers),
    ] {
        // What is brought along is not paid here: that is giving access away.
        let sign = sign.needs(Permission::Manage).or(StatusCode::OK);
        doors.open(sign, move |ask: Ask<(), ImportQuery, Csv>| take_in(ask, subject));
    }
}

async fn take_in(
    ask: Ask<(), ImportQuery, Csv>,
    subject: Subject,
) -> Result<Reply<Report>, Problem> {
    let dry_run = ask.query.dry_run;
    let table = Import { tenant: ask.tenant(), subject, text: ask.body.0.to_vec(), dry_run };
    let report = import(&ask.here.app, table, ask.by(), ask.now()).await?;
    match (dry_run, report.fault_count) {
        (true, _) => Ok(Reply::ok(report).status(StatusCode::OK)),
        (false, 0) => Ok(Reply::ok(report)),
        (false, count) => Err(Problem::faulty_table(report.faults, count)),
    }
}
