//! What a router says by its API, cut anywhere: the same sentences come out however it is cut, they
//! are written as they were read, and a length that a router invents reserves nothing.
#![no_main]
#![allow(dead_code, reason = "the codec is compiled alone, without the client that uses it")]

#[path = "../../crates/routeros/src/sentence.rs"]
mod sentence;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use sentence::{CodecError, Decoder, Sentence, encode};

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Sentence>, Result<(), CodecError>) {
    let (mut decoder, mut sentences) = (Decoder::with_limit(4_096), Vec::new());
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(sentence)) => sentences.push(sentence),
                Ok(None) => break,
                Err(error) => return (sentences, Err(error)),
            }
        }
    }
    (sentences, Ok(()))
}

fuzz_target!(|octets: &[u8]| {
    let Some((cut, stream)) = octets.split_first() else { return };
    let (whole, end) = read(std::iter::once(stream));
    let (cut_up, same_end) = read(stream.chunks(usize::from(*cut).max(1)));
    assert_eq!((&whole, &end), (&cut_up, &same_end));
    let size: usize = whole.iter().map(Sentence::size).sum();
    assert!(size <= stream.len());
    let mut written = BytesMut::new();
    for sentence in &whole {
        assert!(!sentence.command().is_empty());
        let _ = (sentence.tag(), sentence.queries().count());
        for (name, value) in sentence.attributes() {
            assert!(name.len() + value.len() <= sentence.size());
        }
        encode(sentence.words(), &mut written);
    }
    let (again, end) = read(std::iter::once(&written[..]));
    assert_eq!((again, end), (whole, Ok(())));
});
