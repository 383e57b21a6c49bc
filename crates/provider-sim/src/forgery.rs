//! What somebody writes who is not the provider, has read about its format and knows no key.

/// A forged callback: it says that money came which did not, or which came otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgery {
    /// All is right but the last part of the URL's path.
    WrongToken,
    /// The id of a request that was never made.
    WrongRequest,
    /// Another amount, in whole units.
    WrongAmount(i64),
    /// Everything that can be known is right, but nobody has paid.
    Unpaid,
}

impl Forgery {
    /// Where it is sent instead of there.
    pub(crate) fn url(&self, url: &str) -> String {
        match (self, url.rsplit_once('/')) {
            (Forgery::WrongToken, Some((before, _))) => {
                format!("{before}/guessed{}", fastrand::u64(..))
            }
            _ => url.to_owned(),
        }
    }
}
