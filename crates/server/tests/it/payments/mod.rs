//! Money: the clients of payment providers against their stand-ins, and what Lango does with what
//! they say, to the phone that is online at the router.

mod desk;
mod given_back;
mod killed;
mod once;
mod providers;
mod purchase;
mod reversed;
mod shop;
