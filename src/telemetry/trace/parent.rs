//! `traceparent`: whose work ours is part of (W3C Trace Context, 3.2).

/// What a caller says about its own span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    pub trace: u128,
    pub span: u64,
    /// Whether the caller keeps its spans.
    pub sampled: bool,
}

impl Parent {
    /// Reads the header: `00-<32 hex>-<16 hex>-<2 hex>`, in lower case; a later version may say more behind another dash.
    /// `None` where it says nothing that can be used.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_at_checked(2)?;
        let fields = rest.get(..53)?;
        let more = &rest[53..];
        let known = version == "00" && more.is_empty();
        let later = version != "00" && version != "ff" && (more.is_empty() || more.starts_with('-'));
        let lower = |octet: u8| octet == b'-' || octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
        if !(known || later) || !version.bytes().chain(fields.bytes()).all(lower) {
            return None;
        }
        let [trace, span, flags] =
            fields.strip_prefix('-')?.splitn(3, '-').collect::<Vec<_>>().try_into().ok()?;
        if (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
            return None;
        }
        let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (trace != 0 && span != 0).then_some(Self { trace, span, sampled })
    }
}

#[cfg(test)]
mod tests {
    use super::Parent;

    #[test]
    fn a_parent_is_read_where_it_is_well_formed() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = Parent::parse(good).expect("the example of the standard");
        assert_eq!(parent.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((parent.span, parent.sampled), (0xb7ad_6b71_6920_3331, true));
        assert_eq!(Parent::parse(&good.replace("-01", "-00")).map(|parent| parent.sampled), Some(false));
        assert!(Parent::parse(&good.replacen("00", "cc", 1)).is_some());
        assert!(Parent::parse(&format!("{}-more", good.replacen("00", "cc", 1))).is_some());
        for bad in [
            "",
            "00",
            "印信",
            &good[..54],
            &good.to_uppercase(),
            &good.replacen("00", "ff", 1),
            &format!("{good}-more"),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7ad6b7169203331", &"0".repeat(16)),
            &good.replace("-b7", "--"),
            &good.replace("b7ad", "b7+d"),
        ] {
            assert_eq!(Parent::parse(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,80}") {
            let _ = Parent::parse(&text);
        }
    }
}
