//! The own authority, and the keys.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    kind(
        "authority/busy",
        503,
        ["签名服务繁忙", "Too many signatures are waiting"],
        ["请稍后重试。", "Try again in a moment."],
    ),
    kind(
        "authority/no-time-stamp",
        503,
        ["未取得时间戳", "No time stamp could be had"],
        ["请稍后重试，或不要求时间戳。", "Try again later, or stamp without one."],
    ),
    kind(
        "authority/not-ready",
        503,
        ["签发机构尚未初始化", "The authority is not set up yet"],
        ["请系统管理员运行 yinxin init。", "A system administrator runs `yinxin init`."],
    ),
    kind(
        "authority/not-revocable",
        409,
        ["此证书不可在此吊销", "This certificate is not revoked here"],
        [
            "此类证书不列入本机构的吊销列表；请用 yinxin authority rollover 更换。",
            "No list of ours names such a certificate; have another come in its place with `yinxin authority rollover`.",
        ],
    ),
    kind(
        "authority/out-of-period",
        503,
        ["签发机构证书不在有效期", "The authority's certificate is not valid now"],
        [
            "请系统管理员用 yinxin authority renew 或 rollover 更新，并检查服务器时钟。",
            "A system administrator runs `yinxin authority renew` or `rollover`, and looks at the server's clock.",
        ],
    ),
    kind(
        "authority/reason",
        422,
        ["吊销理由不可用", "This reason is not taken"],
        ["吊销不可撤回，请使用最终理由。", "A revocation is final: give a final reason."],
    ),
    kind(
        "authority/reference",
        422,
        ["引用名不符合要求", "The reference can't be taken"],
        ["请按说明更正。", "Correct it as the detail says."],
    ),
    kind(
        "authority/reference-taken",
        409,
        ["引用名已被占用", "The reference names another certificate"],
        ["请使用新的引用名。", "Use another reference."],
    ),
    kind(
        "authority/signer",
        500,
        ["签发机构无法签名", "The authority could not sign"],
        ["请将请求编号告知管理员。", "Give the request id to the administrator."],
    ),
    kind(
        "authority/subject",
        422,
        ["证书主题不符合要求", "The subject can't be taken"],
        ["请按说明更正。", "Correct it as the detail says."],
    ),
    kind(
        "authority/unknown",
        404,
        ["没有此证书", "There is no such certificate"],
        [
            "请核对序列号；yinxin authority list 列出本服务的证书，印章证书见印章信息。",
            "Check the serial number; `yinxin authority list` has the service's own, a seal tells its certificate.",
        ],
    ),
    kind(
        "authority/withheld",
        500,
        ["自检未通过，未签发", "A product failed our own check and was withheld"],
        ["请将请求编号告知管理员。", "Give the request id to the administrator."],
    ),
    kind(
        "authority/wrong-state",
        409,
        ["证书当前状态不允许此操作", "The certificate's state does not allow this"],
        [
            "请先查询证书状态；已吊销者不能再吊销。",
            "Look at the certificate first: one that is revoked is not revoked again.",
        ],
    ),
    kind(
        "authority/replaced",
        409,
        ["证书已被更换", "Another certificate came in its place already"],
        ["请查看当前证书。", "Look at the present one first."],
    ),
    kind(
        "authority/active-from",
        422,
        ["启用时间不可接受", "It can't be announced for that instant"],
        [
            "仅签发机构可提前公布，且不超过一年。",
            "Only an issuing authority is announced ahead, for a year at most.",
        ],
    ),
    kind(
        "keys/busy",
        503,
        ["签名队列已满", "Too many signatures are waiting"],
        ["请按 Retry-After 所示秒数后重试。", "Try again after the seconds that Retry-After says."],
    ),
    kind(
        "keys/gone",
        503,
        ["密码设备不可用", "The key's device does not answer"],
        ["请稍后重试，或检查密码设备。", "Try again later, or look at the device."],
    ),
    kind(
        "keys/fault",
        500,
        ["密钥库故障", "The keystore failed"],
        ["请将请求编号告知管理员。", "Give the request id to the administrator."],
    ),
    kind(
        "keys/store",
        503,
        ["密钥库所在数据库不可用", "The keystore's database failed"],
        ["请稍后重试。", "Try again in a moment."],
    ),
    kind(
        "keys/damaged",
        500,
        ["密钥库数据已损坏", "The keystore is damaged or was tampered with"],
        [
            "请运行 yinxin doctor --deep 查明范围，并从备份恢复。",
            "Run `yinxin doctor --deep` to see how far it goes, and restore a backup.",
        ],
    ),
    kind(
        "keys/no-keystore",
        503,
        ["尚无密钥库", "There is no keystore yet"],
        ["请运行 yinxin init。", "Run `yinxin init`."],
    ),
    kind(
        "keys/exists",
        409,
        ["密钥库已存在", "There is a keystore already"],
        ["请使用现有密钥库。", "Use the one that is there."],
    ),
    kind(
        "keys/changed",
        409,
        ["密钥库刚刚被他人更改", "The keystore was changed at the same time"],
        ["请查看当前状态后重试。", "Look at its present state, then try again."],
    ),
    kind(
        "keys/rotating",
        409,
        ["正在更换主密钥", "The master key is being replaced"],
        ["更换会自行继续；请在完成后重试。", "That goes on by itself; try again when it is done."],
    ),
    kind(
        "keys/other-master",
        503,
        ["本节点未持有当前主密钥", "This node lacks the present master key"],
        ["请用当前口令重新启动本节点。", "Start this node again with the present passphrase."],
    ),
    kind(
        "keys/same-passphrase",
        422,
        ["新口令与现用口令相同", "The new passphrase is the one in use"],
        ["请使用另一口令。", "Use another one."],
    ),
    kind(
        "keys/weak-passphrase",
        422,
        ["新口令过短", "The new passphrase is too short"],
        ["请使用更长的口令。", "Use a longer one."],
    ),
    kind(
        "keys/wrong-passphrase",
        403,
        ["口令不正确", "The passphrase does not open the keystore"],
        ["请检查口令文件。", "Look at the passphrase file."],
    ),
    kind(
        "keys/passphrase-file",
        422,
        ["口令文件不可用", "The passphrase file can't be used"],
        [
            "请检查文件是否存在及其权限；运行中的服务只能读取配置所列目录，如现有口令文件所在目录。",
            "See that it exists, and its permissions. A running daemon reads only in directories that its configuration names, such as the one of the present passphrase.",
        ],
    ),
    kind(
        "keys/cost",
        422,
        ["解锁代价不可接受", "The cost of unlocking is not accepted"],
        [
            "请使用说明所列范围内的内存与遍数。",
            "Use memory and passes within the range that the detail names.",
        ],
    ),
    kind(
        "keys/unknown",
        404,
        ["没有此密钥", "There is no such key"],
        ["请核对编号；yinxin key list 列出全部密钥。", "Check the id; `yinxin key list` has them all."],
    ),
    kind(
        "keys/destroyed",
        410,
        ["密钥已销毁", "The key was destroyed"],
        ["请另建密钥。", "Make another key."],
    ),
    kind(
        "keys/wrong-purpose",
        409,
        ["密钥用途不符", "The key was made for another purpose"],
        ["请使用相应用途的密钥。", "Use a key of that purpose."],
    ),
    kind(
        "keys/no-device",
        503,
        ["没有此密码设备", "This build has no such device"],
        ["请使用含该设备支持的版本。", "Use a build with that device."],
    ),
];
