//! The model that a request's body names, the body left as it is.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};
use http_body::Body;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt as _};
use tokio_util::io::StreamReader;

use super::find::{Finder, Told};
use crate::{BoxError, auth::ReplayBody};

/// As much as is unpacked at a time.
const PIECE_BYTES: usize = 8 << 10;

/// Reads a body as far as the model that it names, `limit_bytes` at most, packed and unpacked. What
/// was read is sent on before the rest.
///
/// # Errors
/// Those of the body, kept for whoever reads it next: a body that breaks off names no model.
pub(super) async fn model_of<B>(
    headers: &HeaderMap,
    body: B,
    limit_bytes: usize,
) -> Result<(Option<String>, ReplayBody<B>), BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin,
{
    let mut body = ReplayBody::unread(body);
    let mut broken = None;
    let pieces = stream::unfold((&mut body, &mut broken), |(body, broken)| async move {
        match body.read_more(limit_bytes).await {
            Ok(piece) => piece.map(|piece| (Ok::<_, std::io::Error>(piece), (body, broken))),
            Err(error) => {
                *broken = Some(error);
                None
            }
        }
    });
    let plain = StreamReader::new(Box::pin(pieces));
    let model = match unpacked(headers.get(CONTENT_ENCODING), plain) {
        Some(plain) => look(plain, limit_bytes).await,
        None => None,
    };
    match broken {
        Some(error) => Err(error),
        None => Ok((model, body)),
    }
}

async fn look(mut plain: impl AsyncRead + Unpin, limit_bytes: usize) -> Option<String> {
    let mut finder = Finder::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = limit_bytes;
    while left > 0 {
        // What does not unpack is told by whoever has to read all of it.
        let length = plain.read(&mut piece).await.ok().filter(|it| *it > 0)?;
        if let Told::Model(model) = finder.push(&piece[..length]) {
            return model;
        }
        left = left.saturating_sub(length);
    }
    None
}

/// Nothing for an encoding that nobody knows here.
#[cfg(feature = "server")]
fn unpacked<'a>(
    encoding: Option<&HeaderValue>,
    packed: impl AsyncBufRead + Send + Unpin + 'a,
) -> Option<Box<dyn AsyncRead + Send + Unpin + 'a>> {
    use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};

    Some(match encoding.map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Box::new(packed),
        Some(b"zstd") => Box::new(ZstdDecoder::new(packed)),
        Some(b"gzip") => Box::new(GzipDecoder::new(packed)),
        Some(b"br") => Box::new(BrotliDecoder::new(packed)),
        Some(b"deflate") => Box::new(ZlibDecoder::new(packed)),
        Some(_) => return None,
    })
}

/// What unpacks comes with the server.
#[cfg(not(feature = "server"))]
fn unpacked<'a>(
    encoding: Option<&HeaderValue>,
    packed: impl AsyncBufRead + Send + Unpin + 'a,
) -> Option<impl AsyncRead + Send + Unpin + 'a> {
    matches!(
        encoding.map(HeaderValue::as_bytes),
        None | Some(b"identity")
    )
    .then_some(packed)
}
