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
