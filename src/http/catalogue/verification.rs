//! Verification.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[kind(
    "verification/unknown",
    404,
    ["没有此检验报告", "No report is kept under this id"],
    [
        "请检查编号；只有检验员的报告会被保留。",
        "Check the id; only reports that verifiers asked for are kept.",
    ],
)];
