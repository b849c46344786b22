//! Documents: bytes in, bytes out. Knows where a signature sits, not what it says.

pub mod appearance;
pub mod pdf;
pub mod png;
pub mod pool;
