//! Any bytes as a request for a time stamp, as an answer, and as a token.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin_pki::tsp::{Request, Response, Token, TstInfo};

fuzz_target!(|bytes: &[u8]| {
    let _ = (Response::parse(bytes), TstInfo::parse(bytes));
    let token = Token::parse(bytes);
    let Ok(request) = Request::parse(bytes) else { return };
    assert_eq!(Request::parse(&request.to_der()).unwrap(), request);
    if let Ok(token) = token {
        let _ = token.answers(&request);
    }
});
