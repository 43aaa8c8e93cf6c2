//! Completions and manual pages are made of what the command line is read by.

use std::fs;
use std::process::Command;

use super::run;
use super::sandbox::service::headwater;

#[tokio::test(flavor = "multi_thread")]
async fn completions_of_each_shell_know_every_command_and_option() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let done = run(&mut headwater(&["completions", shell]));
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{shell}");
        for word in ["recommend", "publish", "include-seen", "completions"] {
            assert!(done.out.contains(word), "{shell}: {word}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("headwater");
    fs::write(&script, run(&mut headwater(&["completions", "bash"])).out).expect("a script");
    // As bash calls it for `headwater recom<TAB>`.
    let completes = format!(
        "source {} && COMP_WORDS=(headwater recom) COMP_CWORD=1 && _headwater headwater recom headwater && echo ${{COMPREPLY[@]}}",
        script.display()
    );
    let done = run(Command::new("bash").args(["-c", &completes]));
    assert_eq!((done.code, done.out.trim()), (Some(0), "recommend"), "{done:?}");
    let unknown = run(&mut headwater(&["completions", "tcsh"]));
    assert!(unknown.code == Some(2) && unknown.err.contains("bash"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_manual_page_for_each_command() {
    let page = run(&mut headwater(&["man"]));
    assert!(page.code == Some(0) && page.out.contains(".TH headwater 1"), "{page:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("share/man1");
    let done = run(headwater(&["man", "--out"]).arg(&pages));
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(0), "", ""));
    let recommend = fs::read_to_string(pages.join("headwater-recommend.1")).expect("its page");
    assert!(recommend.contains("include\\-seen") || recommend.contains("include-seen"), "{recommend}");
    assert!(pages.join("headwater.1").is_file() && pages.join("headwater-dlq-replay.1").is_file());
}
