//! How it was called, as a line for the file that comes of it.

use std::ffi::OsString;

use super::super::terminal::visible;

/// What has no say in what comes out.
const ASIDE: [&str; 2] = ["--json", "--force"];
/// The same, of options that have a value.
const ASIDE_WITH_VALUE: &str = "--threads";

/// The words of a call as one would type them, without those that have no say in what comes out: the same search writes the
/// same file.
pub(in super::super) fn command_line(words: &[OsString]) -> String {
    let mut line = String::from("headwater");
    let mut skip = false;
    for word in words.iter().skip(1).map(|word| word.to_string_lossy()) {
        if std::mem::take(&mut skip) || ASIDE.contains(&&*word) {
            continue;
        }
        if let Some(rest) = word.strip_prefix(ASIDE_WITH_VALUE) {
            skip = rest.is_empty();
            if skip || rest.starts_with('=') {
                continue;
            }
        }
        line.push(' ');
        // One line, whatever a file is called: what comes after it must stay a comment.
        let word = visible(&word).into_owned();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
        match !word.is_empty() && word.bytes().all(plain) {
            true => line.push_str(&word),
            false => line.push_str(&format!("'{}'", word.replace('\'', r"'\''"))),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_line_that_can_be_typed_again_and_holds_what_matters() {
        let line = |words: &[&str]| command_line(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(
            line(&[
                "/bin/headwater",
                "tune",
                "a b.csv",
                "--threads",
                "2",
                "--threads=3",
                "--seed",
                "7",
                "--json"
            ]),
            "headwater tune 'a b.csv' --seed 7"
        );
        assert_eq!(line(&["headwater", "tune", "it's", ""]), r"headwater tune 'it'\''s' ''");
        let hostile = line(&["headwater", "tune", "a\nweights.interest = 9\r\u{85}\u{2028}"]);
        assert!(!hostile.contains(char::is_control) && !hostile.contains('\u{2028}'), "{hostile:?}");
    }
}
