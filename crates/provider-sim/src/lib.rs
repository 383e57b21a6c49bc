//! Simulated payment providers and gateways on real sockets, and the phones of the people behind
//! them. Speaks their wire formats, takes the money or does not, brings the text or does not, and
//! keeps the truth apart from what it tells. Knows the providers' rules and nobody's product.

mod agenda;
pub mod airtel;
mod charges;
pub mod clickpesa;
mod clock;
pub mod daraja;
mod faults;
mod forgery;
pub mod gateways;
mod mail;
pub mod momo;
mod money;
mod page;
mod post;
mod server;
mod signature;
mod subscribers;

pub use airtel::AirtelMoney;
pub use clickpesa::ClickPesa;
pub use clock::{Clock, FastClock, ManualClock, SystemClock};
pub use daraja::Daraja;
pub use faults::{ALWAYS, CallbackFault, Disturbance, Faults, RequestFault};
pub use forgery::Forgery;
pub use gateways::{Gateway, SmsGateways, TextFault};
pub use mail::{Mail, MailSink};
pub use momo::MobileMoney;
pub use money::{Amount, Transaction, Way};
pub use page::PhonePage;
pub use post::Delivery;
pub use subscribers::{Owner, Prompt, PromptId, Subscribers, Text};
