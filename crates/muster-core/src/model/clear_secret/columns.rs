//! Columns of facts files under a name that only secrets have, such as `vars.munge_key`.

use super::SecretSpan;
use super::names::{is_in_clear, is_secret_name};

/// Finds the cells of such columns, in the order of the text.
pub fn find(text: &str) -> Vec<SecretSpan> {
    let mut columns: Option<Vec<Option<&str>>> = None;
    let mut all = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let is_row = !line.trim().is_empty() && !line.trim_start().starts_with('#');
        match &columns {
            Some(columns) if is_row => {
                let mut at = start;
                for (cell, name) in line.split(',').zip(columns) {
                    let value = cell.trim();
                    let blanks = cell.len() - cell.trim_start().len();
                    if let Some(name) = name.filter(|_| is_in_clear(value)) {
                        let secret = at + blanks..at + blanks + value.len();
                        let what = format!("the value of `{name}`");
                        all.push(SecretSpan { span: secret.clone(), secrets: vec![secret], what });
                    }
                    at += cell.len() + 1;
                }
            }
            None if is_row => {
                let names = line.trim_start_matches('\u{feff}').split(',').map(str::trim);
                columns = Some(names.map(|name| is_secret_name(name).then_some(name)).collect());
            }
            Some(_) | None => {}
        }
        start += line.len();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_the_names_of_their_columns() {
        let text = "# munge_key\nname, vars.munge_key,serial\nn1, abc ,x\nn2,,y\n# n3,abc,z\nn4,def\n";
        let found: Vec<&str> = find(text).into_iter().map(|found| &text[found.secrets[0].clone()]).collect();
        assert_eq!(found, ["abc", "def"]);
        assert_eq!(find("name,serial\nn1,abc\n"), []);
        assert_eq!(find(""), []);
    }
}
