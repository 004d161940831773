//! Text that is no YAML, JSON or TOML, or more of it than a manifest may be.

use crate::{json, toml, yaml};

#[test]
fn text_with_keys_below_it_is_told_where_the_text_stands() {
    let told = "text, and keys below it: a value is one of the two: remove the text, or indent \
                the keys below as the one that has the text";
    yaml("do:\n  - settle: now\n      wait: {seconds: 4}\n", &[&format!("syntax f:2:13: {told}")]);
    yaml("name: web\n  spec: {}\n", &[&format!("syntax f:1:7: {told}")]);
    let other = "a `:` where no key can stand: check the indentation and the space after each \
                 `:`; text that holds `: ` needs quotes";
    yaml("name: web\nspec: a: b\n", &[&format!("syntax f:2:8: {other}")]);
    yaml(
        "name: 'web'\n  spec: x\n",
        &["syntax f:2:3: a line that does not fit the map around it: indent it as the lines that \
           it belongs to"],
    );
}

#[test]
fn a_key_that_is_there_twice_names_both_places() {
    let hint = "keep one of the two";
    yaml(
        "name: web\nspec:\n  command: x\nname: api\n",
        &[&format!(
            "duplicate_key f:4:1: duplicate key `name`, first set at line 1, column 1: {hint}"
        )],
    );
    json(
        r#"{"name": "web", "spec": {"command": "x", "command": "y"}}"#,
        &[&format!(
            "duplicate_key f:1:42: duplicate key `command`, first set at line 1, column 26: {hint}"
        )],
    );
    toml(
        "name = 'web'\nname = 'api'\n[spec]\ncommand = 'x'\n",
        &[&format!(
            "duplicate_key f:2:1: duplicate key `name`, first set at line 1, column 1: {hint}"
        )],
    );
}

#[test]
fn broken_yaml_says_what_to_do() {
    yaml(
        "name: web\nspec:\n\tcommand: x\n",
        &["syntax f:3:2: a tab where YAML needs spaces: indent with spaces"],
    );
    yaml(
        "name: \"web\nspec: {}\n",
        &["syntax f:2:1: quoted text is not closed, or goes on in a line that is not indented: \
         close the quote"],
    );
    yaml(
        "name: @web\n",
        &["syntax f:1:7: unquoted text cannot start with `@`: put the text in quotes"],
    );
    yaml(
        "name: web\nspec: {command: x\n",
        &["syntax f:2:7: `{` is not closed: check that each bracket is closed"],
    );
    yaml(
        "name: web\nspec:\n  command: x\n args: []\n",
        &["syntax f:4:2: a line that does not fit the map around it: \
         indent it as the lines that it belongs to"],
    );
}

#[test]
fn text_that_does_not_belong_to_its_document_is_broken_yaml() {
    yaml(
        "name: \"web\" api\n",
        &["syntax f:1:13: text after a closing quote: put all of the text in one pair of quotes"],
    );
    yaml(
        "{name: web, spec: {command: x}}\nname: web\n",
        &["syntax f:2:1: text after the end of the document: \
           check the indentation, or start the next document with `---`"],
    );
}

#[test]
fn yaml_beyond_plain_data_is_refused() {
    yaml(
        "name: !!str web\nspec: {command: x}\n",
        &["unsupported_tag f:1:13: YAML tags are not supported: \
         remove the tag; quote a value that should be text"],
    );
    yaml(
        "name: web\nspec: *base\n",
        &["invalid_alias f:2:7: no anchor &base before this alias: mark a value above with the \
         anchor, or put text that starts with `*` in quotes"],
    );
    yaml(
        "name: web\nspec: {command: {{ cmd }}}\n",
        &["invalid_key f:2:18: a key must be text, not a list or a map: \
         put text that holds braces or brackets in quotes"],
    );
    yaml(
        "name: web\nspec: {command: x, replicas: 0644}\n",
        &[
            "invalid_number f:2:30: the number `0644` has a leading zero, which some read as octal: \
         write 0o… for an octal number, or put it in quotes if it is text",
        ],
    );
}

#[test]
fn broken_json_says_what_to_do() {
    json(
        "{\"name\": \"web\",\n \"spec\": {\"command\": \"x\"},\n}",
        &["syntax f:2:26: a comma after the last element: remove the comma"],
    );
    json(
        "{\"name\": \"web\", // the name\n}",
        &["syntax f:1:17: JSON has no comments: remove the comment, or use YAML"],
    );
    json("{'name': 1}", &["syntax f:1:2: text in single quotes: use double quotes"]);
    json("{name: 1}", &["syntax f:1:2: expected a key in double quotes: write `\"key\": value`"]);
    json("{\"name\" 1}", &["syntax f:1:9: expected `:` after a key: write `\"key\": value`"]);
    json(
        "{\"name\": web}",
        &["syntax f:1:10: expected a value, found `web`: put text in double quotes"],
    );
    json(
        "{\"name\": \"web\"",
        &["syntax f:1:1: `{` is not closed: check that each bracket is closed"],
    );
    json(
        "{\"name\": \"web\n\"}",
        &[r"syntax f:1:10: quoted text is not closed: close the quote; a line break is \n"],
    );
    json("{\"name\": 01}", &["syntax f:1:10: `01` is not a number: put text in double quotes"]);
    json(
        r#"{"name": "\d"}"#,
        &[r"syntax f:1:11: an unknown escape in quoted text: write \\ for a backslash"],
    );
}

#[test]
fn broken_toml_shows_every_line_at_once() {
    toml(
        "name = web\nlabels.a =\n[spec]\ncommand = 'x'\nreplicas = 01\n",
        &[
            "syntax f:1:8: a value is missing or not quoted: put the text in quotes",
            "syntax f:2:11: a value is missing or not quoted: put the text in quotes",
            "invalid_number f:5:12: a number with a leading zero: \
         remove the zero, or put it in quotes if it is text",
        ],
    );
}

#[test]
fn a_source_without_a_document_says_so() {
    let expected =
        "no_documents f:1:1: no documents in f: the source is empty or holds only comments";
    for text in ["", "\u{feff}", "  \n\n", "# nothing\n", "---\n---\n# nothing\n...\n"] {
        yaml(text, &[expected]);
    }
    for text in ["", " \n", "[]"] {
        json(text, &[expected]);
    }
    for text in ["", "# nothing\n"] {
        toml(text, &[expected]);
    }
}
