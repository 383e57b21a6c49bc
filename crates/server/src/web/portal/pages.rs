//! The screens: what stands on each, as plain texts and links, and the template that lays it out.
//! No screen reads a database, decides anything, or holds a script.

use crate::web::portal::sentences::Sentences;
use askama::Template;
use lango_domain::language::Language;

/// What every page has around its screen.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) language: Language,
    pub(crate) say: &'static Sentences,
    pub(crate) title: String,
    pub(crate) business: String,
    pub(crate) help: Option<Help>,
    pub(crate) languages: Vec<LanguageLink>,
    pub(crate) plans: String,
    pub(crate) recover: String,
    pub(crate) terms: String,
    pub(crate) refresh: Option<Refresh>,
    pub(crate) offers_rescue: bool,
    pub(crate) offers_plans: bool,
}

/// A number to call.
#[derive(Clone, Debug)]
pub(crate) struct Help {
    pub(crate) number: String,
    pub(crate) text: String,
}

/// The same page in a language, named in that language.
#[derive(Clone, Debug)]
pub(crate) struct LanguageLink {
    pub(crate) word: &'static str,
    pub(crate) code: &'static str,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// A navigation that happens by itself. Phones look whether they are online after navigations only.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) seconds: u8,
    pub(crate) to: String,
}

/// Something on sale.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) gives: String,
    pub(crate) price: String,
    pub(crate) chosen: bool,
}

/// The field for a code.
#[derive(Clone, Debug)]
pub(crate) struct VoucherForm {
    pub(crate) action: String,
    pub(crate) code: String,
    pub(crate) wrong: Option<String>,
    /// Not the first thing on the page.
    pub(crate) quiet: bool,
}

/// A name and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A sentence, and whether it is the one to read.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) strong: bool,
}

/// A way out.
#[derive(Clone, Debug)]
pub(crate) struct Onward {
    pub(crate) href: String,
    pub(crate) text: String,
}

/// Plans, voucher, everything one can begin with.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/landing.html")]
pub(crate) struct Landing {
    pub(crate) frame: Frame,
    pub(crate) notices: Vec<String>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) buy: String,
    pub(crate) phone: String,
    /// Whose empty field means the phone that paid last.
    pub(crate) phone_known: Option<String>,
    pub(crate) phone_wrong: Option<String>,
    pub(crate) plan_wrong: Option<String>,
    pub(crate) voucher: VoucherForm,
}

/// A code alone; from a printed QR with one button only.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/voucher.html")]
pub(crate) struct VoucherPage {
    pub(crate) frame: Frame,
    pub(crate) voucher: VoucherForm,
    /// Where the button leads while we do not know which site this is.
    pub(crate) onward: Option<String>,
}

/// Money is on its way, or did not come.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/wait.html")]
pub(crate) struct Wait {
    pub(crate) frame: Frame,
    pub(crate) lines: Vec<Line>,
    pub(crate) amount: String,
    pub(crate) plan: String,
    pub(crate) order: String,
    pub(crate) again: Option<String>,
    pub(crate) retry: Option<String>,
}

/// Paid; the router is being told, or the browser is sent there.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/connecting.html")]
pub(crate) struct Connecting {
    pub(crate) frame: Frame,
    pub(crate) text: String,
    pub(crate) code: Option<String>,
    pub(crate) link: Option<String>,
}

/// The router has the session.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/online.html")]
pub(crate) struct Online {
    pub(crate) frame: Frame,
    pub(crate) facts: Vec<Fact>,
    pub(crate) code: Option<String>,
    pub(crate) more_devices: bool,
    pub(crate) onward: Onward,
    pub(crate) status: String,
}

/// What is left, and what one can do with it.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/status.html")]
pub(crate) struct Status {
    pub(crate) frame: Frame,
    pub(crate) notice: Option<String>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) connect: Option<String>,
    pub(crate) renew: String,
    pub(crate) code: Option<String>,
    pub(crate) devices: Vec<String>,
    pub(crate) receipts: Vec<Fact>,
    pub(crate) leave: Option<String>,
}

/// One field for a receipt or a phone.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/recover.html")]
pub(crate) struct Recover {
    pub(crate) frame: Frame,
    pub(crate) action: String,
    pub(crate) what: String,
    pub(crate) wrong: Option<String>,
}

/// A code went to the phone that paid.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/sent.html")]
pub(crate) struct Sent {
    pub(crate) frame: Frame,
    pub(crate) text: String,
    pub(crate) voucher: VoucherForm,
}

/// The access is online elsewhere.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/move.html")]
pub(crate) struct Move {
    pub(crate) frame: Frame,
    pub(crate) devices: Vec<String>,
    pub(crate) action: String,
}

/// What went wrong, what to do, and what to tell on the phone.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/trouble.html")]
pub(crate) struct Trouble {
    pub(crate) frame: Frame,
    pub(crate) text: String,
    pub(crate) again: Option<String>,
    pub(crate) support_code: Option<String>,
}

/// What is agreed on.
#[derive(Clone, Debug, Template)]
#[template(path = "portal/terms.html")]
pub(crate) struct Terms {
    pub(crate) frame: Frame,
    pub(crate) money: String,
}
