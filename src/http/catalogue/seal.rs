//! Seals, their owners and makers, stamps.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    kind(
        "seal/unknown",
        404,
        ["没有此印章", "There is no such seal"],
        ["请核对编号；GET /api/v1/seals 列出印章。", "Check the id; GET /api/v1/seals lists seals."],
    ),
    kind(
        "seal/wrong-state",
        409,
        ["印章当前状态不允许此操作", "The seal's state does not allow this"],
        ["请先查询印章状态；说明中写有当前状态。", "Look at the seal first; the detail names its state."],
    ),
    kind(
        "seal/expired",
        409,
        ["印章已过期", "The seal's period is over"],
        ["请先续期。", "Renew the seal first."],
    ),
    kind(
        "seal/same-person",
        409,
        ["申领与审批须为不同人员", "Applicant and approver must be two persons"],
        ["请由另一名审批员审批。", "Have another approver decide."],
    ),
    kind(
        "seal/renewal-open",
        409,
        ["已有续期在办", "A renewal is under way already"],
        ["请先办结或撤回该续期。", "Finish or withdraw that renewal first."],
    ),
    kind(
        "seal/not-your-owner",
        403,
        ["不属于该使用主体", "You do not stamp for this owner"],
        [
            "请由该使用主体的人员操作，或先登记为其人员。",
            "Have it done by an officer of the owner, or be registered as one.",
        ],
    ),
    kind(
        "seal/not-drawn",
        404,
        ["没有矢量图", "There is no drawing of this seal"],
        ["该印模由外部导入，请取用 PNG 图像。", "Its picture was imported; take the PNG."],
    ),
    kind(
        "seal/certificate-expired",
        409,
        ["印章证书已过期", "The seal's certificate is not valid now"],
        ["请先续期。", "Renew the seal first."],
    ),
    kind(
        "seal/not-yet-valid",
        409,
        ["印章尚未生效", "The seal is not valid yet"],
        [
            "请稍后重试；若时间相差较大，请管理员校准服务器时钟。",
            "Try again later; where the times lie far apart, the administrator sets the server's clock right.",
        ],
    ),
    kind(
        "seal/certificate-revoked",
        409,
        ["印章证书已吊销", "The seal's certificate is revoked"],
        ["请重新申领印章。", "Apply for a new seal."],
    ),
    kind(
        "maker/certificate-expired",
        409,
        ["制作主体证书已过期", "The certificate of the seal's maker is over"],
        ["请由其他制作主体重新制作印章。", "Apply for a seal by another maker."],
    ),
    kind(
        "maker/certificate-revoked",
        409,
        ["制作主体证书已吊销", "The certificate of the seal's maker is revoked"],
        ["请由其他制作主体重新制作印章。", "Apply for a seal by another maker."],
    ),
    kind(
        "owner/unknown",
        404,
        ["没有此使用主体", "There is no such seal owner"],
        ["请核对编号；GET /api/v1/owners 列出使用主体。", "Check the id; GET /api/v1/owners lists owners."],
    ),
    kind(
        "owner/exists",
        409,
        ["该使用主体已登记", "This seal owner is registered already"],
        ["请使用已登记的主体。", "Use the one that is registered."],
    ),
    kind(
        "maker/unknown",
        404,
        ["没有此制作主体", "There is no such seal maker"],
        ["请核对编号；GET /api/v1/makers 列出制作主体。", "Check the id; GET /api/v1/makers lists makers."],
    ),
    kind(
        "maker/damaged",
        500,
        ["制作主体的证书无法读取", "The maker's certificate can't be read"],
        ["请联系系统管理员从备份恢复。", "Ask a system administrator to restore it from a backup."],
    ),
    kind(
        "stamp/unknown",
        404,
        ["没有此用印记录", "There is no such stamp"],
        [
            "请核对编号；GET /api/v1/stamps 列出用印记录。",
            "Check the id; GET /api/v1/stamps lists the register of use.",
        ],
    ),
    kind(
        "stamp/closed",
        409,
        ["签章超时，已关闭", "The stamp took too long and was closed"],
        [
            "未发出任何文件；请以新的幂等键重试。",
            "Nothing was handed out; try again with a fresh idempotency key.",
        ],
    ),
    kind(
        "idempotency/answer-gone",
        409,
        ["此请求已完成，结果不再保存", "This request was answered before, and its file is not kept"],
        ["请以新的幂等键重新提交。", "Send it again with a fresh key."],
    ),
    kind(
        "input/name",
        422,
        ["名称不符合要求", "The name can't be taken"],
        ["请按说明更正。", "Correct it as the detail says."],
    ),
    kind(
        "input/vendor",
        422,
        ["厂商标识不符合要求", "The maker's mark can't be taken"],
        ["请使用 1 至 32 个字母、数字、点或短横线。", "Use 1 to 32 letters, digits, dots or dashes."],
    ),
    kind(
        "input/period",
        422,
        ["有效期不符合要求", "The period can't be taken"],
        ["请填写 1 至 3650 天。", "Give 1 to 3650 days."],
    ),
    kind(
        "input/seal-kind",
        422,
        ["印章类型不符合要求", "The seal's type can't be taken"],
        ["类型代码为 1 至 127。", "Type numbers are 1 to 127."],
    ),
    kind(
        "input/seal-size",
        422,
        ["印章尺寸不符合要求", "The seal's size can't be taken"],
        ["请使用整毫米的宽和高。", "Give width and height in whole millimetres."],
    ),
    kind(
        "input/preset",
        422,
        ["没有此印章样式", "There is no such preset"],
        ["请使用说明中所列的样式。", "Use one that the detail lists."],
    ),
    kind(
        "input/purpose",
        422,
        ["用途不符合要求", "The purpose can't be taken"],
        ["请按说明更正。", "Correct it as the detail says."],
    ),
    kind(
        "input/reason",
        422,
        ["理由不符合要求", "The reason can't be taken"],
        ["请按说明填写理由。", "Give a reason as the detail says."],
    ),
    kind(
        "input/base64",
        422,
        ["图片编码有误", "The picture is no base64"],
        ["请以标准 Base64 编码图片。", "Encode the picture in standard base64."],
    ),
    kind(
        "number/credit-code",
        422,
        ["统一社会信用代码有误", "This is no unified social credit code"],
        ["请核对 18 位代码及其校验位。", "Compare the 18 characters and the check character."],
    ),
];
