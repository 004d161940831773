use super::*;

fn parse(lines: &[&str]) -> Result<Document, Malformed> {
    Document::parse(&lines.join("\n"))
}

fn steps_of(block: &[&str]) -> Vec<Step> {
    let lines: Vec<_> = ["```console"].iter().chain(block).chain(&["```"]).copied().collect();
    parse(&lines).unwrap().steps
}

#[test]
fn commands_are_told_from_their_output() {
    let steps = steps_of(&["$ echo a", "a", "", "$ true", "$ false", "oh", "[exit 1]", ""]);
    let echo =
        Step { line: 2, command: "echo a".into(), expected: vec!["a".into()], ..Step::default() };
    let quiet = Step { line: 5, command: "true".into(), ..Step::default() };
    let exit = Step {
        line: 6,
        command: "false".into(),
        expected: vec!["oh".into()],
        exit: 1,
        ..Step::default()
    };
    assert_eq!(steps, [echo, quiet, exit]);
}

#[test]
fn a_command_goes_on_after_a_backslash_and_at_a_second_prompt() {
    let folded = steps_of(&["$ echo a \\", "    b", "a b"]);
    assert_eq!(folded[0].command, "echo a \\\n    b");
    assert_eq!(folded[0].expected, ["a b"]);
    let document = steps_of(&["$ cat <<X", "> hello", ">", "> X", "hello", ""]);
    assert_eq!(document[0].command, "cat <<X\nhello\n\nX");
    assert_eq!(document[0].expected, ["hello"]);
}

#[test]
fn a_line_that_is_output_may_begin_like_a_second_prompt() {
    assert_eq!(steps_of(&["$ diff a b", "1c1", "> b", "[exit 1]"])[0].expected, ["1c1", "> b"]);
}

#[test]
fn retry_is_taken_off_the_command() {
    let steps = steps_of(&["$ tesseractl get nodes  # retry 10s", "$ echo '# retry'", "# retry"]);
    assert_eq!(steps[0].command, "tesseractl get nodes");
    assert_eq!(steps[0].retry, Some(Duration::from_secs(10)));
    assert_eq!((steps[1].command.as_str(), steps[1].retry), ("echo '# retry'", None));
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
    assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
    for wrong in ["", "10", "s", "1h", "-1s", "1.5s", "99999999999999999999s"] {
        assert_eq!(duration(wrong), None, "{wrong}");
    }
}

#[test]
fn comments_set_the_scene_outside_of_blocks_only() {
    let document = parse(&[
        "<!-- env: RUST_LOG=a=b -->",
        "<!-- needs: podman, busybox -->",
        "<!-- inside: user-manager -->",
        "<!-- note: nothing -->",
        "```text",
        "<!-- env: NOT=THIS -->",
        "```",
        "```console,background",
        "$ sleep 1",
        "```",
    ])
    .unwrap();
    assert_eq!(document.env, [("RUST_LOG".to_owned(), "a=b".to_owned())]);
    assert_eq!(document.needs, ["podman", "busybox"]);
    assert!(document.in_user_manager);
    assert!(document.steps[0].background);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let cases: [(&[&str], usize, &str); 9] = [
        (&["text"], 1, "no command"),
        (&["", "```console", "$ true"], 2, "never closed"),
        (&["```console", "", "output", "```"], 3, "before the first command"),
        (&["```console,foreground", "```"], 1, "console,foreground"),
        (&["```console", "$ x  # retry soon", "```"], 2, "soon"),
        (&["```console", "$ x", "[exit one]", "```"], 2, "exit one"),
        (&["```console,background", "$ x", "[exit 1]", "```"], 2, "background"),
        (&["<!-- env: KEY -->"], 1, "KEY=VALUE"),
        (&["<!-- inside: out -->"], 1, "inside: user-manager"),
    ];
    for (lines, line, piece) in cases {
        let error = parse(lines).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.what.contains(piece), "{error}");
    }
}

#[test]
fn a_block_in_a_list_item_is_read_without_its_indentation() {
    let lines = ["1. First:", "", "   ```console", "   $ echo a", "   a", "   ```"];
    let step = &parse(&lines).unwrap().steps[0];
    assert_eq!((step.command.as_str(), step.line), ("echo a", 4));
    assert_eq!(step.expected, ["a"]);
}
