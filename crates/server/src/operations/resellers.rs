//! People who sell vouchers for the business: they come, change and go.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, KeyReused, Lost};
use lango_domain::ids::{ResellerId, TenantId};
use lango_domain::phone_number::{NotAPhoneNumber, PhoneNumber};
use lango_domain::time::Timestamp;
use lango_store::resellers::{self, Reseller};
use lango_store::{Error, Tx};
use std::fmt;
use std::str::FromStr;

/// What somebody keeps of the price: hundredths of a percent, from 0 to 100 %.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Commission(i64);

/// Why a text is not a commission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no share of a price: write a percentage from 0 to 100, such as 10 or 12.5")]
pub struct NotACommission(String);

impl Commission {
    /// From hundredths of a percent; none beyond the whole price.
    pub fn from_hundredths(hundredths: i64) -> Option<Commission> {
        (0..=10_000).contains(&hundredths).then_some(Commission(hundredths))
    }

    /// In hundredths of a percent.
    pub const fn hundredths(self) -> i64 {
        self.0
    }

    /// His share of an amount of minor units, rounded down: the business owes no fractions.
    pub fn of(self, amount: i64) -> i64 {
        let share = i128::from(amount) * i128::from(self.0) / 10_000;
        // Never more than the amount itself.
        i64::try_from(share).unwrap_or(amount)
    }
}

impl FromStr for Commission {
    type Err = NotACommission;

    fn from_str(text: &str) -> Result<Commission, NotACommission> {
        let refused = || NotACommission(text.to_owned());
        let plain = text.trim().trim_end_matches('%').trim_end();
        let (whole, part) = plain.split_once('.').unwrap_or((plain, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || whole.len() > 3 || part.len() > 2 {
            return Err(refused());
        }
        let tens = if part.len() == 1 { 10 } else { 1 };
        let whole: i64 = whole.parse().map_err(|_| refused())?;
        let part: i64 = part.parse().map_err(|_| refused())?;
        Commission::from_hundredths(whole * 100 + part * tens).ok_or_else(refused)
    }
}

impl fmt::Display for Commission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            _ if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            _ => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// Somebody who is to sell.
#[derive(Clone, Debug)]
pub struct NewReseller {
    /// For whom.
    pub tenant: TenantId,
    /// What he is called.
    pub name: String,
    /// His number as typed.
    pub phone: Option<String>,
    /// What he keeps of the price.
    pub commission: Commission,
}

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ResellerChange {
    /// What he is called.
    pub name: Option<String>,
    /// His number as typed; an inner none takes it away.
    pub phone: Option<Option<String>>,
    /// What he keeps of the price.
    pub commission: Option<Commission>,
    /// Whether he is given vouchers.
    pub sells: Option<bool>,
}

/// Why a reseller could not be added or changed.
#[derive(Debug, thiserror::Error)]
pub enum ResellerError {
    /// No such reseller, or not as he was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// He must be called something.
    #[error("a reseller needs a name")]
    NoName,
    /// His number cannot be read.
    #[error(transparent)]
    Phone(#[from] NotAPhoneNumber),
    /// The name is in use.
    #[error("there is a reseller of that name already: choose another name")]
    Known,
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// The database.
    #[error("writing a reseller down")]
    Store(#[from] Error),
}

/// Adds a reseller.
///
/// # Errors
/// See [`ResellerError`].
pub async fn add_reseller(
    app: &App,
    new: NewReseller,
    by: &By,
    now: Timestamp,
) -> Result<Reseller, ResellerError> {
    let (desk, by, id) = (app.clone(), by.clone(), app.id::<ResellerId>(now));
    let added = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let id = match asked::made_before::<ResellerId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => made.first().copied().unwrap_or(id),
                Ok(None) => {
                    let home = lango_store::tenants::one(tx, new.tenant).await?.country;
                    let phone = new.phone.as_deref().map(|typed| PhoneNumber::parse(typed, home));
                    let reseller = Reseller {
                        id,
                        tenant: new.tenant,
                        name: new.name.trim().to_owned(),
                        phone: match phone.transpose() {
                            Ok(phone) => phone,
                            Err(refusal) => return Ok(Err(refusal.into())),
                        },
                        commission: new.commission.hundredths(),
                        created_at: now,
                        removed_at: None,
                        version: 1,
                    };
                    if reseller.name.is_empty() {
                        return Ok(Err(ResellerError::NoName));
                    }
                    resellers::insert(tx, &reseller).await?;
                    asked::keep_made(tx, &by, &[id], now).await?;
                    let entry = Entry::of(new.tenant, "reseller added", reseller.name);
                    asked::account(tx, &desk, &by.actor, entry, now).await?;
                    id
                }
            };
            let found = resellers::find(tx, new.tenant, id).await?;
            Ok(found.ok_or(Lost::Missing("reseller").into()))
        })
        .await;
    named_once(added)
}

/// Changes a reseller. One who is removed is given no vouchers; those he has stay good.
///
/// # Errors
/// See [`ResellerError`].
pub async fn change_reseller(
    app: &App,
    (tenant, id): (TenantId, ResellerId),
    change: ResellerChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Reseller, ResellerError> {
    let (desk, by) = (app.clone(), by.clone());
    let changed = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(before) = resellers::find(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("reseller").into()));
            };
            if !asked::is_expected(before.version, expected) {
                return Ok(Err(Lost::Stale("reseller").into()));
            }
            let home = lango_store::tenants::one(tx, tenant).await?.country;
            let read = |phone: &Option<String>| -> Result<_, NotAPhoneNumber> {
                phone.as_deref().map(|typed| PhoneNumber::parse(typed, home)).transpose()
            };
            let phone = match change.phone.as_ref().map(read).transpose() {
                Ok(phone) => phone.unwrap_or_else(|| before.phone.clone()),
                Err(refusal) => return Ok(Err(refusal.into())),
            };
            let name = change.name.as_deref().unwrap_or(&before.name).trim().to_owned();
            if name.is_empty() {
                return Ok(Err(ResellerError::NoName));
            }
            let removed_at = match change.sells {
                Some(true) => None,
                Some(false) => before.removed_at.or(Some(now)),
                None => before.removed_at,
            };
            let commission = change.commission.map_or(before.commission, Commission::hundredths);
            let after = Reseller { name, phone, commission, removed_at, ..before };
            resellers::change(tx, &after).await?;
            let what = match change.sells {
                Some(false) => "reseller removed",
                _ => "reseller changed",
            };
            asked::account(tx, &desk, &by.actor, Entry::of(tenant, what, id.to_string()), now)
                .await?;
            Ok(Ok(Reseller { version: after.version + 1, ..after }))
        })
        .await;
    named_once(changed)
}

fn named_once(
    outcome: Result<Result<Reseller, ResellerError>, Error>,
) -> Result<Reseller, ResellerError> {
    match outcome {
        Err(Error::Conflict { unique, .. }) if unique.table == "resellers" => {
            Err(ResellerError::Known)
        }
        Err(error) => Err(error.into()),
        Ok(outcome) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, hundredths, shown) in [
            ("10", 1_000, "10%"),
            ("12.5 %", 1_250, "12.5%"),
            ("7.25%", 725, "7.25%"),
            ("0", 0, "0%"),
            ("100", 10_000, "100%"),
        ] {
            let read: Commission = text.parse().unwrap();
            assert_eq!((read.hundredths(), read.to_string().as_str()), (hundredths, shown));
        }
        for wrong in ["", "-1", "100.01", "101", "10.125", "ten", "1.", ".5"] {
            assert!(wrong.parse::<Commission>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_keeps_more_than_his_share() {
        let tenth: Commission = "10".parse().unwrap();
        assert_eq!((tenth.of(2_000), tenth.of(9), tenth.of(0)), (200, 0, 0));
        let all: Commission = "100".parse().unwrap();
        assert_eq!(all.of(i64::MAX), i64::MAX);
    }
}
