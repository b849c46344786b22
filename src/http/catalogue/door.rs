//! What any request can meet: the service, the shape of a request, who asks, idempotency, other parties.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
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
        "service/no-changes",
        503,
        ["暂不接受变更", "Changes are not taken at the moment"],
        [
            "查询与验证照常；请管理员检查数据库所在磁盘及服务日志，稍后以同一幂等键重试。",
            "Reading and verifying go on. The administrator looks at the database's disk and the service's log; repeat later \
             with the same idempotency key.",
        ],
    ),
    kind(
        "service/damaged",
        503,
        ["数据已损坏", "Stored data are damaged"],
        [
            "请管理员检查服务日志与磁盘，并从备份恢复。",
            "The administrator looks at the service's log and the disk, and restores a backup.",
        ],
    ),
    kind(
        "service/not-ready",
        503,
        ["服务尚未就绪", "The service is not ready"],
        [
            "请稍后重试；管理员可查看 /api/v1/service/readiness 或运行 yinxin doctor 了解原因。",
            "Try again shortly; an administrator finds the reason at /api/v1/service/readiness, or with `yinxin doctor`.",
        ],
    ),
    kind(
        "service/draining",
        503,
        ["本节点即将停止", "This node is about to stop"],
        [
            "请改用其他节点；请求仍会受理，直至停止。",
            "Ask another node; requests are still taken until it stops.",
        ],
    ),
    kind(
        "service/unknown",
        503,
        ["结果未知", "The outcome is not known"],
        [
            "数据库未及时确认提交：请用同一幂等键重试，所得即唯一结果；无幂等键时请先查询。",
            "The database did not confirm the commit in time: repeat with the same idempotency key, and the answer is the one truth; without a key, look first.",
        ],
    ),
    // The shape of a request.
    kind(
        "request/unknown-path",
        404,
        ["没有此地址", "There is nothing at this address"],
        ["请对照 /api/v1/openapi.json 检查地址。", "Compare the address with /api/v1/openapi.json."],
    ),
    kind(
        "request/administration-elsewhere",
        421,
        ["管理功能不在此地址", "Administration has an address of its own"],
        [
            "请改用管理专用地址（listen.admin_address）或本机套接字。",
            "Use the address for administration (listen.admin_address), or the UNIX socket beside the daemon.",
        ],
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
        "request/too-slow",
        408,
        ["请求内容传输过慢", "The request came too slowly"],
        ["请在更好的网络上重试。", "Try again over a better connection."],
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
        [
            "请提供 http:// 或 https:// 开头的完整地址。",
            "Give a whole address that begins with http:// or https://.",
        ],
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
];
