//! Tables of what customers have: services and vouchers.

use super::customers::phone;
use super::sheet::{Column, Faults, Row};
use super::{Owner, Shop, one_line};
use crate::operations::open_service::is_safe_login;
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::grant::Standing;
use lango_domain::ids::RouterId;

/// What a table of services may have.
pub(super) const SERVICES: &[Column] = &[
    Column { name: "kind", needed: true },
    Column { name: "plan", needed: true },
    Column { name: "login", needed: false },
    Column { name: "password", needed: false },
    Column { name: "address", needed: false },
    Column { name: "mac", needed: false },
    Column { name: "phone", needed: false },
    Column { name: "customer", needed: false },
    Column { name: "router", needed: false },
    Column { name: "paid_until", needed: false },
];

/// What a table of vouchers may have.
pub(super) const VOUCHERS: &[Column] = &[
    Column { name: "code", needed: true },
    Column { name: "plan", needed: true },
    Column { name: "password", needed: false },
    Column { name: "phone", needed: false },
    Column { name: "customer", needed: false },
    Column { name: "router", needed: false },
    Column { name: "paid_until", needed: false },
];

/// Something that a customer has.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) line: u64,
    /// Its place among the shop's plans.
    pub(super) plan: usize,
    pub(super) access: Access,
    pub(super) kind: GrantKind,
    pub(super) owner: Owner,
    pub(super) router: Option<RouterId>,
    pub(super) standing: Standing,
}

/// Reads a line of services.
pub(super) fn read(row: &Row, shop: &Shop, faults: &mut Faults) -> Option<Holding> {
    const KINDS: [(&str, GrantKind); 3] = [
        ("pppoe", GrantKind::Pppoe),
        ("hotspot", GrantKind::HotspotAccount),
        ("static_ip", GrantKind::StaticIp),
    ];
    let before = faults.count;
    row.needed("kind", faults);
    let kind = row.word("kind", &KINDS, faults);
    let access = kind.and_then(|kind| access(row, kind, faults));
    let rest = rest(row, shop, Standing::Unpaid, faults);
    (faults.count == before).then_some(())?;
    let Rest { plan, owner, router, standing } = rest?;
    Some(Holding { line: row.line, plan, access: access?, kind: kind?, owner, router, standing })
}

/// Reads a line of vouchers.
pub(super) fn read_voucher(row: &Row, shop: &Shop, faults: &mut Faults) -> Option<Holding> {
    let before = faults.count;
    let name = login(row, "code", faults);
    let password = row.text("password").map(ToOwned::to_owned).or_else(|| name.clone());
    let password = password.filter(|text| one_line(row, "password", text, 64, faults));
    // One that has an owner was sold; one without lies on the shelf.
    let sold = row.text("phone").is_some() || row.text("customer").is_some();
    let rest = rest(row, shop, Standing::paid(sold), faults);
    (faults.count == before).then_some(())?;
    let access = Access::Hotspot { name: name?, password: Secret::new(password?) };
    let Rest { plan, owner, router, standing } = rest?;
    let kind = GrantKind::Voucher;
    Some(Holding { line: row.line, plan, access, kind, owner, router, standing })
}

fn access(row: &Row, kind: GrantKind, faults: &mut Faults) -> Option<Access> {
    if kind == GrantKind::StaticIp {
        row.needed("address", faults);
        let address = row.value("address", faults);
        let mac = row.value("mac", faults);
        return Some(Access::StaticIp { address: address?, mac });
    }
    let name = login(row, "login", faults);
    let password = row.needed("password", faults).map(ToOwned::to_owned);
    let password = password.filter(|text| one_line(row, "password", text, 64, faults));
    let address = row.value("address", faults);
    let (name, password) = (name?, Secret::new(password?));
    Some(match kind {
        GrantKind::Pppoe => Access::Pppoe { name, password, address },
        _ => Access::Hotspot { name, password },
    })
}

fn login(row: &Row, column: &str, faults: &mut Faults) -> Option<String> {
    let text = row.needed(column, faults)?;
    if !is_safe_login(text) {
        let problem = format!("`{text}`: use 1 to 64 letters, digits and . _ - @ +");
        faults.note(row.line, column, problem);
        return None;
    }
    Some(text.to_owned())
}

/// What services and vouchers have alike.
struct Rest {
    plan: usize,
    owner: Owner,
    router: Option<RouterId>,
    standing: Standing,
}

fn rest(row: &Row, shop: &Shop, standing: Standing, faults: &mut Faults) -> Option<Rest> {
    let plan = row.needed("plan", faults).map(ToOwned::to_owned);
    let plan = plan.and_then(|name| {
        let found = shop.plan(&name);
        if found.is_none() {
            faults.note(row.line, "plan", shop.no_plan(&name));
        }
        found
    });
    let router = match row.text("router") {
        None => Some(None),
        Some(name) => {
            let found = shop.router(name);
            if found.is_none() {
                faults.note(row.line, "router", shop.no_router(name));
            }
            found.map(Some)
        }
    };
    let name = row.text("customer").map(ToOwned::to_owned);
    let name = name.filter(|text| one_line(row, "customer", text, 100, faults));
    let owner = Owner { name, phone: phone(row, shop, faults) };
    let standing = match row.text("paid_until") {
        None => Some(standing),
        Some(text) => {
            let end = shop.tenant.zone.end_written(text);
            if end.is_none() {
                let problem = format!("`{text}`: write 2026-12-31 or 2026-12-31 18:00");
                faults.note(row.line, "paid_until", problem);
            }
            end.map(Standing::PaidUntil)
        }
    };
    Some(Rest { plan: plan?, owner, router: router?, standing: standing? })
}
