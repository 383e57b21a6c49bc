//! How the domain's values stand in a column: ids and instants as integers, the rest as words.

use crate::stored_as;
use lango_domain::ids::{
    ActivityId, BatchId, CustomerId, DeliveryId, DeviceId, GatewayId, GrantId, Id, InboxId, JobId,
    MessageId, MoneyId, PaymentId, PlanId, PostingId, ResellerId, RouterId, SenderId, SessionId,
    TaskId, TenantId, TokenId, UserId, WebhookId,
};
use lango_domain::language::Language;
use lango_domain::mac_address::MacAddress;
use lango_domain::money::Currency;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::quantity::DataSize;
use lango_domain::role::Role;
use lango_domain::time::{Span, Timestamp};
use lango_domain::{access::GrantKind, calendar::Zone};

macro_rules! ids {
    ($($kind:ty),*) => { $(
        stored_as!($kind: i64, |raw| Some(<$kind>::from_raw(raw)), |id| id.raw());
    )* };
}
ids!(
    ActivityId, BatchId, CustomerId, DeliveryId, DeviceId, GatewayId, GrantId, InboxId, JobId,
    MessageId, MoneyId, PaymentId, PlanId, PostingId, ResellerId, RouterId, SenderId, SessionId,
    TaskId, TenantId, TokenId, UserId, WebhookId
);

stored_as!(Timestamp: i64, |micros| Some(Timestamp::from_micros(micros)), |at| at.micros());
stored_as!(Span: i64, |micros| Some(Span::from_micros(micros)), |span| span.micros());
stored_as!(DataSize: i64, |bytes| u64::try_from(bytes).ok().map(DataSize::bytes),
    |size| i64::try_from(size.as_bytes()).unwrap_or(i64::MAX));
stored_as!(Currency: String, |code| code.parse().ok(), |currency| currency.code());
stored_as!(Country: String, |code| code.parse().ok(), |country| country.code());
stored_as!(Language: String, |code| code.parse().ok(), |language| language.code());
stored_as!(Role: String, |word| word.parse().ok(), |role| role.word());
stored_as!(Zone: String, |name| name.parse().ok(), |zone| zone.name());
stored_as!(PhoneNumber: String, |text| PhoneNumber::from_e164(&text), |phone| phone.as_str());
stored_as!(MacAddress: String, |text| text.parse().ok(), |mac| mac.to_string());
stored_as!(GrantKind: String,
    |word| GrantKind::ALL.into_iter().find(|kind| kind.word() == word), |kind| kind.word());
