//! Chinese for every code that a report can carry. English is what the report itself says.
//!
//! Most codes stand in one table. Those of certificates and signatures are put together from whose it is and what is
//! wrong with it, as the judge puts the codes together; a test reads the sources for codes that nobody put into words.

use std::borrow::Cow;
use yinxin_pki::report::{CheckId, Coverage, DocumentKind, Outcome, SignatureKind, Verdict};

/// A word in Chinese and in English.
pub type Pair = [&'static str; 2];

/// What a code means; `None` for one that has no words here.
pub fn meaning(code: &str) -> Option<Cow<'static, str>> {
    if let Some((_, says)) = WHOLE.iter().find(|(known, _)| *known == code) {
        return Some(Cow::Borrowed(says));
    }
    let (whose, rest) =
        WHOSE.iter().find_map(|(prefix, whose)| Some((*whose, code.strip_prefix(prefix)?)))?;
    let (_, what) = WHAT.iter().find(|(suffix, _)| *suffix == rest)?;
    Some(Cow::Owned(format!("{whose}{what}。")))
}

/// Whose codes begin like this; longer beginnings before shorter ones.
pub(super) const WHOSE: &[(&str, &str)] = &[
    ("seal/time-stamp-authority-", "印章时间戳的签发机构证书"),
    ("seal/time-stamp-", "印章的时间戳"),
    ("seal/maker-signature-", "制章者对印章的签名"),
    ("seal/maker-", "制章者证书"),
    ("signer-certificate/", "签章者证书"),
    ("time-stamp/authority-", "时间戳机构证书"),
    ("time-stamp/", "时间戳"),
    ("stamp-signature/", "签名值"),
    ("path/", "证书"),
];

/// What is wrong with it, or odd about it.
pub(super) const WHAT: &[(&str, &str)] = &[
    ("algorithm", "所用算法不受支持或强度不足"),
    ("ambiguous", "所签内容可被当作另一签名的属性，存在歧义"),
    ("authority-revoked", "的上级颁发机构证书在使用前已被吊销"),
    ("certificate", "所指明的证书与所带证书不一致"),
    ("certificate-unreadable", "无法核验：证书无法解析"),
    ("content", "所声明的内容并非其签名所覆盖的内容"),
    ("content-type", "所声明的内容类型与实际不一致"),
    ("expired", "在使用时已过有效期"),
    ("extended-use", "的扩展用途不包括此用途"),
    ("future", "的时间晚于当前时间"),
    ("imprint", "是为其他签名签发的"),
    ("key", "的密钥类型不符"),
    ("key-usage", "的密钥用途不允许签名"),
    ("malformed", "格式有误，无法解析"),
    ("mismatch", "与所覆盖的内容不符，签名不成立"),
    ("name-constraints", "的证书链含名称限制，不予支持"),
    ("too-many-lists", "随文件附带的吊销列表过多，未予核查"),
    ("no-anchor", "未能追溯到受信任的根证书"),
    ("no-attributes", "未覆盖任何签名属性"),
    ("no-certificate", "无法核验：缺少相应证书"),
    ("no-revocation-source", "的吊销状态未核查：没有可用的吊销列表"),
    ("not-a-ca", "的上级证书不是 CA 证书"),
    ("not-yet-valid", "在使用时尚未生效"),
    ("path-length", "的证书链超过其允许的长度"),
    ("revocation-unreachable", "的吊销状态未核查：无法连接吊销信息来源"),
    ("revoked", "在使用之前已被吊销"),
    ("revoked-later", "在使用之后被吊销，不影响此前的签章"),
    ("signature", "的证书链中有签名不成立"),
    ("too-early", "早于其所证明的签名"),
    ("too-long", "的证书链过长"),
    ("too-costly", "未能核验：处理量已达单份文件的上限"),
    ("too-many-checks", "的证书链过于复杂"),
    ("unknown-critical-extension", "含有无法识别的关键扩展"),
    ("unreadable", "无法解析"),
];

/// Codes that stand for themselves.
pub(super) const WHOLE: &[(&str, &str)] = &[
    ("appearance/overlay", "签名之后添加的签名域显示了没有印章依据的图案，可能遮盖已签内容。"),
    ("appearance/foreign", "页面上显示的图案不是该印章的图案，或尺寸不符。"),
    ("appearance/invisible", "该签章在页面上不显示。"),
    ("appearance/not-comparable", "印章图案的格式无法与页面显示的图案相比对。"),
    ("certification/changed", "作者认证（DocMDP）之后，文件又被更改。"),
    ("certification/elsewhere", "文件目录所指的认证签名不在任何签名域中。"),
    ("certification/twice", "文件有一个以上的认证签名。"),
    ("change/not-allowed", "签章之后文件有不被允许的更改。"),
    ("check/not-applicable", "不适用，或没有可供检查的内容。"),
    ("check/not-reached", "因结构无法解析，未能检查。"),
    ("coverage/part", "签名既未覆盖整个文件，也未覆盖文件的某个完整版本。"),
    ("crl/after-expiry", "吊销列表签发于证书过期之后。"),
    ("crl/key-usage", "证书签发者无权签发吊销列表，该列表未采用。"),
    ("crl/signature", "吊销列表的签名不成立，该列表未采用。"),
    ("crl/stale", "现有最新的吊销列表已超过其更新期限。"),
    ("crl/unusable", "吊销列表为分片或增量列表，不予支持，未采用。"),
    ("document-digest/algorithm", "摘要算法未知或强度不足。"),
    ("document-digest/equal", "文件内容与签章时一致。"),
    ("document-digest/length", "签章中的摘要长度不是 32 字节。"),
    ("document-digest/mismatch", "文件内容与签章时不一致，已被改动或另换文件。"),
    ("document-digest/no-document", "没有提供被签的文件。"),
    ("document-digest/no-ranges", "签名未说明其覆盖范围，无从核对。"),
    ("document-digest/unproven", "签名直接覆盖文件内容，而签名不成立。"),
    ("field/double-name", "两个域同名，其中有签名域。"),
    ("field/several-widgets", "同一签名在多处显示。"),
    ("field/shared-value", "一个签名域显示了另一个域的签名。"),
    ("field/unlisted", "页面上显示的签名未列入文件表单。"),
    ("isa/loose-octets", "各版本之间夹有不属于任何对象的内容。"),
    ("isa/loose-structure", "签名之后有游离于交叉引用之外的结构。"),
    ("isa/signature-removed", "文件较早版本中的签名已被移除。"),
    ("isa/tail", "文件末尾附有多余内容。"),
    ("lenient/indefinite-length", "签名数据以不定长编码书写。"),
    ("lenient/algorithm-name", "算法标识未注明摘要算法（1.2.156.10197.1.301.1）。"),
    ("lenient/content-type", "内容与属性以不同标识表示同一数据类型。"),
    ("lenient/critical-extension", "无法识别的扩展被标为关键。"),
    ("lenient/digest-list", "签名者的摘要算法未列入算法集合。"),
    ("lenient/empty-property", "签章的原文属性为空。"),
    ("lenient/explicit-default", "默认值被显式编码。"),
    ("lenient/header-version", "第一版印章的头部写有其他版本号。"),
    ("lenient/ia5-certificate", "证书列表中的证书以文本类型封装。"),
    ("lenient/imprint-digest", "时间戳的摘要未使用 SM3。"),
    ("lenient/imprint-form", "时间戳的摘要包含了 BIT STRING 的未用位计数字节。"),
    ("lenient/key-usage-bits", "密钥用途未按最短形式编码。"),
    ("lenient/name-string", "名称中的文字与其类型不符。"),
    ("lenient/no-signing-certificate", "时间戳未指明签名证书。"),
    ("lenient/null-parameters", "SM2 算法标识旁带有 NULL 参数。"),
    ("lenient/odd-oid", "扩展的标识不是合法的对象标识符。"),
    ("lenient/odd-parameters", "SM2 或 ECDSA 算法标识旁带有参数。"),
    ("lenient/raw-signature", "签名值为 64 字节裸值，而非 DER 编码。"),
    ("lenient/serial-number", "证书序列号的编码不合规范。"),
    ("lenient/text-type", "应为 7 位字符的文本含有其他字符。"),
    ("lenient/time-form", "2050 年之前的时间以 GeneralizedTime 编码。"),
    ("lenient/time-type", "时间的编码类型与其版本的规定不同。"),
    ("lenient/time-without-zone", "签章者所述时间未注明时区。"),
    ("lenient/unsorted-attributes", "签名属性未按 DER 顺序排列，按原编码核验。"),
    ("lenient/untagged-extensions", "签章扩展数据缺少标签 [0]。"),
    ("lenient/untagged-time-stamp", "时间戳缺少标签 [0]。"),
    ("lenient/version", "签名数据的版本号与其内容不符。"),
    ("pdf/place", "页面位置："),
    ("seal-format/id", "印章头部标识不是 ES。"),
    ("seal-format/list-type", "签章者列表的类型未知。"),
    ("seal-format/malformed", "结构无法解析。"),
    ("seal-format/period", "印章有效期的结束早于开始。"),
    ("seal-format/seal-file", "文件附带的印章与签章内的印章不同。"),
    ("seal-format/sound", "结构符合其版本的规定。"),
    ("seal-format/trailing", "结构之后附有多余字节。"),
    ("seal-format/version", "印章或签章的版本不一致，或版本未知。"),
    ("seal/expired", "印章在签章时已过有效期。"),
    ("seal/holds", "印章真实，且在签章时有效。"),
    ("seal/made-later", "印章的制作时间晚于其使用时间。"),
    ("seal/maker-expired-later", "制章者证书在制章之后过期，不影响印章。"),
    ("seal/maker-is-signer", "印章由其签章者自己制作，任何人不得为自己制章。"),
    ("seal/maker-not-listed", "制章者不在许可的制章者之列。"),
    ("seal/not-yet-valid", "印章在签章时尚未生效。"),
    ("seal/status", "印章登记显示该印章在签章时不可使用。"),
    ("seal/status-unavailable", "无法查询印章登记。"),
    ("seal/status-unknown", "印章状态未知：所查登记中没有此印章。"),
    ("shadow/double-object", "同一版本中某对象有两个不同的定义。"),
    ("shadow/sleeper", "文件中潜藏未列出的对象，可被后续改动启用。"),
    ("shadow/woken", "后续版本启用了较早版本中潜藏的内容。"),
    ("signer-certificate/trusted", "签章者证书可信，且用途相符。"),
    ("signer-in-seal/listed", "签章者证书在印章的签章者列表中。"),
    ("signer-in-seal/not-listed", "签章者证书不在印章的签章者列表中。"),
    ("signing-time/future", "签章时间晚于当前时间。"),
    ("signing-time/no-certificate", "签章者证书无法解析。"),
    ("signing-time/none-claimed", "签名未述明时间，按当前时间检验。"),
    ("signing-time/outside-certificate", "签章时间不在签章者证书的有效期内。"),
    ("signing-time/outside-seal", "签章时间不在印章的有效期内。"),
    ("signing-time/revoked", "签章时签章者证书已被吊销。"),
    ("signing-time/sound", "签章时证书（及印章）均在有效期内。"),
    ("signing-time/unknown", "签章未述明时间。"),
    ("stamp-signature/holds", "签名成立。"),
    ("stamp-signature/unknown-kind", "签名值既不是电子签章，也不是签名数据或时间戳。"),
    ("structure/double-key", "某对象的同一键有两个不同的值，不同阅读器的理解可能不同。"),
    ("structure/double-object", "某对象有两个定义，不同阅读器的显示可能不同。"),
    ("structure/hybrid", "混合交叉引用的两部分不一致，不同阅读器的显示可能不同。"),
    ("structure/odd", "文件结构异常。"),
    ("structure/overlap", "文件中的对象相互重叠。"),
    ("structure/strays", "大量对象游离于交叉引用之外。"),
    ("structure/unreadable", "某对象无法按原样读取，不同阅读器的修补方式不同。"),
    ("swa/contents-token", "签名值的写法可能藏有其他内容。"),
    ("swa/double-key", "签名字典的同一键有两个不同的值。"),
    ("swa/first-range", "签名覆盖范围不是从文件开头开始。"),
    ("swa/gap", "签名所排除的部分不止其签名值本身。"),
    ("swa/inside-revision", "签名覆盖范围的末尾不在任何版本的结尾。"),
    ("swa/not-two-ranges", "签名覆盖范围不是两段。"),
    ("swa/padding", "签名值之后的填充不全为零。"),
    ("time-stamp/holds", "时间戳成立，且确为此签名（或印章）签发。"),
    ("time-stamp/imprint-unknown", "签章内的时间戳并非针对文件摘要。"),
    ("time-stamp/none", "没有时间戳。"),
    ("time-stamp/not-a-token", "自称文件时间戳的签名域，其内容并非时间戳。"),
    ("usf/byterange", "签名覆盖范围的写法有误。"),
    ("usf/byterange-empty", "签名覆盖范围为空。"),
    ("usf/byterange-missing", "签名缺少覆盖范围。"),
    ("usf/byterange-negative", "签名覆盖范围含负数。"),
    ("usf/byterange-overlap", "签名覆盖的两段相互重叠。"),
    ("usf/byterange-past-end", "签名覆盖范围超出文件末尾。"),
    ("usf/compressed", "签名字典位于压缩的对象流中，签名值没有确定的位置。"),
    ("usf/contents", "签名值不是字符串。"),
    ("usf/contents-empty", "签名值为空。"),
    ("usf/contents-indirect", "签名值指向别的对象。"),
    ("usf/contents-missing", "缺少签名值。"),
    ("usf/contents-not-asn1", "签名值不是完整的 ASN.1 结构。"),
    ("usf/contents-zero", "签名值全为零。"),
    ("usf/value", "签名域的值不是签名字典。"),
    // Problems of the whole file.
    ("encrypted", "文件已加密：请先去除密码与权限限制。"),
    ("malformed", "文件无法按其格式解析，可能已损坏，或不是受支持的文件。"),
    ("no-content", "该签名不含被签内容：请一并提供原文。"),
    ("not-signed", "文件没有签章或签名。"),
    ("too-costly", "处理该文件所需的时间超过上限，已放弃，结论无法确定。"),
    ("too-large", "文件过大，或要求的处理量超过上限。"),
    ("unsupported", "文件类型或其中的特性暂不受支持。"),
];

/// The verdict on a file or a signature.
pub fn verdict(verdict: Verdict) -> Pair {
    match verdict {
        Verdict::Passed => ["通过", "passed"],
        Verdict::Failed => ["不通过", "failed"],
        Verdict::Undecided => ["无法确定", "undecided"],
    }
}

/// What came of a check.
pub fn outcome(outcome: Outcome) -> Pair {
    match outcome {
        Outcome::Passed => ["通过", "passed"],
        Outcome::Failed => ["不通过", "failed"],
        Outcome::Undecided => ["无法确定", "undecided"],
        Outcome::Absent => ["无此项", "absent"],
    }
}

/// The sign of an outcome, which says the same without colour.
pub fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✓",
        Outcome::Failed => "✗",
        Outcome::Undecided => "？",
        Outcome::Absent => "－",
    }
}

/// The outcome that a verdict looks like.
pub fn outcome_of(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Passed => Outcome::Passed,
        Verdict::Failed => Outcome::Failed,
        Verdict::Undecided => Outcome::Undecided,
    }
}

/// What a check is about.
pub fn check(id: CheckId) -> Pair {
    match id {
        CheckId::SealFormat => ["印章与签章格式", "Format of seal and stamp"],
        CheckId::StampSignature => ["签名值", "Signature"],
        CheckId::SignerInSeal => ["签章者与印章匹配", "Signer listed in the seal"],
        CheckId::Seal => ["印章", "Seal"],
        CheckId::SignerCertificate => ["签章者证书", "Signer's certificate"],
        CheckId::SigningTime => ["签章时间", "Time of signing"],
        CheckId::DocumentDigest => ["文件完整性", "Integrity of the document"],
        CheckId::TimeStamp => ["时间戳", "Time stamp"],
    }
}

/// What a signature is.
pub fn signature(kind: SignatureKind) -> Pair {
    match kind {
        SignatureKind::SesV1 => ["电子签章（GM/T 0031-2014）", "Electronic stamp (GM/T 0031-2014)"],
        SignatureKind::SesV4 => ["电子签章（GB/T 38540-2020）", "Electronic stamp (GB/T 38540-2020)"],
        SignatureKind::SesV5 => ["电子签章（GM/T 0031-2025）", "Electronic stamp (GM/T 0031-2025)"],
        SignatureKind::CmsSm2 => ["数字签名（国密 SM2）", "Digital signature (SM2)"],
        SignatureKind::Cms => ["数字签名（RSA/ECDSA）", "Digital signature (RSA/ECDSA)"],
        SignatureKind::Seal => ["电子印章", "Electronic seal"],
        SignatureKind::Tst => ["时间戳", "Time stamp"],
    }
}

/// What a file is.
pub fn document(kind: DocumentKind) -> Pair {
    match kind {
        DocumentKind::Pdf => ["PDF 文件", "PDF"],
        DocumentKind::Ofd => ["OFD 文件", "OFD"],
        DocumentKind::Seal => ["电子印章数据", "seal"],
        DocumentKind::Stamp => ["电子签章或签名数据", "stamp or signature"],
        DocumentKind::Token => ["时间戳", "time-stamp token"],
        DocumentKind::Unknown => ["未知类型", "unknown"],
    }
}

/// How much is covered.
pub fn coverage(coverage: Coverage) -> Pair {
    match coverage {
        Coverage::Whole => ["覆盖整个文件", "Covers the whole file"],
        Coverage::Revision => [
            "覆盖签章时的完整版本，其后有追加",
            "Covers the whole file as it was at signing; something was added",
        ],
        Coverage::Part => ["仅覆盖文件的一部分", "Covers a part of the file only"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    #[test]
    fn whatever_a_report_can_say_is_said_in_chinese_too() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut codes: BTreeSet<String> = yinxin_pki::report::codes::all().into_iter().collect();
        let judged = codes.len();
        for entry in fs::read_dir(root.join("src/document/pdf/analysis")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                read(&path, &mut codes);
            }
        }
        for file in ["bare", "mod", "pdf", "picture"] {
            read(&root.join(format!("src/verification/{file}.rs")), &mut codes);
        }
        assert!(judged > 100 && codes.len() > judged + 40, "the scan finds too little: {codes:?}");
        let silent: Vec<&String> = codes.iter().filter(|code| meaning(code).is_none()).collect();
        assert!(silent.is_empty(), "no words for {silent:?}");
    }

    fn read(file: &Path, codes: &mut BTreeSet<String>) {
        let source = fs::read_to_string(file).unwrap();
        let rules = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        codes.extend(rules.split('"').filter(|text| looks_like_a_code(text)).map(str::to_owned));
    }

    fn looks_like_a_code(text: &str) -> bool {
        let plain =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-/".contains(&octet);
        let parts: Vec<&str> = text.split('/').collect();
        parts.len() == 2 && parts.iter().all(|part| part.len() > 1) && text.bytes().all(plain)
    }

    #[test]
    fn composed_codes_are_put_together_from_whose_and_what() {
        assert_eq!(meaning("signer-certificate/expired").unwrap(), "签章者证书在使用时已过有效期。");
        assert_eq!(
            meaning("seal/time-stamp-authority-no-anchor").unwrap(),
            "印章时间戳的签发机构证书未能追溯到受信任的根证书。"
        );
        assert_eq!(meaning("seal/expired").unwrap(), "印章在签章时已过有效期。");
        assert_eq!(meaning("no/such-code"), None);
    }

    #[test]
    fn no_code_stands_twice() {
        for table in [WHOLE, WHAT, WHOSE] {
            let known: BTreeSet<&str> = table.iter().map(|(code, _)| *code).collect();
            assert_eq!(known.len(), table.len());
        }
    }
}
