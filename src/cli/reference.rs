//! The reference of all commands as Markdown: `docs/commands.md`.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// The introduction of the page.
const COMMON: &str = "\
## Exit codes

| code | meaning |
|---|---|
| 0 | no findings: the files are valid, machines are as desired |
| 1 | findings: errors of `check`, changes of `diff`, drift, stale boots |
| 2 | trouble: bad arguments, a file or server that cannot be read, a side that fails its checks |
| 3 | no findings, but something could not be judged (`drift`, `boots`), or some BMCs could not be read (`discover`) |
| 141 | a verdict (of `check`, `diff`, `drift` and similar commands) whose reader closed the pipe too early, as `head` does |

## Output

Results go to stdout, messages to stderr. JSON follows the schemas in [`schemas/`](../schemas). Text from commits, BMCs and clients
is escaped, so that it has no effect: control characters, direction marks, line breaks and commands of CI systems become escapes such
as `\\u{1b}` in text, logs, Markdown, JUnit, SARIF and annotations. JSON keeps exact values in its own escapes. Only documents in a
pipe (`muster show --script`, `--cloud-init`, the diff of `muster adopt`) are unchanged; do not print those of an untrusted branch in
a CI job.
";

/// Writes the page; the command is built, so that it knows the names of its subcommands.
pub fn page(root: &Command) -> String {
    let mut text = String::from(
        "# Commands\n\n`muster man --markdown` generates this page. `muster COMMAND --help` and `man muster-COMMAND` have the \
         same text.\n\n| command | effect |\n|---|---|\n",
    );

    let commands = leaves(root);
    for (name, command) in &commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| [`{name}`](#{}) | {} |", name.replace(' ', "-"), cell(&about));
    }

    let _ = write!(text, "\n{COMMON}");
    let serve: Vec<&str> = root.find_subcommand("serve").map(|serve| ids(serve).collect()).unwrap_or_default();
    for (name, command) in &commands {
        write_command(&mut text, name, command, &serve);
    }

    text
}

/// Lists the commands that do something, with their full names.
fn leaves(root: &Command) -> Vec<(String, &Command)> {
    let mut all = Vec::new();
    for command in root.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        let name = format!("muster {}", command.get_name());
        if command.has_subcommands() {
            let below = command.get_subcommands().filter(|below| below.get_name() != "help");
            all.extend(below.map(|below| (format!("{name} {}", below.get_name()), below)));
        } else {
            all.push((name, command));
        }
    }
    all
}

fn ids(command: &Command) -> impl Iterator<Item = &str> {
    command.get_arguments().map(|arg| arg.get_id().as_str())
}

/// Writes one command. Options that only repeat host settings are described on their own page.
fn write_command(text: &mut String, name: &str, command: &Command, serve: &[&str]) {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let _ = write!(text, "\n## {name}\n\n{}\n\n```text\n{usage}\n```\n", about.trim_end());

    let is_setting = |arg: &Arg| arg.get_id().as_str().contains('.');
    let is_repeated = |arg: &Arg| command.get_name() == "settings" && serve.contains(&arg.get_id().as_str());
    let own = command.get_arguments().filter(|arg| {
        let is_common = matches!(arg.get_id().as_str(), "help" | "version");
        !is_common && !arg.is_hide_set() && !is_setting(arg) && !is_repeated(arg)
    });
    let rows: Vec<String> = own.map(row).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n| argument | meaning |\n|---|---|\n{}", rows.concat());
    }
    let mut settings =
        command.get_arguments().filter(|arg| is_setting(arg)).map(|arg| arg.get_id().as_str()).peekable();
    if settings.peek().is_some() && settings.all(|id| id.starts_with("build.")) {
        let names = "`--build-timeout` and `--build-max-mib`";
        let _ = writeln!(text, "\n{names} of the [settings of a host](settings.md) are options of this command too.");
    } else if command.get_arguments().any(is_setting) {
        let _ = writeln!(text, "\nThe [settings of a host](settings.md) are options of this command too.");
    }
}

/// Writes the row of one argument.
fn row(arg: &Arg) -> String {
    let mut meaning = cell(&arg.get_help().map(ToString::to_string).unwrap_or_default());
    let values = arg.get_possible_values();
    if arg.get_action().takes_values() && !values.is_empty() {
        let names: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let _ = write!(meaning, ": {}", names.join(", "));
    }

    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let is_shown = arg.get_action().takes_values() && !arg.is_hide_default_value_set();
    if is_shown && defaults.iter().any(|value| !value.is_empty()) {
        let _ = write!(meaning, " [default: {}]", defaults.join(","));
    }

    if let Some(variable) = arg.get_env() {
        let _ = write!(meaning, " [`{}`]", variable.to_string_lossy());
    }

    let short = arg.get_short().filter(|_| arg.get_long().is_some());
    let short = short.map(|short| format!("-{short}, ")).unwrap_or_default();
    format!("| `{short}{}` | {meaning} |\n", cell(&arg.to_string()))
}

/// Escapes a text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
