//! Who had a free trial. A row is a device or a phone number that had that plan's; the key of the
//! table is the rule that nobody has it twice.

use crate::{Error, Sql, Tx, args, sql};
use lango_domain::ids::{PlanId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;

/// Who takes a trial, as far as he is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taker {
    /// His device.
    pub mac: Option<MacAddress>,
    /// His number.
    pub phone: Option<PhoneNumber>,
}

impl Taker {
    fn holders(&self) -> impl Iterator<Item = String> {
        let mac = self.mac.map(|mac| format!("mac {mac}"));
        let phone = self.phone.as_ref().map(|phone| format!("phone {phone}"));
        mac.into_iter().chain(phone)
    }
}

const TAKEN: Sql =
    sql!("SELECT taken_at FROM trials WHERE tenant_id = $1 AND plan_id = $2 AND holder = $3");
const TAKE: Sql = sql!(
    "INSERT INTO trials (tenant_id, plan_id, holder, taken_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT DO NOTHING"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[TAKEN, TAKE];

/// When his device or his number had that trial; none if neither had.
pub async fn taken(
    tx: &mut Tx<'_>,
    (tenant, plan): (TenantId, PlanId),
    taker: &Taker,
) -> Result<Option<Timestamp>, Error> {
    for holder in taker.holders() {
        let at: Option<Timestamp> = tx.optional(TAKEN, &args![tenant, plan, holder]).await?;
        if at.is_some() {
            return Ok(at);
        }
    }
    Ok(None)
}

/// Writes down that his device and his number have it now.
///
/// # Errors
/// [`Error::Retry`] if one of them takes it elsewhere at this moment.
pub async fn take(
    tx: &mut Tx<'_>,
    (tenant, plan): (TenantId, PlanId),
    taker: &Taker,
    now: Timestamp,
) -> Result<(), Error> {
    for holder in taker.holders() {
        let rows = tx.execute(TAKE, &args![tenant, plan, holder, now]).await?;
        crate::written_once(rows, "taking a trial")?;
    }
    Ok(())
}
