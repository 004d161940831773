//! How a text is written so that it arrives as it is. The rules are those of systemd.syntax(7),
//! and of systemd.service(5) for command lines.

/// A line of text, such as a description. A `%` begins a specifier, and a `\` at the end would go
/// on in the next line.
pub(super) fn line(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.trim().trim_end_matches('\\').trim_end().replace('%', "%%")
}

/// A path that is the whole value of a setting.
pub(super) fn path(path: &str) -> String {
    path.replace('%', "%%")
}

/// A word of a command line. There a `$` begins a variable.
pub(super) fn argument(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("\"{}\"", quoted(word).replace('$', "$$"))
}

/// The program of a command line. One that is named by a path from the folder gets that: systemd
/// takes a name alone, which it looks up, or an absolute path. Variables are not looked for here.
pub(super) fn program(program: &str, folder: &str) -> String {
    let relative = program.contains('/') && !program.starts_with('/');
    let path = match program.strip_prefix("./").unwrap_or(program) {
        rest if relative => format!("{}/{rest}", folder.trim_end_matches('/')),
        _ => program.to_owned(),
    };
    argument(&path).replace("$$", "$")
}

/// A variable of a process.
pub(super) fn assignment(name: &str, value: &str) -> String {
    format!("\"{name}={}\"", quoted(value))
}

/// A variable of a container. Quadlet reads it as systemd does, and puts it on a command line.
pub(super) fn container_assignment(name: &str, value: &str) -> String {
    assignment(name, value).replace('$', "$$")
}

/// Words as a JSON list, which Quadlet puts on a command line as it is.
pub(super) fn json_list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    let list = serde_json::to_string(&words).expect("strings are JSON");
    list.replace('%', "%%").replace('$', "$$")
}

/// What stands in double quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}
