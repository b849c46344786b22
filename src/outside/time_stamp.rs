//! Asking an authority for a time stamp: RFC 3161 over HTTP (its section 3.4).

use super::{Client, Content, OutsideError, Request, Url};
use std::time::Duration;

/// Tokens with a chain of certificates take some kilobytes.
const REPLY_MAX_BYTES: usize = 64 * 1024;

/// Sends a DER `TimeStampReq` and gives back the DER `TimeStampResp`, as received and unjudged.
///
/// # Errors
/// [`OutsideError`] where there is no answer of the right type in time.
pub async fn time_stamp(
    client: &Client,
    url: &Url,
    request: Vec<u8>,
    deadline: Duration,
) -> Result<Vec<u8>, OutsideError> {
    let content = Content { media_type: "application/timestamp-query", bytes: request };
    let request = Request {
        url: url.clone(),
        content: Some(content),
        accept: "application/timestamp-reply",
        answer_max_bytes: REPLY_MAX_BYTES,
        deadline,
    };
    Ok(client.ask(request).await?.bytes.to_vec())
}
