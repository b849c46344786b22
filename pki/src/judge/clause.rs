//! Which rule each check follows. Clauses of the national standards are cited only as far as `seal.md` §2.2 has them.

use crate::{report::CheckId, ses::Version};

/// The clause of a check over a stamp.
pub(super) fn stamp(version: Version, id: CheckId) -> &'static str {
    match (version, id) {
        (Version::V1, _) => "GM/T 0031-2014",
        (Version::V5, _) => "GM/T 0031-2025",
        (Version::V4, CheckId::SealFormat) => "GB/T 38540-2020 7.3 a",
        (Version::V4, CheckId::StampSignature) => "GB/T 38540-2020 7.3 b",
        (Version::V4, CheckId::SignerInSeal) => "GB/T 38540-2020 7.3 c",
        (Version::V4, CheckId::Seal) => "GB/T 38540-2020 7.3 d",
        (Version::V4, CheckId::SignerCertificate) => "GB/T 38540-2020 7.3 e",
        (Version::V4, CheckId::SigningTime) => "GB/T 38540-2020 7.3 f",
        (Version::V4, CheckId::DocumentDigest) => "GB/T 38540-2020 7.3 g",
        (Version::V4, CheckId::TimeStamp) => "GB/T 38540-2020 7.3 h",
    }
}

/// The clause of a check over a bare seal.
pub(super) fn seal(version: Version) -> &'static str {
    match version {
        Version::V1 => "GM/T 0031-2014",
        Version::V4 => "GB/T 38540-2020",
        Version::V5 => "GM/T 0031-2025",
    }
}

/// The clause of a check over signed data.
pub(super) fn signed(gm: bool, id: CheckId) -> &'static str {
    match id {
        CheckId::StampSignature if gm => "GB/T 35275",
        CheckId::StampSignature => "RFC 5652 5.6",
        CheckId::SignerCertificate => "RFC 5280 6.1",
        CheckId::SigningTime => "RFC 5652 11.3",
        CheckId::DocumentDigest => "RFC 5652 5.4",
        CheckId::TimeStamp => "RFC 3161 Appendix A",
        CheckId::SealFormat | CheckId::SignerInSeal | CheckId::Seal => "",
    }
}

/// The clause of a check over a time-stamp token.
pub(super) fn token(id: CheckId) -> &'static str {
    match id {
        CheckId::StampSignature => "RFC 5652 5.6",
        CheckId::SignerCertificate => "RFC 3161 2.3",
        _ => "RFC 3161 2.4.2",
    }
}
