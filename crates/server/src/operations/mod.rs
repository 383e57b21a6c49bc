//! One file per use case. An operation is a transaction: it reads, lets the domain decide, and
//! writes everything that follows together. It never talks to a router, a person or a provider;
//! it leaves enforcements and jobs for those who do.

pub mod accept_payment;
pub mod act_on_grant;
pub mod add_customer;
pub mod add_plan;
pub mod add_router;
pub mod add_token;
pub mod asked;
pub mod change_customer;
pub mod change_grant;
pub mod change_plan;
pub mod change_router;
pub mod change_tenant;
pub mod clean_up;
pub mod diagnose;
pub mod end_due_grants;
pub mod find_customer;
pub mod found_tenant;
pub mod import;
pub mod install_grants;
pub mod issue_vouchers;
pub mod keep_freeradius_rows;
pub mod nases;
pub mod note_backup;
pub mod note_reports;
pub mod note_router;
pub mod open_service;
pub mod read_freeradius_sessions;
pub mod record_outcomes;
pub mod record_presence;
pub mod retry_job;
pub mod run_task;
pub mod settle_job;
pub mod webhook;
