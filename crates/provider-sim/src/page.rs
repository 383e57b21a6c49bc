//! Owns the page at which a person holds a simulated phone: prompts with plain buttons, and texts.
//! Works without any script; reloads itself while nothing is asked.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::Method;

use crate::clock::{EAST_AFRICA, written};
use crate::faults::Faults;
use crate::server::{Answer, Answers, Asked, Listener};
use crate::subscribers::{PromptId, Subscribers, digits};

/// Pages of all phones: `/` lists them, `/phone/MSISDN` is one. Served until dropped.
#[derive(Debug, Clone)]
pub struct PhonePage(Arc<Listener>);

impl PhonePage {
    /// Serves them at `address`; port 0 picks one. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(subscribers: &Subscribers, address: SocketAddr) -> io::Result<PhonePage> {
        let desk = Arc::new(Pages(subscribers.clone()));
        Ok(PhonePage(Arc::new(Listener::start(address, &desk, &Faults::default())?)))
    }

    /// Where it is, such as `http://127.0.0.1:4711`.
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    /// The page of one phone.
    pub fn url(&self, msisdn: &str) -> String {
        format!("{}/phone/{}", self.base_url(), digits(msisdn))
    }
}

struct Pages(Subscribers);

impl Answers for Pages {
    async fn answer(self: Arc<Self>, asked: Asked) -> Answer {
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        match (asked.method, parts.as_slice()) {
            (Method::GET, [""]) => self.all(),
            (Method::GET, ["phone", msisdn]) => self.phone(&digits(msisdn)),
            (Method::POST, ["phone", msisdn, id, button]) => self.press(msisdn, id, button),
            _ => Answer::html(404, page("No such page", None, "")),
        }
    }
}

impl Pages {
    fn all(&self) -> Answer {
        let mut list = String::from("<ul>");
        for phone in self.0.phones() {
            let asked = self.0.pending_prompts(&phone).len();
            let _ = write!(list, "<li><a href=\"/phone/{phone}\">{phone}</a> ({asked})</li>");
        }
        list.push_str("</ul>");
        Answer::html(200, page("Phones", Some(3), &list))
    }

    fn phone(&self, msisdn: &str) -> Answer {
        let mut content = String::new();
        let prompts = self.0.pending_prompts(msisdn);
        for prompt in &prompts {
            let _ = write!(
                content,
                "<fieldset><p>Do you want to pay <b>{}</b> to {} for account {}?</p>",
                escaped(&prompt.amount.to_string()),
                escaped(&prompt.payee),
                escaped(&prompt.reference)
            );
            for (button, label) in BUTTONS {
                let _ = write!(
                    content,
                    "<form method=\"post\" action=\"/phone/{msisdn}/{}/{button}\">\
                     <button>{label}</button></form> ",
                    prompt.id.0
                );
            }
            content.push_str("</fieldset>");
        }
        if prompts.is_empty() {
            content.push_str("<p>Nothing is asked.</p>");
        }
        for text in self.0.inbox(msisdn).iter().rev() {
            let at = written(text.at_micros, EAST_AFRICA, "%H:%M:%S");
            let (from, text) = (escaped(&text.from), escaped(&text.text));
            let _ = write!(content, "<blockquote><b>{from}</b> {at}<br>{text}</blockquote>");
        }
        // A page that reloads would take the buttons away under somebody's finger.
        let reload = prompts.is_empty().then_some(2);
        Answer::html(200, page(&format!("Phone {msisdn}"), reload, &content))
    }

    fn press(&self, msisdn: &str, id: &str, button: &str) -> Answer {
        let own = self.0.pending_prompts(msisdn);
        let asked = own.into_iter().map(|prompt| prompt.id).find(|own| own.0.to_string() == id);
        if let Some(id) = asked {
            self.do_press(id, button);
        }
        let back = format!("/phone/{}", digits(msisdn));
        Answer::html(303, String::new()).with("location", &back)
    }

    fn do_press(&self, id: PromptId, button: &str) {
        match button {
            "approve" => self.0.approve(id),
            "cancel" => self.0.cancel(id),
            _ => self.0.ignore(id),
        };
    }
}

const BUTTONS: [(&str, &str); 3] =
    [("approve", "Approve"), ("cancel", "Cancel"), ("ignore", "Ignore")];

fn page(title: &str, reload: Option<u32>, content: &str) -> String {
    let reload = reload.map_or_else(String::new, |seconds| {
        format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">")
    });
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">{reload}\
         <title>{title}</title><style>body{{font:1.1em sans-serif;max-width:24em;margin:1em auto}}\
         form{{display:inline}}button{{font:inherit;padding:.5em 1em}}</style></head>\
         <body><h1>{title}</h1>{content}</body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
