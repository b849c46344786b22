//! What may stand in a text that people read later and trust: in a register, on a page, in a document.

/// Whether a character is not seen, or makes others be read in another order: control characters, marks of direction
/// (Unicode TR 36, 3.2), zero-width characters, tags.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::is_hidden;

    #[test]
    fn what_is_read_is_what_stands_there() {
        assert!(!"某市大数据管理局 (办公室) №38 · Ünïcode 𠮷".chars().any(is_hidden));
        for hidden in ['\0', '\n', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{e0041}'] {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
    }
}
