//! A time stamp over a signature value, asked from the own authority by its protocol, as from any other.

use super::SealService;
use crate::{officer::Caller, seal::error::SealError};
use yinxin_pki::tsp::{Request, Response, Token};

impl SealService {
    /// A token over `value`, the signature's octets (seal.md §1.4). It is only taken if it answers this very request;
    /// whether it holds is judged with the product that carries it.
    pub(super) async fn token_over(&self, value: &[u8], caller: &Caller) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; 16];
        self.0.entropy.fill(&mut nonce);
        let request = Request::of(value, Some(&nonce));
        let reply = self.0.authority.time_stamp(&request.to_der(), caller.now).await;
        let Ok(Response::Granted(token)) = Response::parse(&reply) else {
            return Err(SealError::NoTimeStamp);
        };
        match Token::parse(token) {
            Ok(parsed) if parsed.answers(&request) => Ok(token.to_vec()),
            _ => Err(SealError::NoTimeStamp),
        }
    }
}
