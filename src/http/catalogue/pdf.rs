//! PDF documents.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    kind("pdf/empty", 422, ["文件为空", "The file is empty"], ["请上传 PDF 文件。", "Send the PDF itself."]),
    kind("pdf/not-pdf", 422, ["不是 PDF 文件", "This is no PDF"], ["请上传 PDF 文件。", "Send a PDF."]),
    kind(
        "pdf/encrypted",
        422,
        ["PDF 已加密", "The PDF is encrypted"],
        ["请先移除密码与权限限制。", "Remove its password and permissions first."],
    ),
    kind(
        "pdf/too-large",
        422,
        ["PDF 超出限制", "The PDF exceeds a limit"],
        ["请缩减文件；说明中写有上限。", "Make it smaller; the detail says the limit."],
    ),
    kind(
        "pdf/too-costly",
        422,
        ["处理该 PDF 耗时超过上限", "Reading the PDF takes more work than one document may cause"],
        [
            "请由原程序重新生成，或减少其中的签名与修订。",
            "Have it written anew, with fewer signatures and revisions.",
        ],
    ),
    kind(
        "pdf/malformed",
        422,
        ["PDF 已损坏", "The PDF is damaged"],
        ["请由原程序重新生成。", "Have the program that made it write it again."],
    ),
    kind(
        "pdf/unsupported",
        422,
        ["PDF 含不支持的特性", "The PDF uses something that is not supported"],
        ["请另存为普通 PDF 后再试。", "Save it as a plain PDF, and try that."],
    ),
    kind(
        "pdf/missing-page",
        422,
        ["没有此页", "There is no such page"],
        ["页码从 1 起；说明中写有总页数。", "Pages count from 1; the detail says how many there are."],
    ),
    kind(
        "pdf/off-page",
        422,
        ["印章超出页面", "The stamp would reach off the page"],
        ["请将中心点向页内移动。", "Move its centre inwards."],
    ),
    kind(
        "pdf/page-size",
        422,
        ["页面尺寸异常", "The page's size can't be used"],
        ["请更正页面尺寸后再试。", "Correct the page's size first."],
    ),
    kind(
        "pdf/stamp-size",
        422,
        ["印章尺寸异常", "The stamp's size can't be used"],
        ["请检查印模尺寸。", "Look at the seal's measures."],
    ),
    kind(
        "pdf/certified",
        409,
        ["文档已认证，不允许更改", "The document is certified against changes"],
        ["请向作者索取未认证的副本。", "Ask its author for a copy without certification."],
    ),
    kind(
        "pdf/locked",
        409,
        ["文档已被签名锁定", "A signature locks the document"],
        ["请使用锁定之前的副本。", "Use a copy from before the lock."],
    ),
    kind(
        "pdf/no-room",
        500,
        ["签名值空间不足", "The signature value does not fit"],
        ["请将请求编号告知管理员。", "Give the request id to the administrator."],
    ),
    kind(
        "pdf/form",
        422,
        ["PDF 表单无法承载签名", "The form of the PDF can't take a signature"],
        ["请另存为普通 PDF 后再试。", "Save it as a plain PDF, and try that."],
    ),
];
