//! Every stable error code, once: its status, its title, and a hint what to do. Each has a page, `/problems/<code>`.
//!
//! A code is never given another meaning; a new case gets a new code. Rooms add theirs here.

/// One code.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// `room/what`: stable, what programs compare.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened, in Chinese.
    pub title_zh: &'static str,
    /// What happened, in English.
    pub title_en: &'static str,
    /// What the reader may do, in Chinese.
    pub hint_zh: &'static str,
    /// What the reader may do, in English.
    pub hint_en: &'static str,
}

const fn kind(code: &'static str, status: u16, title: [&'static str; 2], hint: [&'static str; 2]) -> Kind {
    let ([title_zh, title_en], [hint_zh, hint_en]) = (title, hint);
    Kind { code, status, title_zh, title_en, hint_zh, hint_en }
}

/// The catalogue, by room.
pub const CATALOGUE: &[Kind] = &[
    // The service itself.
    kind(
        "internal",
        500,
        ["服务内部错误", "The service failed"],
        [
            "请稍后重试；若仍失败，请将请求编号告知管理员。",
            "Try again later; if it fails again, give the request id to the administrator.",
        ],
    ),
    kind(
        "service/busy",
        503,
        ["服务繁忙", "The service is busy"],
        ["请按 Retry-After 所示秒数后重试。", "Try again after the seconds that Retry-After says."],
    ),
    kind(
        "service/deadline",
        503,
        ["处理超时", "The request took too long"],
        [
            "结果未知：请用同一幂等键重试，或先查询结果。",
            "The outcome is unknown: repeat with the same idempotency key, or look first.",
        ],
    ),
    kind(
        "service/not-ready",
        503,
        ["服务尚未就绪", "The service is not ready"],
        ["数据库暂不可达，请稍后重试。", "The database can't be reached; try again shortly."],
    ),
    // The shape of a request.
    kind(
        "request/unknown-path",
        404,
        ["没有此地址", "There is nothing at this address"],
        ["请对照 /api/v1/openapi.json 检查地址。", "Compare the address with /api/v1/openapi.json."],
    ),
    kind(
        "request/method-not-allowed",
        405,
        ["此地址不支持该方法", "This address does not take this method"],
        ["请使用 Allow 头所列的方法。", "Use a method that the Allow header lists."],
    ),
    kind(
        "request/malformed",
        400,
        ["请求格式有误", "The request is malformed"],
        ["请按说明更正请求后重发。", "Correct the request as the detail says, then send it again."],
    ),
    kind(
        "request/invalid",
        422,
        ["请求内容不符合要求", "The request can be read, but asks for something impossible"],
        ["请按说明更正相应字段。", "Correct the field that the detail names."],
    ),
    kind(
        "request/unsupported-media-type",
        415,
        ["不支持的内容类型", "This content type is not taken here"],
        ["请使用接口文档所列的 Content-Type。", "Use the Content-Type that the OpenAPI document lists."],
    ),
    kind(
        "request/too-large",
        413,
        ["请求内容过大", "The request is too large"],
        ["请缩小内容；上限见说明。", "Send less; the detail says the limit."],
    ),
    kind(
        "request/too-many",
        429,
        ["请求过于频繁", "Too many requests"],
        [
            "请按 Retry-After 所示秒数后重试；持有密钥的调用方不受此限。",
            "Try again after the seconds that Retry-After says; callers with a key have no such limit.",
        ],
    ),
    // Who asks.
    kind(
        "auth/required",
        401,
        ["需要身份凭据", "An API key is needed"],
        [
            "请在 Authorization 头中以 Bearer 方式提供密钥。",
            "Send an officer's API key as `Authorization: Bearer yx_…`.",
        ],
    ),
    kind(
        "auth/api-key-invalid",
        401,
        ["密钥无效", "The API key is not accepted"],
        [
            "密钥可能有误、已过期、已吊销或其持有人已停用；请向安全管理员申请新密钥。",
            "The key may be mistyped, expired or revoked, or its officer off duty; ask a security administrator for a new one.",
        ],
    ),
    kind(
        "auth/right-missing",
        403,
        ["权限不足", "Your roles do not allow this"],
        [
            "请由具有相应角色的人员操作，或向安全管理员申请角色。",
            "Have it done by an officer with such a role, or ask a security administrator for it.",
        ],
    ),
    // Other parties.
    kind(
        "outside/bad-address",
        422,
        ["地址不可用", "The address can't be used"],
        ["请提供 http:// 开头的完整地址。", "Give a whole address that begins with http://."],
    ),
    kind(
        "outside/closed-address",
        422,
        ["地址位于未允许的内部网络", "The address lies in a private network"],
        [
            "如确需访问，请由系统管理员在配置中允许该网络。",
            "If it is meant, a system administrator allows the network in the configuration.",
        ],
    ),
    kind(
        "outside/unreachable",
        502,
        ["对方服务不可达", "The other party can't be reached"],
        ["请稍后重试，或检查对方地址。", "Try again later, or check the other party's address."],
    ),
    kind(
        "outside/bad-answer",
        502,
        ["对方服务应答异常", "The other party's answer can't be used"],
        ["请联系对方服务的管理者。", "Ask whoever runs the other service."],
    ),
    // Idempotency.
    kind(
        "idempotency/malformed",
        400,
        ["幂等键格式有误", "The idempotency key is malformed"],
        [
            "请使用 8 至 128 个可见 ASCII 字符，例如 UUID。",
            "Use 8 to 128 visible ASCII characters, a UUID for example.",
        ],
    ),
    kind(
        "idempotency/reused",
        409,
        ["幂等键已用于另一请求", "This idempotency key belongs to another request"],
        ["新的请求请使用新的幂等键。", "Use a fresh key for a new request."],
    ),
    kind(
        "idempotency/in-progress",
        409,
        ["同一请求正在处理", "The same request is being worked on"],
        ["请按 Retry-After 所示秒数后重试。", "Try again after the seconds that Retry-After says."],
    ),
    // Officers.
    kind(
        "officer/unknown",
        404,
        ["没有此工作人员", "There is no such officer"],
        ["请检查编号。", "Check the id."],
    ),
    kind(
        "officer/unknown-key",
        404,
        ["没有此密钥", "There is no such API key"],
        ["请检查编号。", "Check the id."],
    ),
    kind(
        "officer/key-shown-once",
        409,
        ["密钥只显示一次", "The key was made, and its secret shown, before"],
        ["若未收到，请吊销该密钥并另建一个。", "If it did not arrive, revoke that key and make another."],
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
        ["有效期须晚于当前时间。", "The expiry lies in the future."],
    ),
    kind(
        "officer/wrong-state",
        409,
        ["当前状态不允许此操作", "The present state does not allow this"],
        ["请先查询当前状态。", "Look at the present state first."],
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

/// Looks a code up; `None` where it stands in no line above.
pub fn find(code: &str) -> Option<&'static Kind> {
    CATALOGUE.iter().find(|kind| kind.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn every_entry_is_complete_and_stands_once() {
        for (at, kind) in CATALOGUE.iter().enumerate() {
            assert!(
                CATALOGUE[at + 1..].iter().all(|other| other.code != kind.code),
                "{} stands twice",
                kind.code
            );
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            let plain = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'/');
            assert!(kind.code.bytes().all(plain), "{}", kind.code);
            for text in [kind.title_zh, kind.title_en, kind.hint_zh, kind.hint_en] {
                assert!(!text.is_empty(), "{}", kind.code);
            }
        }
    }

    /// Literals handed to `Problem::new`, `Refusal::new` and `problems(&[…])` anywhere in the daemon.
    #[test]
    fn every_code_that_is_used_stands_here() {
        let mut used = Vec::new();
        collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut used);
        assert!(used.len() > 10, "the scan finds too little: {used:?}");
        let unknown: Vec<_> = used.iter().filter(|(_, code)| find(code).is_none()).collect();
        assert!(unknown.is_empty(), "not in the catalogue: {unknown:?}");
    }

    fn collect(folder: &Path, used: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                collect(&entry, used);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&entry).expect("UTF-8");
                let rules = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                for call in ["Problem::new(", "Refusal::new("] {
                    let codes = rules.split(call).skip(1).filter_map(first_literal);
                    used.extend(codes.map(|code| (entry.display().to_string(), code)));
                }
            }
        }
    }

    fn first_literal(after: &str) -> Option<String> {
        Some(after.trim_start().strip_prefix('"')?.split('"').next()?.to_owned())
    }
}
