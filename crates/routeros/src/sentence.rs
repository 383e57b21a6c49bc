//! The wire form of the binary API: words, sentences and nothing else.
//!
//! Owns the length prefix and the splitting of a byte stream into sentences, for both ends of the
//! wire. Does no I/O, keeps no session state and never trusts a length it has not checked: a peer
//! that sends rubbish gets a [`CodecError`], never a panic and never unbounded memory.
//! (MikroTik manual, "API", sections "API words" and "API sentences".)

use bytes::{Buf, BytesMut};

/// The longest word a [`Decoder`] takes unless told otherwise.
pub const MAX_WORD: usize = 16 * 1024 * 1024;

/// The longest sentence: a word of the full size and as much again for its neighbours.
const MAX_SENTENCE: usize = 2 * MAX_WORD;

/// More words than any menu has properties or any sane query has terms.
const MAX_WORDS: usize = 65_536;

/// Why a byte stream is not (or no longer) a stream of sentences. The connection is lost: there
/// is no way to find the next sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The manual reserves first bytes from F8 up for control bytes that nobody has defined.
    #[error("reserved control byte {0:#04x} where a word length was expected")]
    ReservedByte(u8),
    /// A word longer than the decoder's limit was announced.
    #[error("a word of {announced} bytes was announced, the limit is {limit}")]
    WordTooLong {
        /// What the length prefix said.
        announced: usize,
        /// What this decoder takes.
        limit: usize,
    },
    /// Words kept coming without the empty word that ends a sentence.
    #[error("a sentence grew past {0} bytes or {MAX_WORDS} words without an end")]
    SentenceTooLong(usize),
}

/// Writes the length prefix of a word.
pub fn encode_length(length: usize, out: &mut BytesMut) {
    let length = u32::try_from(length).expect("a word is shorter than the 4 GiB the wire allows");
    let [a, b, c, d] = length.to_be_bytes();
    match length {
        0..0x80 => out.extend_from_slice(&[d]),
        0x80..0x4000 => out.extend_from_slice(&[c | 0x80, d]),
        0x4000..0x20_0000 => out.extend_from_slice(&[b | 0xC0, c, d]),
        0x20_0000..0x1000_0000 => out.extend_from_slice(&[a | 0xE0, b, c, d]),
        _ => out.extend_from_slice(&[0xF0, a, b, c, d]),
    }
}

/// Writes one word. An empty word ends the sentence, see [`encode_end`].
pub fn encode_word(word: &[u8], out: &mut BytesMut) {
    encode_length(word.len(), out);
    out.extend_from_slice(word);
}

/// Writes the word `=name=value` without building it first.
pub fn encode_attribute(name: &[u8], value: &[u8], out: &mut BytesMut) {
    encode_length(name.len() + value.len() + 2, out);
    out.extend_from_slice(b"=");
    out.extend_from_slice(name);
    out.extend_from_slice(b"=");
    out.extend_from_slice(value);
}

/// Ends the sentence that the words before it belong to.
pub fn encode_end(out: &mut BytesMut) {
    out.extend_from_slice(&[0]);
}

/// Writes a whole sentence. Empty words are left out: on the wire they would end it early.
pub fn encode<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>, out: &mut BytesMut) {
    for word in words {
        if !word.as_ref().is_empty() {
            encode_word(word.as_ref(), out);
        }
    }
    encode_end(out);
}

/// A received sentence: at least one word, none of them empty, all of them raw bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Sentence {
    bytes: Box<[u8]>,
    /// End of each word in `bytes`; words lie back to back.
    ends: Box<[u32]>,
}

impl Sentence {
    /// The first word: `/ip/hotspot/user/print`, `!re`, `!done`.
    pub fn command(&self) -> &[u8] {
        self.words().next().unwrap_or_default()
    }

    /// All words, the command first.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let word = &self.bytes[start..*end as usize];
            start = *end as usize;
            word
        })
    }

    /// Name and value of every `=name=value` word, in the order sent. The value is everything
    /// behind the second `=`; a word without one has an empty value.
    pub fn attributes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.words().filter_map(split_attribute)
    }

    /// The value of the first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&[u8]> {
        self.attributes().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// The `.tag=` word's value, wherever in the sentence it stands.
    pub fn tag(&self) -> Option<&[u8]> {
        self.words().skip(1).find_map(|word| word.strip_prefix(b".tag="))
    }

    /// Every query word without its `?`, in the order sent (which matters).
    pub fn queries(&self) -> impl Iterator<Item = &[u8]> {
        self.words().skip(1).filter_map(|word| word.strip_prefix(b"?"))
    }

    /// How many payload bytes the sentence holds.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl std::fmt::Debug for Sentence {
    /// Only the command: sentences carry passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let command = String::from_utf8_lossy(self.command());
        write!(f, "Sentence({command}, {} words)", self.ends.len())
    }
}

/// Splits `=name=value` at its second `=`; `None` for any other word.
pub(crate) fn split_attribute(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = word.strip_prefix(b"=")?;
    match rest.iter().position(|byte| *byte == b'=') {
        Some(equals) => Some((&rest[..equals], &rest[equals + 1..])),
        None => Some((rest, &[])),
    }
}

/// Turns a stream of bytes, however it is cut, into sentences.
///
/// Feed it with [`Decoder::feed`] (or read straight into [`Decoder::buffer`]), then call
/// [`Decoder::next`] until it has no more.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    payload: Vec<u8>,
    ends: Vec<u32>,
    limit: usize,
    broken: Option<CodecError>,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder that takes words up to [`MAX_WORD`].
    pub fn new() -> Decoder {
        Decoder::with_limit(MAX_WORD)
    }

    /// A decoder that takes words up to `limit` bytes (a server before login takes little).
    pub fn with_limit(limit: usize) -> Decoder {
        let limit = limit.min(MAX_WORD);
        Decoder {
            buffer: BytesMut::new(),
            payload: Vec::new(),
            ends: Vec::new(),
            limit,
            broken: None,
        }
    }

    /// Changes the limit for the words to come.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(MAX_WORD);
    }

    /// Appends received bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Where received bytes may be appended without a copy.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether the stream stands in the middle of a sentence: an end of stream now cuts it.
    pub fn is_mid_sentence(&self) -> bool {
        !self.buffer.is_empty() || !self.ends.is_empty()
    }

    /// The next complete sentence, `None` when more bytes are needed. Empty sentences are
    /// skipped. After an error every further call returns the same error.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be over at None")]
    pub fn next(&mut self) -> Result<Option<Sentence>, CodecError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.advance().inspect_err(|error| {
            self.broken = Some(error.clone());
            self.buffer.clear();
        })
    }

    fn advance(&mut self) -> Result<Option<Sentence>, CodecError> {
        while let Some((prefix, length)) = decode_length(&self.buffer)? {
            if length > self.limit {
                return Err(CodecError::WordTooLong { announced: length, limit: self.limit });
            }
            if self.buffer.len() < prefix + length {
                return Ok(None);
            }
            self.buffer.advance(prefix);
            if length > 0 {
                self.take_word(length)?;
            } else if !self.ends.is_empty() {
                return Ok(Some(self.finish()));
            }
        }
        Ok(None)
    }

    fn take_word(&mut self, length: usize) -> Result<(), CodecError> {
        if self.payload.len() + length > MAX_SENTENCE || self.ends.len() == MAX_WORDS {
            return Err(CodecError::SentenceTooLong(MAX_SENTENCE));
        }
        self.payload.extend_from_slice(&self.buffer[..length]);
        self.buffer.advance(length);
        let end = u32::try_from(self.payload.len()).expect("MAX_SENTENCE fits 32 bits");
        self.ends.push(end);
        Ok(())
    }

    fn finish(&mut self) -> Sentence {
        let sentence =
            Sentence { bytes: self.payload.as_slice().into(), ends: self.ends.as_slice().into() };
        self.payload.clear();
        self.ends.clear();
        self.payload.shrink_to(64 * 1024);
        sentence
    }
}

/// Length of the prefix and the length it announces, `None` when the prefix is incomplete.
fn decode_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, CodecError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (prefix, high) = match first {
        0x00..0x80 => (1, first),
        0x80..0xC0 => (2, first & 0x3F),
        0xC0..0xE0 => (3, first & 0x1F),
        0xE0..0xF0 => (4, first & 0x0F),
        0xF0..0xF8 => (5, 0),
        _ => return Err(CodecError::ReservedByte(first)),
    };
    if bytes.len() < prefix {
        return Ok(None);
    }
    let length = bytes[1..prefix]
        .iter()
        .fold(usize::from(high), |length, byte| (length << 8) | usize::from(*byte));
    Ok(Some((prefix, length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(length: usize) -> Vec<u8> {
        let mut out = BytesMut::new();
        encode_length(length, &mut out);
        out.to_vec()
    }

    fn sentence_words(sentence: &Sentence) -> Vec<Vec<u8>> {
        sentence.words().map(<[u8]>::to_vec).collect()
    }

    fn decode_all(decoder: &mut Decoder) -> Vec<Vec<Vec<u8>>> {
        std::iter::from_fn(|| decoder.next().unwrap()).map(|s| sentence_words(&s)).collect()
    }

    #[test]
    fn a_length_uses_the_shortest_prefix_at_every_boundary() {
        let vectors: [(usize, &[u8]); 10] = [
            (0, &[0]),
            (0x7F, &[0x7F]),
            (0x80, &[0x80, 0x80]),
            (0x3FFF, &[0xBF, 0xFF]),
            (0x4000, &[0xC0, 0x40, 0x00]),
            (0x1F_FFFF, &[0xDF, 0xFF, 0xFF]),
            (0x20_0000, &[0xE0, 0x20, 0x00, 0x00]),
            (0x0FFF_FFFF, &[0xEF, 0xFF, 0xFF, 0xFF]),
            (0x1000_0000, &[0xF0, 0x10, 0x00, 0x00, 0x00]),
            (0xFFFF_FFFF, &[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]),
        ];
        for (length, bytes) in vectors {
            assert_eq!(prefix(length), bytes, "prefix of {length:#x}");
            assert_eq!(decode_length(bytes), Ok(Some((bytes.len(), length))));
            assert_eq!(decode_length(&bytes[..bytes.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn a_word_of_each_prefix_size_survives_the_wire() {
        for length in [1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000] {
            let word = vec![b'x'; length];
            let mut wire = BytesMut::new();
            encode([b"!re".as_slice(), &word], &mut wire);
            let mut decoder = Decoder::new();
            decoder.feed(&wire);
            assert_eq!(decode_all(&mut decoder), [[b"!re".to_vec(), word]]);
        }
    }

    #[test]
    fn a_reserved_first_byte_ends_the_stream_for_good() {
        for byte in 0xF8..=0xFF {
            let mut decoder = Decoder::new();
            decoder.feed(&[byte]);
            assert_eq!(decoder.next(), Err(CodecError::ReservedByte(byte)));
            decoder.feed(&[3, b'!', b'r', b'e', 0]);
            assert_eq!(decoder.next(), Err(CodecError::ReservedByte(byte)));
        }
    }

    #[test]
    fn a_word_over_the_limit_is_refused_before_it_arrives() {
        let mut decoder = Decoder::with_limit(1024);
        decoder.feed(&prefix(1025));
        assert_eq!(decoder.next(), Err(CodecError::WordTooLong { announced: 1025, limit: 1024 }));
    }

    #[test]
    fn a_sentence_that_never_ends_is_refused() {
        let mut decoder = Decoder::new();
        let word = [1, b'x'].repeat(MAX_WORDS + 1);
        decoder.feed(&word);
        assert!(matches!(decoder.next(), Err(CodecError::SentenceTooLong(_))));
    }

    #[test]
    fn empty_sentences_are_ignored() {
        let mut decoder = Decoder::new();
        decoder.feed(&[0, 0, 5, b'!', b'd', b'o', b'n', b'e', 0, 0]);
        assert_eq!(decode_all(&mut decoder), [[b"!done".to_vec()]]);
        assert!(!decoder.is_mid_sentence());
    }

    #[test]
    fn attributes_tag_and_queries_are_found_wherever_they_stand() {
        let mut wire = BytesMut::new();
        encode(
            ["/x/print", "=a=1=2\r\n", ".tag=7", "?b", "=flag=", "?-c=3", "?#|", "=bare"],
            &mut wire,
        );
        let mut decoder = Decoder::new();
        decoder.feed(&wire);
        let sentence = decoder.next().unwrap().unwrap();
        assert_eq!(sentence.command(), b"/x/print");
        assert_eq!(sentence.attribute("a"), Some(b"1=2\r\n".as_slice()));
        assert_eq!(sentence.attribute("flag"), Some(b"".as_slice()));
        assert_eq!(sentence.attribute("bare"), Some(b"".as_slice()));
        assert_eq!(sentence.attribute("b"), None);
        assert_eq!(sentence.tag(), Some(b"7".as_slice()));
        assert_eq!(sentence.queries().collect::<Vec<_>>(), [b"b".as_slice(), b"-c=3", b"#|"]);
    }

    #[test]
    fn a_sentence_does_not_print_its_secrets() {
        let mut wire = BytesMut::new();
        encode(["/login", "=name=a", "=password=hush"], &mut wire);
        let mut decoder = Decoder::new();
        decoder.feed(&wire);
        assert!(!format!("{:?}", decoder.next()).contains("hush"));
    }

    fn sentences() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
        let word = proptest::collection::vec(any::<u8>(), 1..300);
        proptest::collection::vec(proptest::collection::vec(word, 1..6), 1..6)
    }

    proptest! {
        #[test]
        fn any_split_of_the_stream_gives_the_same_sentences(
            sent in sentences(),
            cuts in proptest::collection::vec(1_usize..40, 1..20),
        ) {
            let mut wire = BytesMut::new();
            for words in &sent {
                encode(words, &mut wire);
            }
            let mut decoder = Decoder::new();
            let mut got = Vec::new();
            let mut rest: &[u8] = &wire;
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let cut = (*cuts.next().unwrap()).min(rest.len());
                decoder.feed(&rest[..cut]);
                rest = &rest[cut..];
                got.extend(decode_all(&mut decoder));
            }
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut decoder = Decoder::new();
            decoder.feed(&bytes);
            while let Ok(Some(sentence)) = decoder.next() {
                prop_assert!(!sentence.command().is_empty());
                sentence.attributes().for_each(drop);
                let _ = (sentence.tag(), sentence.queries().count());
            }
        }
    }
}
