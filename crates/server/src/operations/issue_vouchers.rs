//! Vouchers come into being: codes nobody can guess, each a grant of its own, made in batches.

use crate::app::App;
use crate::operations::asked::{self, Actor, By, Entry, KeyReused};
use crate::operations::install_grants::{Newcomer, install};
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::grant::Standing;
use lango_domain::ids::{BatchId, CustomerId, GrantId, ResellerId, RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::batches::{self, Batch};
use lango_store::plans::StoredPlan;
use lango_store::{Error, Tx};
use ring::rand::{SecureRandom, SystemRandom};

/// Signs that nobody confuses: no 0 O 1 I L. Their number is prime, so one check sign with
/// distinct weights finds every single mistake and every exchange of two signs.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// How many vouchers one transaction makes.
const BATCH: usize = 500;
/// Up to so many live vouchers the short codes are long enough.
const MOST_WITH_SHORT_CODES: usize = 10_000;
/// How many a request with a key can make: what a key stands for is made in one transaction.
pub const MOST_AT_ONCE: usize = 1_000;

/// How long codes are: the more of them are good at a time, the more easily one is guessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodeLength {
    /// Seven signs and a check sign: 31^7 codes, some 2.7e10.
    Eight,
    /// Nine signs and a check sign: 31^9, some 2.6e13.
    Ten,
}

impl CodeLength {
    /// The length for a business with so many live vouchers.
    pub const fn among(live: usize) -> CodeLength {
        if live > MOST_WITH_SHORT_CODES { CodeLength::Ten } else { CodeLength::Eight }
    }

    /// All signs, the check sign among them.
    pub const fn signs(self) -> usize {
        match self {
            CodeLength::Eight => 8,
            CodeLength::Ten => 10,
        }
    }

    fn of(signs: usize) -> Option<CodeLength> {
        [CodeLength::Eight, CodeLength::Ten].into_iter().find(|length| length.signs() == signs)
    }
}

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
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Voucher {
    /// Its grant.
    pub id: GrantId,
    /// The code, as printed: `XXXX-XXXX`.
    pub code: String,
}

/// What an order has made.
#[derive(Clone, Debug, Default)]
pub struct Issued {
    /// The batch that they are; none for what is sold already, which nobody prints.
    pub batch: Option<BatchId>,
    /// The vouchers, in the order of their numbers.
    pub vouchers: Vec<Voucher>,
}

/// Why vouchers could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No such plan.
    #[error("there is no plan `{0}`: `lango plan list` shows the plans there are")]
    NoPlan(String),
    /// No such reseller, or one who was removed.
    #[error("there is no such reseller any more: `lango reseller list` shows who there is")]
    NoReseller,
    /// A bundle on paper would have the price of all on each.
    #[error(
        "the plan `{0}` is a bundle of several vouchers, and its price is that of all of them: \
         make a plan for one voucher, and print that"
    )]
    Bundle(String),
    /// Whoever sells them cannot have sold them.
    #[error("vouchers are either sold to a customer or given to a reseller, not both")]
    SoldTwice,
    /// Somebody voided the batch while it was being made.
    #[error("the batch {0} was voided while it was being made: {1} vouchers of it were made")]
    Voided(BatchId, usize),
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

/// Makes vouchers that no reseller gets. Stopped halfway, whole portions of them exist and the rest
/// does not; with a key there is one portion.
///
/// # Errors
/// No such plan, or a fault of the store.
pub async fn issue_vouchers(
    app: &App,
    order: VoucherOrder,
    by: &By,
    now: Timestamp,
) -> Result<Vec<Voucher>, IssueError> {
    Ok(issue_batch(app, order, None, by, now, |_| {}).await?.vouchers)
}

/// The same as a batch, for a reseller or not, saying after each portion how many there are.
///
/// # Errors
/// See [`IssueError`].
pub async fn issue_batch(
    app: &App,
    order: VoucherOrder,
    reseller: Option<ResellerId>,
    by: &By,
    now: Timestamp,
    mut told: impl FnMut(usize),
) -> Result<Issued, IssueError> {
    if reseller.is_some() && order.customer.is_some() {
        return Err(IssueError::SoldTwice);
    }
    if order.count == 0 {
        return Ok(Issued::default());
    }
    let portion = match by.request {
        Some(_) if order.count > MOST_AT_ONCE => return Err(IssueError::TooMany),
        Some(_) => order.count,
        None => BATCH,
    };
    let mut press = Press { order, reseller, running: None };
    let mut issued = Issued::default();
    loop {
        let made = issued.vouchers.len();
        let count = portion.min(press.order.count - made);
        let next = issue_portion(app, &press, made, count, by, now).await?;
        let Portion { running, vouchers } = next;
        press.running = running;
        issued.vouchers.extend(vouchers);
        told(issued.vouchers.len());
        if issued.vouchers.len() >= press.order.count || issued.vouchers.len() == made {
            issued.batch = press.running.map(|running| running.batch).unwrap_or_default();
            return Ok(issued);
        }
    }
}

/// What stays the same from one portion to the next.
#[derive(Clone)]
struct Press {
    order: VoucherOrder,
    reseller: Option<ResellerId>,
    running: Option<Running>,
}

/// What the first portion has decided.
#[derive(Clone, Copy)]
struct Running {
    batch: Option<BatchId>,
    length: CodeLength,
}

struct Portion {
    running: Option<Running>,
    vouchers: Vec<Voucher>,
}

async fn issue_portion(
    app: &App,
    press: &Press,
    made: usize,
    count: usize,
    by: &By,
    now: Timestamp,
) -> Result<Portion, IssueError> {
    let (desk, press, by) = (app.clone(), press.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<GrantId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => return Ok(Ok(read_back(tx, &desk, &made).await?)),
                Ok(None) => {}
            }
            let order = &press.order;
            let plan = lango_store::plans::by_name(tx, order.tenant, &order.plan).await?;
            let Some(plan) = plan.filter(|plan| plan.retired_at.is_none()) else {
                return Ok(Err(IssueError::NoPlan(order.plan.clone())));
            };
            let running = match press.running {
                Some(running) => running,
                None => match begin(tx, &desk, &press, &plan, &by.actor, now).await? {
                    Ok(running) => running,
                    Err(refusal) => return Ok(Err(refusal)),
                },
            };
            let codes: Vec<String> = (0..count).map(|_| new_code(running.length)).collect();
            let newcomers: Vec<Newcomer> = codes.iter().map(|code| newcomer(code, order)).collect();
            let grants = install(tx, &desk, &plan, &newcomers, &by.actor, now).await?;
            let ids: Vec<GrantId> = grants.iter().map(|stored| stored.grant.id).collect();
            if let Some(batch) = running.batch {
                let first = made as i64 + 1;
                if !batches::grow(tx, (order.tenant, batch), ids.len() as i64).await? {
                    return Ok(Err(IssueError::Voided(batch, made)));
                }
                batches::add(tx, batch, first, &ids).await?;
            }
            asked::keep_made(tx, &by, &ids, now).await?;
            let vouchers = ids.into_iter().zip(codes);
            let vouchers = vouchers.map(|(id, code)| Voucher { id, code: printed(&code) });
            Ok(Ok(Portion { running: Some(running), vouchers: vouchers.collect() }))
        })
        .await?
}

/// Decides how long the codes are and, where they are to be printed, which batch they are.
async fn begin(
    tx: &mut Tx<'_>,
    app: &App,
    press: &Press,
    plan: &StoredPlan,
    actor: &Actor,
    now: Timestamp,
) -> Result<Result<Running, IssueError>, Error> {
    let order = &press.order;
    let length = code_length(tx, order.tenant, order.count).await?;
    if order.customer.is_some() {
        return Ok(Ok(Running { batch: None, length }));
    }
    if plan.sale.is_bundle() {
        return Ok(Err(IssueError::Bundle(plan.plan.name.clone())));
    }
    if let Some(id) = press.reseller {
        let found = lango_store::resellers::find(tx, order.tenant, id).await?;
        if found.is_none_or(|reseller| reseller.removed_at.is_some()) {
            return Ok(Err(IssueError::NoReseller));
        }
    }
    let batch = Batch {
        id: app.id(now),
        tenant: order.tenant,
        plan: plan.plan.id,
        reseller: press.reseller,
        router: order.router,
        count: 0,
        signs: length.signs() as i64,
        price: plan.plan.price,
        terms_id: plan.terms_id,
        actor: actor.word(),
        created_at: now,
        voided_at: None,
    };
    batches::insert(tx, &batch).await?;
    let detail = format!("{}: {} of plan {}", batch.id, order.count, plan.plan.name);
    asked::account(tx, app, actor, Entry::of(order.tenant, "vouchers made", detail), now).await?;
    Ok(Ok(Running { batch: Some(batch.id), length }))
}

/// How long codes must be of which there will be `more`.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn code_length(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    more: usize,
) -> Result<CodeLength, Error> {
    let live = batches::count_live(tx, tenant, MOST_WITH_SHORT_CODES as i64 + 1).await?;
    Ok(CodeLength::among(usize::try_from(live).unwrap_or_default().saturating_add(more)))
}

/// What one purchase of a plan gives, in the transaction of the payment: a voucher, or as many as
/// the bundle has. The first one is the buyer's own; the others are his to give away.
///
/// # Errors
/// A fault of the store.
pub async fn sell_vouchers(
    tx: &mut Tx<'_>,
    app: &App,
    plan: &StoredPlan,
    (customer, router): (Option<CustomerId>, Option<RouterId>),
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<Voucher>, Error> {
    let count = usize::from(plan.sale.vouchers.get());
    let length = code_length(tx, plan.plan.tenant, count).await?;
    let codes: Vec<String> = (0..count).map(|_| new_code(length)).collect();
    let newcomers: Vec<Newcomer> = codes
        .iter()
        .map(|code| Newcomer {
            access: Access::Hotspot { name: code.clone(), password: Secret::new(code.as_str()) },
            kind: GrantKind::Voucher,
            customer,
            router,
            standing: Standing::Paid,
        })
        .collect();
    let grants = install(tx, app, plan, &newcomers, actor, now).await?;
    let ids = grants.into_iter().map(|stored| stored.grant.id);
    Ok(ids.zip(codes).map(|(id, code)| Voucher { id, code: printed(&code) }).collect())
}

/// The vouchers that were made before: whoever asked lost the answer.
async fn read_back(tx: &mut Tx<'_>, app: &App, made: &[GrantId]) -> Result<Portion, Error> {
    let mut vouchers = Vec::with_capacity(made.len());
    for id in made.iter().copied() {
        let sealed = lango_store::grants::access(tx, id).await?;
        let code = app.open_access(id, &sealed)?.login();
        vouchers.push(Voucher { id, code: printed(&code) });
    }
    let batch = match made.first() {
        Some(first) => batches::of_grant(tx, *first).await?.map(|(batch, _)| batch),
        None => None,
    };
    Ok(Portion { running: Some(Running { batch, length: CodeLength::Eight }), vouchers })
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
pub(crate) fn new_code(length: CodeLength) -> String {
    let mut signs: Vec<usize> = (1..length.signs()).map(|_| random_sign()).collect();
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

/// A code as it is printed, in two halves. What is no code of ours stays as it is: codes that were
/// imported have forms of their own.
pub fn printed(code: &str) -> String {
    match CodeLength::of(code.len()).filter(|_| code.is_ascii()) {
        Some(length) => {
            let (first, second) = code.split_at(length.signs() / 2);
            format!("{first}-{second}")
        }
        None => code.to_owned(),
    }
}

/// A code as it is stored, from what somebody typed: any case, dashes and spaces as they come.
/// None if it cannot be one of ours, so that a typing mistake costs no attempt.
pub fn read_code(typed: &str) -> Option<String> {
    let code: String = typed
        .chars()
        .filter(|sign| !matches!(sign, ' ' | '-'))
        .map(|sign| sign.to_ascii_uppercase())
        .collect();
    CodeLength::of(code.len())?;
    let signs: Vec<usize> = code
        .bytes()
        .map(|byte| ALPHABET.iter().position(|known| *known == byte))
        .collect::<Option<_>>()?;
    let (check, signs) = signs.split_last()?;
    (check_sign(signs) == *check).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [CodeLength; 2] = [CodeLength::Eight, CodeLength::Ten];

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        for length in LENGTHS {
            let code = new_code(length);
            assert_eq!(code.len(), length.signs());
            let typed = format!(" {} {}", code[..4].to_lowercase(), &code[4..]);
            assert_eq!(read_code(&typed), Some(code.clone()));
            assert_eq!(read_code(&printed(&code)), Some(code));
        }
        assert_eq!(printed("23456789AB"), "23456-789AB");
        assert_eq!(printed("WIFI-2024"), "WIFI-2024");
    }

    #[test]
    fn every_single_mistake_and_every_exchange_is_noticed() {
        for length in LENGTHS {
            let code = new_code(length);
            for place in 0..code.len() {
                for sign in ALPHABET {
                    let mut wrong = code.clone().into_bytes();
                    if wrong[place] != *sign {
                        wrong[place] = *sign;
                        assert_eq!(read_code(&String::from_utf8(wrong).unwrap()), None);
                    }
                }
            }
            for (place, other) in (0..code.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let mut wrong = code.clone().into_bytes();
                wrong.swap(place, other);
                let wrong = String::from_utf8(wrong).unwrap();
                assert!(wrong == code || read_code(&wrong).is_none(), "{code} {wrong}");
            }
        }
    }

    #[test]
    fn codes_grow_with_the_number_of_those_that_can_be_guessed() {
        assert_eq!(CodeLength::among(10_000), CodeLength::Eight);
        assert_eq!(CodeLength::among(10_001), CodeLength::Ten);
    }
}
