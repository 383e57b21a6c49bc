//! What customers are told, and how it leaves the house. A message is a job; the job makes the
//! text at the moment of sending, in the tenant's name and the customer's language.

pub mod notice;
pub mod sender;
pub mod templates;

/// The kind of job that sends a notice.
pub const JOB: &str = "notice";
