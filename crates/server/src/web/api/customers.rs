//! Customers: who buys.

use crate::operations::add_customer::{AddCustomerError, NewCustomer, add_customer};
use crate::operations::change_customer::{
    ChangeCustomerError, CustomerChange, change_customer, of_tenant, remove_customer,
};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::table::Paged;
use crate::web::api::words::{Field, Line, Whole};
use lango_domain::ids::{CustomerId, TenantId};
use lango_domain::language::Language;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::customers::{self, NamePlace};
use lango_store::{Order, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who buys.
#[derive(Serialize, JsonSchema, Clone, Debug)]
pub(crate) struct Customer {
    id: CustomerId,
    name: String,
    phone: Option<PhoneNumber>,
    /// The language of his messages; null is that of the business
    language: Option<Language>,
    created_at: Timestamp,
    version: i64,
}

impl Shown for Customer {}

impl From<customers::Customer> for Customer {
    fn from(stored: customers::Customer) -> Customer {
        let customers::Customer { id, name, phone, language, created_at, version, .. } = stored;
        Customer { id, name, phone, language, created_at, version }
    }
}

/// Somebody new.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCustomer")]
struct NewCustomerBody {
    name: Line<100>,
    /// As people write it
    phone: Option<Line<30>>,
    language: Option<Language>,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CustomerChange")]
struct CustomerChangeBody {
    name: Option<Line<100>>,
    #[serde(default)]
    phone: Field<Line<30>>,
    #[serde(default)]
    language: Field<Language>,
}

/// Which customers are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct CustomersQuery {
    /// The beginning of a name, or a whole phone number
    search: Option<Line<100>>,
    sort: Option<CustomerSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

/// By what customers are sorted; a minus is backwards.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[schemars(inline)]
enum CustomerSort {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameBackwards,
    #[serde(rename = "created")]
    Created,
    #[serde(rename = "-created")]
    CreatedBackwards,
}

impl Paged for CustomersQuery {
    fn going_on(&self, cursor: Option<String>) -> CustomersQuery {
        CustomersQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

const TAG: &str = "customers";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/customers", "list_customers").about(TAG, "Customers");
    doors.open_list(list, async |ask: Ask<(), CustomersQuery>| page(&ask).await.map(Reply::ok));
    let show =
        Sign::get("/api/v1/customers/{customer}", "show_customer").about(TAG, "One customer");
    doors.open(show, async |ask: Ask<CustomerId>| one(&ask, ask.path).await.map(reply));
    let add = Sign::make("/api/v1/customers", "add_customer")
        .about(TAG, "Add a customer")
        .needs(Permission::Sell);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewCustomerBody>>| {
        let NewCustomerBody { name, phone, language } = &ask.body.0;
        let new = NewCustomer {
            tenant: ask.tenant(),
            name: name.0.clone(),
            phone: phone.as_ref().map(|phone| phone.0.clone()),
            language: *language,
        };
        let customer = add_customer(&ask.here.app, new, ask.by(), ask.now()).await?;
        let location = format!("/api/v1/customers/{}", customer.id);
        Ok(reply(customer).at(location))
    });
    let change = Sign::change("/api/v1/customers/{customer}", "change_customer")
        .about(TAG, "Change a customer")
        .needs(Permission::Sell);
    doors.open(change, async |ask: Ask<CustomerId, NoQuery, Json<CustomerChangeBody>>| {
        let CustomerChangeBody { name, phone, language } = &ask.body.0;
        let change = CustomerChange {
            name: name.as_ref().map(|name| name.0.clone()),
            phone: phone.clone().change().map(|phone| phone.map(|Line(phone)| phone)),
            language: language.clone().change(),
        };
        let (whose, by) = ((ask.tenant(), ask.path), ask.by());
        let changed =
            change_customer(&ask.here.app, whose, change, ask.expected, by, ask.now()).await?;
        Ok(reply(changed))
    });
    let remove = Sign::remove("/api/v1/customers/{customer}", "remove_customer")
        .about(TAG, "Delete a customer who never bought anything")
        .needs(Permission::Manage);
    doors.open(remove, async |ask: Ask<CustomerId>| {
        let (whose, by) = ((ask.tenant(), ask.path), ask.by());
        remove_customer(&ask.here.app, whose, ask.expected, by, ask.now()).await?;
        Ok(Reply::nothing())
    });
}

fn reply(customer: customers::Customer) -> Reply<Customer> {
    let version = customer.version;
    Reply::ok(Customer::from(customer)).version(version)
}

/// One customer of the caller's business.
async fn one<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    id: CustomerId,
) -> Result<customers::Customer, Problem> {
    let tenant = ask.tenant();
    let find = async move |tx: &mut Tx<'_>| of_tenant(tx, tenant, id).await;
    ask.here.app.store().read(find).await?.ok_or_else(|| Problem::missing("customer"))
}

async fn page(ask: &Ask<(), CustomersQuery>) -> Result<Page<Customer>, Problem> {
    if let Some(found) = by_phone(ask).await? {
        return Ok(Page { items: vec![found.into()], next: None });
    }
    let search = ask.query.search.as_ref().map(|search| customers::folded(search.0.trim()));
    match (ask.query.sort.unwrap_or(CustomerSort::Name), search) {
        (CustomerSort::Name, search) => by_name(ask, search, Order::Ascending).await,
        (CustomerSort::NameBackwards, search) => by_name(ask, search, Order::Descending).await,
        (CustomerSort::Created, search) => by_age(ask, search, Order::Ascending).await,
        (CustomerSort::CreatedBackwards, search) => by_age(ask, search, Order::Descending).await,
    }
}

/// Who has exactly the number that was searched for.
async fn by_phone(ask: &Ask<(), CustomersQuery>) -> Result<Option<customers::Customer>, Problem> {
    let Some(search) = &ask.query.search else { return Ok(None) };
    let tenant = super::plans::tenant(ask).await?;
    let Ok(phone) = PhoneNumber::parse(&search.0, tenant.country) else { return Ok(None) };
    let find = async move |tx: &mut Tx<'_>| customers::by_phone(tx, tenant.id, &phone).await;
    Ok(ask.here.app.store().read(find).await?)
}

async fn by_name(
    ask: &Ask<(), CustomersQuery>,
    search: Option<String>,
    order: Order,
) -> Result<Page<Customer>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let place = Place::read("customers by name", order, query.limit, query.cursor.as_deref())?;
    let prefix = search.unwrap_or_default();
    let read = |from: Option<NamePlace>, limit: i64| {
        let store = store.clone();
        let prefix = prefix.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                let from = from.clone();
                match order {
                    Order::Ascending => customers::by_name(tx, tenant, &prefix, from, limit).await,
                    Order::Descending => {
                        customers::by_name_backwards(tx, tenant, &prefix, from, limit).await
                    }
                }
            };
            store.read(read).await
        }
    };
    let key = |row: &customers::Customer| (customers::folded(&row.name), row.id);
    let (rows, next) = walk(&place, true, read, key, |_| true).await?;
    Ok(place.page(rows.into_iter().map(Customer::from).collect(), next))
}

async fn by_age(
    ask: &Ask<(), CustomersQuery>,
    search: Option<String>,
    order: Order,
) -> Result<Page<Customer>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let place = Place::read("customers by age", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<CustomerId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| match order {
                Order::Ascending => customers::by_age(tx, tenant, from, limit).await,
                Order::Descending => customers::by_age_backwards(tx, tenant, from, limit).await,
            };
            store.read(read).await
        }
    };
    let keep = |row: &customers::Customer| {
        search.as_ref().is_none_or(|search| customers::folded(&row.name).starts_with(search))
    };
    let (rows, next) = walk(&place, search.is_none(), read, |row| row.id, keep).await?;
    Ok(place.page(rows.into_iter().map(Customer::from).collect(), next))
}

impl From<AddCustomerError> for Problem {
    fn from(error: AddCustomerError) -> Problem {
        match error {
            AddCustomerError::Phone(_) => Problem::invalid(error.to_string()).at("/phone"),
            AddCustomerError::Known(phone) => {
                Problem::conflict(format!("{phone} belongs to another customer")).at("/phone")
            }
            AddCustomerError::NoName => Problem::invalid(error.to_string()).at("/name"),
            AddCustomerError::Reused(reused) => reused.into(),
            AddCustomerError::Lost(lost) => lost.into(),
            AddCustomerError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeCustomerError> for Problem {
    fn from(error: ChangeCustomerError) -> Problem {
        match error {
            ChangeCustomerError::Lost(lost) => lost.into(),
            ChangeCustomerError::NoName => Problem::invalid(error.to_string()).at("/name"),
            ChangeCustomerError::Phone(_) => Problem::invalid(error.to_string()).at("/phone"),
            ChangeCustomerError::Known(_) => Problem::conflict(error.to_string()).at("/phone"),
            ChangeCustomerError::InTheBooks => Problem::conflict(error.to_string()),
            ChangeCustomerError::Store(error) => error.into(),
        }
    }
}
