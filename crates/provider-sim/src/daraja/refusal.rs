//! Refusals as Daraja writes them: `requestId`, `errorCode`, `errorMessage`.

use serde_json::json;

use crate::faults::RequestFault;
use crate::server::Answer;

#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: &str) -> Refusal {
        Refusal { status, code, message: message.to_owned() }
    }

    pub(super) fn field(name: &str) -> Refusal {
        Refusal::new(400, "400.002.02", &format!("Bad Request - Invalid {name}"))
    }

    pub(super) fn payload() -> Refusal {
        Refusal::new(400, "400.002.05", "Invalid Request Payload")
    }

    pub(super) fn spike_arrest() -> Refusal {
        Refusal::new(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
    }

    fn body(&self) -> serde_json::Value {
        let id =
            format!("{:04x}-{:04x}-{}", fastrand::u16(..), fastrand::u16(..), fastrand::u32(..));
        json!({ "requestId": id, "errorCode": self.code, "errorMessage": self.message })
    }

    pub(super) fn into_answer(self) -> Answer {
        Answer::json(self.status, &self.body())
    }

    pub(super) fn into_fault(self) -> RequestFault {
        RequestFault::Answer { status: self.status, body: self.body().to_string() }
    }
}
