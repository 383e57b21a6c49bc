//! Vouchers come into being: codes nobody can guess, each a grant of its own.

use crate::app::App;
use crate::operations::asked::{self, By, KeyReused};
use crate::operations::install_grants::{Newcomer, install};
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::grant::Standing;
use lango_domain::ids::{CustomerId, GrantId, RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::{Error, Tx};
use ring::rand::{SecureRandom, SystemRandom};

/// Signs that nobody confuses: no 0 O 1 I L. Their number is prime, so one check sign with
/// distinct weights finds every single mistake and every exchange of neighbours.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// Signs before the check sign: 31^7 codes, some 2.7e10.
const SIGNS: usize = 7;
/// How many vouchers one transaction makes.
const BATCH: usize = 500;
/// How many a request with a key can make: what a key stands for is made in one transaction.
pub const MOST_AT_ONCE: usize = 1_000;

/// What is to be printed or sold.
#[derive(Clone, Debug)]
pub struct VoucherOrder {
    /// Whose.
    pub tenant: TenantId,
    /// The plan's name.
    pub plan: String,
    /// How many.
    pub count: usize,
    /// Who bought it, if it is sold already.
    pub customer: Option<CustomerId>,
    /// The only router it is good for; none is all.
    pub router: Option<RouterId>,
}

/// A voucher, in clear once: on paper or in the message that sells it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Voucher {
    /// Its grant.
    pub id: GrantId,
    /// The code, as printed: `XXXX-XXXX`.
    pub code: String,
}

/// Why vouchers could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No such plan.
    #[error("there is no plan `{0}`: `lango plan list` shows the plans there are")]
    NoPlan(String),
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// More than one request with a key may make.
    #[error("at most {MOST_AT_ONCE} vouchers at once: ask again for the rest")]
    TooMany,
    /// The database.
    #[error("issuing vouchers")]
    Store(#[from] Error),
}

/// Makes vouchers. Stopped halfway, whole batches of them exist and the rest does not; with a key
/// there is one batch.
///
/// # Errors
/// No such plan, or a fault of the store.
pub async fn issue_vouchers(
    app: &App,
    order: VoucherOrder,
    by: &By,
    now: Timestamp,
) -> Result<Vec<Voucher>, IssueError> {
    issue_vouchers_told(app, order, by, now, |_| {}).await
}

/// The same, saying after each batch how many there are.
///
/// # Errors
/// As [`issue_vouchers`].
pub async fn issue_vouchers_told(
    app: &App,
    order: VoucherOrder,
    by: &By,
    now: Timestamp,
    mut told: impl FnMut(usize),
) -> Result<Vec<Voucher>, IssueError> {
    if by.request.is_some() {
        return match order.count {
            0..=MOST_AT_ONCE => issue_batch(app, &order, order.count, by, now).await,
            _ => Err(IssueError::TooMany),
        };
    }
    let mut issued = Vec::with_capacity(order.count);
    while issued.len() < order.count {
        let count = BATCH.min(order.count - issued.len());
        issued.extend(issue_batch(app, &order, count, by, now).await?);
        told(issued.len());
    }
    Ok(issued)
}

async fn issue_batch(
    app: &App,
    order: &VoucherOrder,
    count: usize,
    by: &By,
    now: Timestamp,
) -> Result<Vec<Voucher>, IssueError> {
    let (desk, order, by) = (app.clone(), order.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<GrantId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => return Ok(Ok(read_back(tx, &desk, &made).await?)),
                Ok(None) => {}
            }
            let plan = lango_store::plans::by_name(tx, order.tenant, &order.plan).await?;
            let Some(plan) = plan.filter(|plan| plan.retired_at.is_none()) else {
                return Ok(Err(IssueError::NoPlan(order.plan.clone())));
            };
            let codes: Vec<String> = (0..count).map(|_| new_code()).collect();
            let newcomers: Vec<Newcomer> =
                codes.iter().map(|code| newcomer(code, &order)).collect();
            let grants = install(tx, &desk, &plan, &newcomers, &by.actor, now).await?;
            let made: Vec<GrantId> = grants.iter().map(|stored| stored.grant.id).collect();
            asked::keep_made(tx, &by, &made, now).await?;
            let vouchers = made.into_iter().zip(codes);
            Ok(Ok(vouchers.map(|(id, code)| Voucher { id, code: printed(&code) }).collect()))
        })
        .await?
}

/// The codes of vouchers that were made before: whoever asked lost the answer.
async fn read_back(tx: &mut Tx<'_>, app: &App, made: &[GrantId]) -> Result<Vec<Voucher>, Error> {
    let mut vouchers = Vec::with_capacity(made.len());
    for id in made.iter().copied() {
        let sealed = lango_store::grants::access(tx, id).await?;
        let code = app.open_access(id, &sealed)?.login();
        vouchers.push(Voucher { id, code: printed(&code) });
    }
    Ok(vouchers)
}

fn newcomer(code: &str, order: &VoucherOrder) -> Newcomer {
    Newcomer {
        access: Access::Hotspot { name: code.to_owned(), password: Secret::new(code) },
        kind: GrantKind::Voucher,
        customer: order.customer,
        router: order.router,
        standing: Standing::paid(order.customer.is_some()),
    }
}

/// A code with its check sign, from the system's own randomness.
fn new_code() -> String {
    let mut signs: Vec<usize> = (0..SIGNS).map(|_| random_sign()).collect();
    signs.push(check_sign(&signs));
    signs.iter().map(|sign| char::from(ALPHABET[*sign])).collect()
}

fn random_sign() -> usize {
    let system = SystemRandom::new();
    loop {
        let mut byte = [0u8; 1];
        // An operating system without randomness cannot run TLS or anything else of ours either.
        system.fill(&mut byte).expect("the operating system has random numbers");
        let sign = usize::from(byte[0]);
        // 248 is 8 * 31: what lies above would favour the first signs.
        if sign < 248 {
            return sign % ALPHABET.len();
        }
    }
}

fn check_sign(signs: &[usize]) -> usize {
    signs.iter().enumerate().map(|(place, sign)| (place + 2) * sign).sum::<usize>() % ALPHABET.len()
}

fn printed(code: &str) -> String {
    format!("{}-{}", &code[..4], &code[4..])
}

/// A code as it is stored, from what somebody typed: any case, dashes and spaces as they come.
/// None if it cannot be one of ours, so that a typing mistake costs no attempt.
pub fn read_code(typed: &str) -> Option<String> {
    let code: String = typed
        .chars()
        .filter(|sign| !matches!(sign, ' ' | '-'))
        .map(|sign| sign.to_ascii_uppercase())
        .collect();
    let signs: Vec<usize> = code
        .bytes()
        .map(|byte| ALPHABET.iter().position(|known| *known == byte))
        .collect::<Option<_>>()?;
    let (check, signs) = signs.split_last()?;
    (signs.len() == SIGNS && check_sign(signs) == *check).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let code = new_code();
        let typed = format!(" {} {}", code[..4].to_lowercase(), &code[4..]);
        assert_eq!(read_code(&typed), Some(code.clone()));
        assert_eq!(read_code(&printed(&code)), Some(code));
    }

    #[test]
    fn every_single_mistake_and_every_exchange_is_noticed() {
        let code = new_code();
        for place in 0..code.len() {
            for sign in ALPHABET {
                let mut wrong = code.clone().into_bytes();
                if wrong[place] != *sign {
                    wrong[place] = *sign;
                    assert_eq!(read_code(&String::from_utf8(wrong).unwrap()), None);
                }
            }
        }
        for place in 0..code.len() - 2 {
            let mut wrong = code.clone().into_bytes();
            wrong.swap(place, place + 1);
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(wrong == code || read_code(&wrong).is_none(), "{code} {wrong}");
        }
    }
}
