//! What strangers wrote, as messages tell it: the beginning, so that no text floods a log line.

use std::borrow::Cow;

/// The beginning of a text in 64 characters, with `...` where more of it was.
pub fn shorten(text: &str) -> Cow<'_, str> {
    shorten_to(text, 64)
}

/// The beginning of a text in so many characters, with `...` where more of it was.
pub fn shorten_to(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(shorten(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(shorten(&"é".repeat(65)), format!("{}...", "é".repeat(64)));
        assert_eq!((shorten_to("", 0), shorten_to("ab", 1)), ("".into(), "a...".into()));
    }
}
