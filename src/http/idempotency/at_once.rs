//! Keys of operations whose effect is one transaction: nothing is reserved before it, nothing settled behind it.

use super::{Arrived, IdempotencyKey, KEPT_FOR_MS, Turn, Unreserved, settle, store};
use crate::{
    http::{Problem, table::Kit},
    officer::Caller,
};
use axum::{extract::Request, middleware::Next, response::Response};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Does the work, with the key written by it; or, where that was refused and the key is known, what the key says.
pub(in crate::http) async fn run(
    kit: &Kit,
    operation: &'static str,
    caller: &Caller,
    name: String,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let arrived = Arrived::read(operation, caller, name, request).await?;
    let whole = Arc::new(Unreserved {
        operation,
        body_sm3: arrived.body_sm3,
        expires_at: caller.now.plus_ms(KEPT_FOR_MS),
        is_written: AtomicBool::new(false),
    });
    let key = IdempotencyKey { unreserved: Some(whole.clone()), ..arrived.key(kit) };
    let response = next.clone().run(arrived.request(&key)).await;
    if response.status().is_success() {
        if !whole.is_written.load(Ordering::Relaxed) {
            tracing::error!(name: "http.key_unwritten", operation, "a command made something and did not write its idempotency key down");
        }
        return Ok(response);
    }
    // A refusal may be the work of an earlier request with this key: "there is one already". Overload and faults are not.
    if !response.status().is_client_error()
        || !kit.store.read(async |rx| store::is_known(rx, &key).await).await?
    {
        return Ok(response);
    }
    match arrived.reserve(kit).await? {
        Turn::Replay(replayed) => Ok(replayed),
        // Its time is over, or its answer was not stored: as for any other operation.
        Turn::Work(request, reserved) => {
            let response = next.run(*request).await;
            Ok(settle(reserved, response).await)
        }
    }
}
