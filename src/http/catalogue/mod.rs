//! Every stable error code, once: its status, its title, and a hint what to do. Each has a page, `/problems/<code>`.
//!
//! A code is never given another meaning; a new case gets a new code. Rooms add theirs in a file here.

mod audit;
mod authority;
mod door;
mod officer;
mod pdf;
mod picture;
mod seal;
mod verification;

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
const ROOMS: &[&[Kind]] = &[
    door::KINDS,
    officer::KINDS,
    seal::KINDS,
    picture::KINDS,
    pdf::KINDS,
    authority::KINDS,
    verification::KINDS,
    audit::KINDS,
];

/// Codes with the same word before the slash, for people who read them all.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The word.
    pub word: &'static str,
    /// What they are about, in Chinese.
    pub title_zh: &'static str,
    /// What they are about, in English.
    pub title_en: &'static str,
}

const fn group(word: &'static str, title_zh: &'static str, title_en: &'static str) -> Group {
    Group { word, title_zh, title_en }
}

/// The groups, in the order in which a request may meet them.
pub const GROUPS: &[Group] = &[
    group("service", "服务本身", "The service itself"),
    group("request", "请求的形式", "The shape of a request"),
    group("auth", "身份与权限", "Who asks, and what he may"),
    group("idempotency", "幂等键", "Idempotency keys"),
    group("input", "填写的内容", "What was filled in"),
    group("number", "代码与编号", "Numbers and codes"),
    group("officer", "工作人员与密钥", "Officers and their API keys"),
    group("owner", "使用主体", "Seal owners"),
    group("maker", "制作主体", "Seal makers"),
    group("seal", "印章", "Seals"),
    group("picture", "印模", "Pictures of seals"),
    group("stamp", "用印", "Stamps"),
    group("pdf", "PDF 文件", "PDF files"),
    group("verification", "验证", "Verification"),
    group("authority", "证书与时间戳", "Certificates and time stamps"),
    group("keys", "密钥库", "The keystore"),
    group("audit", "审计记录", "The audit record"),
    group("backup", "备份", "Backups"),
    group("outside", "外部服务", "Other parties"),
];

/// What a failure is told as whose own code stands nowhere.
pub const INTERNAL: &Kind = &door::KINDS[0];

/// Every code.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    ROOMS.iter().copied().flatten()
}

impl Kind {
    /// The word before the slash; a code without one belongs to the service itself.
    pub fn group(&self) -> &'static str {
        self.code.split_once('/').map_or("service", |(word, _)| word)
    }
}

/// Looks a code up; `None` where it stands in no line above.
pub fn find(code: &str) -> Option<&'static Kind> {
    all().find(|kind| kind.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn every_entry_is_complete_and_stands_once() {
        assert_eq!(INTERNAL.code, "internal");
        for kind in all() {
            assert_eq!(
                all().filter(|other| other.code == kind.code).count(),
                1,
                "{} stands twice",
                kind.code
            );
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            let plain = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'/');
            assert!(kind.code.bytes().all(plain), "{}", kind.code);
            for text in [kind.title_zh, kind.title_en, kind.hint_zh, kind.hint_en] {
                assert!(!text.is_empty(), "{}", kind.code);
            }
            // A hint says what to do, and where: not only that something is to be done.
            for idle in ["See the detail.", "Check the id.", "Try again.", "Look at it."] {
                assert_ne!(kind.hint_en, idle, "{}", kind.code);
            }
            assert!(kind.hint_en.ends_with('.') && kind.hint_zh.ends_with('。'), "{}", kind.code);
            assert_eq!(GROUPS.iter().filter(|group| group.word == kind.group()).count(), 1, "{}", kind.code);
        }
    }

    #[test]
    fn every_group_has_codes_and_stands_once() {
        for (at, group) in GROUPS.iter().enumerate() {
            assert!(all().any(|kind| kind.group() == group.word), "{}", group.word);
            assert!(GROUPS[at + 1..].iter().all(|other| other.word != group.word), "{}", group.word);
        }
    }

    /// Literals handed to `Problem::new` and `Refusal::new`, in `problems(&[…])`, and in `fn code` of errors. Errors of the
    /// store become codes of the service; those of the audit are told by a command, not over HTTP.
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
                let calls = ["Problem::new(", "Refusal::new("];
                let mut codes: Vec<String> = calls
                    .iter()
                    .flat_map(|call| rules.split(call).skip(1).filter_map(first_literal))
                    .collect();
                codes.extend(literals(rules, "problems(&[", "])"));
                if !["/store/", "/audit/"].iter().any(|room| entry.display().to_string().contains(room)) {
                    codes.extend(literals(rules, "fn code(", "\n    }\n"));
                }
                used.extend(codes.into_iter().map(|code| (entry.display().to_string(), code)));
            }
        }
    }

    /// Literals with a slash between `open` and `close`.
    fn literals(source: &str, open: &str, close: &str) -> Vec<String> {
        let spans = source.split(open).skip(1).filter_map(|after| after.split(close).next());
        let quoted = spans.flat_map(|span| span.split('"').skip(1).step_by(2));
        quoted.filter(|text| text.contains('/')).map(str::to_owned).collect()
    }

    fn first_literal(after: &str) -> Option<String> {
        Some(after.trim_start().strip_prefix('"')?.split('"').next()?.to_owned())
    }
}
