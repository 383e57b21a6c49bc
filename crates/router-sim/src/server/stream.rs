//! Owns a connection's bytes, plain or encrypted, and the faults that happen to bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::faults::Faults;

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Ends the connection as a crash would: with a reset instead of a farewell.
    pub(crate) fn reset(self) {
        let socket = match &self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        // If it cannot be set the connection ends politely; the peer still sees its end.
        let _ = socket.set_zero_linger();
    }

    /// Writes a reply with whatever is wrong with replies now. `Ok(false)`: it was cut, reset now.
    pub(crate) async fn send(&mut self, mut bytes: &[u8], faults: &Faults) -> io::Result<bool> {
        let (delay, piece) = {
            let plan = faults.now();
            (plan.delay, plan.piece)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let cut = faults.take_cut().map(|at| at.min(bytes.len()));
        if let Some(at) = cut {
            bytes = &bytes[..at];
        }
        for part in bytes.chunks(piece.unwrap_or(usize::MAX)) {
            self.write_all(part).await?;
            if piece.is_some() {
                self.flush().await?;
            }
        }
        self.flush().await?;
        Ok(cut.is_none())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
