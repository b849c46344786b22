//! Two languages, one table. Chinese first: it is what a missing preference gives.

/// In which language a page speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// 简体中文.
    #[default]
    Chinese,
    /// English.
    English,
}

/// One sentence of the pages, in both languages.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// What templates ask for: `room.what`.
    pub key: &'static str,
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

const fn message(key: &'static str, zh: &'static str, en: &'static str) -> Message {
    Message { key, zh, en }
}

/// Every sentence of every page.
pub const MESSAGES: &[Message] = &[
    message("site.name", "印信", "Yinxin"),
    message("site.tagline", "电子印章与签章文件验证", "Electronic seals and stamped documents"),
    message("site.skip", "跳到正文", "Skip to the content"),
    message("site.language", "语言", "Language"),
    message("site.verify", "验证文件", "Verify a document"),
    message("site.problems", "错误代码", "Error codes"),
    message("verify.title", "检验签章文件", "Verify a stamped document"),
    message(
        "verify.lead",
        "选择或拖入一份加盖电子印章或数字签名的 PDF 文件，即可得知签章是否真实有效、签章后内容是否被改动。",
        "Choose or drop a PDF that bears an electronic seal or a digital signature, and learn whether it is genuine and whether anything was altered after signing.",
    ),
    message("verify.file", "待检验文件", "The file"),
    message(
        "verify.hint",
        "可将文件拖放到此框内。PDF，或印章、签章、时间戳数据；最大",
        "You may drop the file on this field. PDF, or data of a seal, a stamp or a time stamp; at most",
    ),
    message("verify.submit", "检验", "Verify"),
    message(
        "verify.privacy",
        "文件仅用于本次检验，不作保留。",
        "The file is used for this verification only, and nothing is kept.",
    ),
    message("verify.missing", "请先选择一个文件。", "Choose a file first."),
    message("verify.again", "检验另一份文件", "Verify another file"),
    message("verdict.title", "检验结论", "Verdict"),
    message("verdict.file", "文件", "File"),
    message("verdict.kind", "类型", "Kind"),
    message("verdict.bytes", "字节", "bytes"),
    message("verdict.judged", "检验时间", "Judged at"),
    message("verdict.problems", "问题", "Problems"),
    message("verdict.signature", "签章", "Signature"),
    message("verdict.of", "共", "of"),
    message("verdict.signer", "签章者", "Signer"),
    message("verdict.issuer", "证书颁发者", "Issuer"),
    message("verdict.seal", "印章", "Seal"),
    message("verdict.seal_code", "印章编号", "Number of the seal"),
    message("verdict.seal_valid", "印章有效期", "Seal valid"),
    message("verdict.maker", "制章者", "Maker of the seal"),
    message("verdict.time", "签章时间", "Time of signing"),
    message("verdict.checks", "八项检查", "The eight checks"),
    message("verdict.no", "序号", "No."),
    message("verdict.check", "检查项", "Check"),
    message("verdict.outcome", "结果", "Outcome"),
    message("verdict.reason", "说明", "Reason"),
    message("verdict.coverage", "覆盖范围", "Coverage"),
    message("verdict.uncovered", "未覆盖的部分", "Not covered"),
    message("verdict.changes", "签章后的更改", "Changed after signing"),
    message(
        "verdict.allowed",
        "下列追加属允许范围，未改动所签内容。",
        "What follows is allowed: it leaves what was signed as it was.",
    ),
    message("verdict.findings", "其他发现", "Also noticed"),
    message("problem.code", "代码", "Code"),
    message("problem.status", "状态", "Status"),
    message("problem.what", "说明", "What was found"),
    message("problem.hint", "怎么办", "What to do"),
    message("problem.request", "请求编号", "Request id"),
    message("problem.more", "关于此代码", "About this code"),
    message("problem.all", "全部错误代码", "All error codes"),
    message(
        "problem.lead",
        "接口返回的每个错误代码都长期不变，含义与处理办法如下。",
        "Every error code of the interface is stable. This is what each means, and what to do.",
    ),
];

impl Locale {
    /// The locale of a request, as the front door found it.
    pub fn of(english: bool) -> Self {
        if english { Self::English } else { Self::Chinese }
    }

    /// The tag for `lang` attributes and `Content-Language`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// The sentence of `key`; `None` where the table has none.
    pub fn say(self, key: &str) -> Option<&'static str> {
        let message = MESSAGES.iter().find(|message| message.key == key)?;
        Some(match self {
            Self::Chinese => message.zh,
            Self::English => message.en,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_stands_once_and_in_both_languages() {
        for (at, message) in MESSAGES.iter().enumerate() {
            assert!(!message.zh.is_empty() && !message.en.is_empty(), "{}", message.key);
            assert!(MESSAGES[at + 1..].iter().all(|other| other.key != message.key), "{}", message.key);
            assert!(message.en.is_ascii() || message.en.contains('…'), "{}", message.key);
        }
        assert_eq!(Locale::default().say("site.name"), Some("印信"));
        assert_eq!(Locale::of(true).say("site.name"), Some("Yinxin"));
        assert_eq!(Locale::Chinese.say("no.such"), None);
    }
}
