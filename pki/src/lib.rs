//! Mathematics and formats of trust for government platforms: SM2 keys, X.509, electronic seals and stamps
//! (GB/T 38540-2020, GM/T 0031), RFC 3161 tokens, and the report that says what a check found.
//!
//! No I/O, no async, no clock, no database: bytes, instants and randomness are arguments.

pub mod budget;
pub mod cms;
pub mod der;
pub mod judge;
pub mod oid;
pub mod report;
pub mod ses;
pub mod sign;
pub mod sm2;
pub mod sm3;
pub mod time;
pub mod tsp;
pub mod x509;

#[cfg(test)]
mod testing;
