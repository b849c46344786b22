//! Every code that a reason or a finding of this package may carry, so that pages can prove that they translate them all.

/// Codes that stand for themselves.
const SINGLE: &[&str] = &[
    "check/not-applicable",
    "check/not-reached",
    "crl/after-expiry",
    "crl/key-usage",
    "crl/signature",
    "crl/stale",
    "crl/unusable",
    "document-digest/algorithm",
    "document-digest/equal",
    "document-digest/length",
    "document-digest/mismatch",
    "document-digest/no-document",
    "document-digest/unproven",
    "lenient/algorithm-name",
    "lenient/content-type",
    "lenient/critical-extension",
    "lenient/digest-list",
    "lenient/empty-property",
    "lenient/explicit-default",
    "lenient/header-version",
    "lenient/ia5-certificate",
    "lenient/imprint-digest",
    "lenient/imprint-form",
    "lenient/indefinite-length",
    "lenient/key-usage-bits",
    "lenient/name-string",
    "lenient/no-signing-certificate",
    "lenient/null-parameters",
    "lenient/odd-oid",
    "lenient/odd-parameters",
    "lenient/raw-signature",
    "lenient/serial-number",
    "lenient/text-type",
    "lenient/time-form",
    "lenient/time-type",
    "lenient/time-without-zone",
    "lenient/unsorted-attributes",
    "lenient/untagged-extensions",
    "lenient/untagged-time-stamp",
    "lenient/version",
    "path/extended-use",
    "seal-format/id",
    "seal-format/list-type",
    "seal-format/malformed",
    "seal-format/period",
    "seal-format/seal-file",
    "seal-format/sound",
    "seal-format/trailing",
    "seal-format/version",
    "seal/expired",
    "seal/holds",
    "seal/made-later",
    "seal/maker-expired-later",
    "seal/maker-is-signer",
    "seal/maker-not-listed",
    "seal/not-yet-valid",
    "seal/status",
    "seal/status-unavailable",
    "seal/status-unknown",
    "signer-certificate/trusted",
    "signer-in-seal/listed",
    "signer-in-seal/not-listed",
    "signing-time/future",
    "signing-time/no-certificate",
    "signing-time/none-claimed",
    "signing-time/outside-certificate",
    "signing-time/outside-seal",
    "signing-time/revoked",
    "signing-time/sound",
    "signing-time/unknown",
    "stamp-signature/holds",
    "time-stamp/holds",
    "time-stamp/imprint-unknown",
    "time-stamp/none",
];

/// Beginnings of codes about a certificate and its chain.
const CHAIN_PREFIXES: &[&str] =
    &["signer-certificate/", "seal/maker-", "time-stamp/authority-", "seal/time-stamp-authority-"];

/// Ends of codes about a certificate and its chain.
const CHAIN: &[&str] = &[
    "unreadable",
    "no-certificate",
    "no-anchor",
    "expired",
    "not-yet-valid",
    "signature",
    "not-a-ca",
    "path-length",
    "key-usage",
    "extended-use",
    "unknown-critical-extension",
    "name-constraints",
    "authority-revoked",
    "too-long",
    "too-costly",
    "too-many-checks",
    "too-many-lists",
    "revoked",
    "revoked-later",
    "no-revocation-source",
    "revocation-unreachable",
];

/// Beginnings of codes about a signature.
const SIGNATURE_PREFIXES: &[&str] =
    &["stamp-signature/", "seal/maker-signature-", "time-stamp/", "seal/time-stamp-"];

/// Ends of codes about a signature, and about a token.
const SIGNATURE: &[&str] = &[
    "algorithm",
    "ambiguous",
    "certificate",
    "certificate-unreadable",
    "content",
    "content-type",
    "future",
    "imprint",
    "key",
    "malformed",
    "mismatch",
    "no-attributes",
    "no-certificate",
    "too-early",
];

/// All codes, each once, in no particular order. Rooms that know containers add their own.
pub fn all() -> Vec<String> {
    let family = |prefixes: &[&str], ends: &[&str]| -> Vec<String> {
        prefixes.iter().flat_map(|prefix| ends.iter().map(move |end| format!("{prefix}{end}"))).collect()
    };
    let mut codes: Vec<String> = SINGLE.iter().map(|code| (*code).to_owned()).collect();
    codes.extend(family(CHAIN_PREFIXES, CHAIN));
    codes.extend(family(SIGNATURE_PREFIXES, SIGNATURE));
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_stands_once() {
        let codes = all();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    }
}
