use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use axum::body::{Body, HttpBody as _};
use codex_auth::{Backend, RouteHint};
use futures_util::TryStreamExt;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::{ApiError, BoxError, error::find, upstream::is_codex_client};

/// Bounds the body of a request and takes its content encoding off, except where Codex speaks to
/// the ChatGPT backend: that body passes as it is.
pub(super) fn decode(request: Request<Body>, limit_bytes: usize) -> Request<Body> {
    let untouched = passes_untouched(&request);
    let (mut parts, body) = request.into_parts();
    if body.is_end_stream() {
        // Nothing is nothing in any encoding.
        parts.headers.remove(header::CONTENT_ENCODING);
        return Request::from_parts(parts, body);
    }
    let body = Body::new(Limited::new(body.map_err(broken_off), limit_bytes));
    let encoding = parts
        .headers
        .get(header::CONTENT_ENCODING)
        .filter(|_| !untouched);
    let unpacked = match encoding.map(HeaderValue::as_bytes) {
        Some(b"zstd") => unpack(ZstdDecoder::new(reader(body))),
        Some(b"gzip") => unpack(GzipDecoder::new(reader(body))),
        Some(b"br") => unpack(BrotliDecoder::new(reader(body))),
        Some(b"deflate") => unpack(ZlibDecoder::new(reader(body))),
        // An encoding nobody knows is left on: whoever must read the body says so.
        _ => return Request::from_parts(parts, body),
    };
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    // A few bytes can unpack to gigabytes, so the limit holds on both sides.
    Request::from_parts(parts, Body::new(Limited::new(unpacked, limit_bytes)))
}

fn passes_untouched<B>(request: &Request<B>) -> bool {
    let backend = request
        .extensions()
        .get::<RouteHint>()
        .and_then(|hint| hint.backend);
    backend == Some(Backend::ChatGpt) && is_codex_client(request.headers())
}

fn broken_off(error: axum::Error) -> ApiError {
    ApiError::broken_off(error.into_inner().as_ref())
}

type Packed = std::pin::Pin<Box<dyn tokio::io::AsyncBufRead + Send>>;

fn reader(body: Body) -> Packed {
    Box::pin(StreamReader::new(TryStreamExt::map_err(
        body.into_data_stream(),
        std::io::Error::other,
    )))
}

fn unpack(reader: impl AsyncRead + Send + 'static) -> Body {
    let stream = TryStreamExt::map_err(ReaderStream::new(reader), BoxError::from);
    Body::new(Body::from_stream(stream).map_err(|error| blame_client(error.into())))
}

/// Bytes that do not unpack are the client's fault, not the upstream's.
fn blame_client(error: BoxError) -> BoxError {
    if find::<http_body_util::LengthLimitError>(error.as_ref()).is_some() {
        return error;
    }
    let message = "the request body does not match its Content-Encoding";
    ApiError::invalid_request("invalid_content_encoding", message).into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use codex_auth::ProfileRef;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn request(encoding: &str, body: Vec<u8>) -> Request<Body> {
        Request::post("/v1/responses")
            .header(header::CONTENT_ENCODING, encoding)
            .body(Body::from(body))
            .unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        zstd::encode_all(data, 3).unwrap()
    }

    async fn read(request: Request<Body>) -> Result<Bytes, ApiError> {
        let body = request.into_body().collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| ApiError::from_boxed(&error.into()))
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_and_says_so() {
        let decoded = decode(request("zstd", zstd(b"{\"a\":1}")), LIMIT);
        assert!(!decoded.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(read(decoded).await.unwrap(), "{\"a\":1}");
    }

    #[tokio::test]
    async fn codexs_own_body_for_the_chatgpt_backend_is_not_touched() {
        let packed = zstd(b"{}");
        let mut request = request("zstd", packed.clone());
        request
            .headers_mut()
            .insert("originator", "codex_exec".parse().unwrap());
        let hint = RouteHint::profile(ProfileRef::new("work")).with_backend(Backend::ChatGpt);
        request.extensions_mut().insert(hint);
        let passed = decode(request, LIMIT);
        assert_eq!(passed.headers()[header::CONTENT_ENCODING], "zstd");
        assert_eq!(read(passed).await.unwrap(), packed);
    }

    #[tokio::test]
    async fn a_body_that_does_not_unpack_is_the_clients_fault() {
        for encoding in ["zstd", "gzip", "br", "deflate"] {
            let error = read(decode(request(encoding, b"not packed".to_vec()), LIMIT)).await;
            let error = error.unwrap_err();
            assert_eq!(error.status, 400, "{encoding}");
            assert_eq!(
                error.code.as_deref(),
                Some("invalid_content_encoding"),
                "{encoding}"
            );
        }
    }

    #[tokio::test]
    async fn an_empty_body_has_no_encoding() {
        let decoded = decode(request("zstd", Vec::new()), LIMIT);
        assert!(!decoded.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn the_limit_holds_before_and_after_unpacking() {
        let bomb = zstd(&vec![0; 8 * LIMIT]);
        assert!(bomb.len() < LIMIT);
        assert_eq!(
            read(decode(request("zstd", bomb), LIMIT))
                .await
                .unwrap_err()
                .status,
            413
        );
        let large = vec![b' '; LIMIT + 1];
        assert_eq!(
            read(decode(request("identity", large), LIMIT))
                .await
                .unwrap_err()
                .status,
            413
        );
    }
}
