//! Officers and their keys.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    // Officers.
    kind(
        "officer/unknown",
        404,
        ["没有此工作人员", "There is no such officer"],
        ["请核对编号；GET /api/v1/officers 列出人员。", "Check the id; GET /api/v1/officers lists officers."],
    ),
    kind(
        "officer/unknown-key",
        404,
        ["没有此密钥", "There is no such API key"],
        [
            "请核对编号；GET /api/v1/officers/{人员}/keys 列出其密钥。",
            "Check the id; GET /api/v1/officers/{officer}/keys lists an officer's keys.",
        ],
    ),
    kind(
        "officer/key-shown-once",
        409,
        ["密钥只显示一次", "The key was made, and its secret shown, before"],
        ["若未收到，请吊销该密钥并另建一个。", "If it did not arrive, revoke that key and make another."],
    ),
    kind(
        "officer/key-replaced",
        409,
        ["该密钥已被更换", "Another key came in the place of this one"],
        ["请使用新密钥；若新密钥遗失，请先吊销它。", "Use the new one; if it was lost, revoke it first."],
    ),
    kind(
        "officer/bad-overlap",
        422,
        ["并行期不符合要求", "Both keys can't be good for so long"],
        ["请取 0 至 168 小时。", "Take 0 to 168 hours."],
    ),
    kind(
        "officer/oneself",
        403,
        ["不得变更本人权限", "Nobody changes their own standing"],
        ["请由另一名安全管理员操作。", "Ask another security administrator."],
    ),
    kind(
        "officer/roles-exclude",
        422,
        ["角色互斥", "These roles exclude each other"],
        [
            "系统管理员、安全管理员、审计员须由不同人员单独担任。",
            "System administrator, security administrator and auditor are held by different persons, each alone.",
        ],
    ),
    kind(
        "officer/bad-name",
        422,
        ["名称不符合要求", "The name can't be taken"],
        ["请使用 1 至 100 个字符的单行文字。", "Use 1 to 100 characters in one line."],
    ),
    kind(
        "officer/bad-expiry",
        422,
        ["有效期不符合要求", "The expiry can't be taken"],
        [
            "有效期须晚于当前时间，且不超过密钥最长有效期。",
            "The expiry lies in the future, and not beyond the longest life of a key.",
        ],
    ),
    kind(
        "officer/wrong-state",
        409,
        ["当前状态不允许此操作", "The present state does not allow this"],
        [
            "请先查询当前状态：在岗者不能再启用，停用者不能再停用。",
            "Look at the present state first: who is on duty is not put on duty again.",
        ],
    ),
    kind(
        "officer/exists",
        409,
        ["已完成初始化", "There are officers already"],
        [
            "首批人员只能建立一次；请由安全管理员添加。",
            "The first officers are made once; a security administrator adds others.",
        ],
    ),
];
