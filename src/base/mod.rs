//! Words that everyone uses: time, chance, typed ids, secrets, refusals.

pub mod clock;
pub mod credit_code;
pub mod entropy;
pub mod failpoint;
pub mod folder;
pub mod id;
pub mod meter;
pub mod plain_file;
pub mod refusal;
pub mod secret;
pub mod text;

pub use clock::Clock;
pub use credit_code::CreditCode;
pub use entropy::Entropy;
pub use refusal::Refusal;
pub use secret::Secret;
pub use yinxin_pki::time::Timestamp;
