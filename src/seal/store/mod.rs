//! The only SQL of this room: a file for each table.

pub mod life;
pub mod register;
pub mod stamps;

use yinxin_pki::sm3;

/// 0 … 4095 from SM3 of the owner's id: growing past one database is moving buckets.
fn bucket(owner: &str) -> i64 {
    let digest = sm3::digest(owner);
    i64::from(u16::from_be_bytes([digest[0], digest[1]]) >> 4)
}
