//! Lists of texts as one pattern, where they are regular enough for one.

use crate::model::Pattern;

/// Writes a list of texts as a pattern that expands to exactly the list, if there is one.
///
/// Texts that are all the same become that text.
pub fn pattern<T: AsRef<str>>(items: &[T]) -> Option<String> {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    let first = *items.first()?;
    if items.iter().all(|item| *item == first) {
        let is_plain = Pattern::parse(first).is_ok_and(|pattern| pattern.is_plain() && pattern.get(0) == first);
        return is_plain.then(|| first.to_owned());
    }
    let ways = [product(&items), words(&items)];
    ways.into_iter().flatten().find(|text| expands_to(text, &items))
}

fn expands_to(text: &str, items: &[&str]) -> bool {
    Pattern::parse(text)
        .is_ok_and(|pattern| pattern.len() == items.len() && pattern.iter().zip(items).all(|(a, b)| a == *b))
}

/// Splits a list into runs, in order, that each satisfy `fits`: first by what `stem` says, else in halves.
///
/// A single item is a run whether it satisfies or not.
pub fn runs<T: Clone>(items: &[T], fits: &dyn Fn(&[T]) -> bool, stem: &dyn Fn(&T) -> String) -> Vec<Vec<T>> {
    if items.len() < 2 || fits(items) {
        return if items.is_empty() { Vec::new() } else { vec![items.to_vec()] };
    }
    let mut groups: Vec<(String, Vec<T>)> = Vec::new();
    for item in items {
        let stem = stem(item);
        match groups.iter_mut().find(|(other, _)| *other == stem) {
            Some((_, group)) => group.push(item.clone()),
            None => groups.push((stem, vec![item.clone()])),
        }
    }
    if groups.len() > 1 {
        return groups.iter().flat_map(|(_, group)| runs(group, fits, stem)).collect();
    }
    let (one, other) = items.split_at(items.len() / 2);
    [one, other].into_iter().flat_map(|half| runs(half, fits, stem)).collect()
}

/// Returns what stands before the last number of a text.
pub fn stem(text: &str) -> &str {
    let end = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    end.trim_end_matches(|letter: char| letter.is_ascii_digit())
}

/// Returns a key by which texts sort as people count: `n2` before `n10`.
pub fn natural(text: &str) -> Vec<(String, u128)> {
    tokens(text)
        .chunks(2)
        .map(|pair| (pair[0].to_owned(), pair.get(1).map_or(0, |digits| digits.parse().unwrap_or(u128::MAX))))
        .collect()
}

/// Splits a text into what is no number and what is one, by turns; the first is no number, and may be empty.
fn tokens(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let (mut rest, mut wants_digits) = (text, false);
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter.is_ascii_digit() != wants_digits).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        all.push(token);
        (rest, wants_digits) = (after, !wants_digits);
    }
    all
}

/// Writes the numbers that vary as brackets: a product with the last fastest.
fn product(items: &[&str]) -> Option<String> {
    let split: Vec<Vec<&str>> = items.iter().map(|item| tokens(item)).collect();
    let first = split.first()?;
    let varies = |at: usize| split.iter().any(|tokens| tokens.get(at) != first.get(at));
    if split.iter().any(|tokens| tokens.len() != first.len()) || (0..first.len()).step_by(2).any(varies) {
        return None;
    }
    let varying: Vec<usize> = (1..first.len()).step_by(2).filter(|at| varies(*at)).collect();
    let mut parts: Vec<String> = first.iter().map(|token| (*token).to_owned()).collect();
    let mut block = 1;
    for (rank, at) in varying.iter().enumerate().rev() {
        let outer = &varying[..rank];
        let differs = |tokens: &Vec<&str>| outer.iter().any(|at| tokens[*at] != first[*at]);
        let run = split.iter().position(differs).unwrap_or(split.len());
        let values: Vec<&str> = split[..run].iter().step_by(block).map(|tokens| tokens[*at]).collect();
        parts[*at] = format!("[{}]", list(&values));
        block = run;
    }
    Some(parts.concat())
}

/// Writes numbers as ranges where they step evenly.
fn list(values: &[&str]) -> String {
    let mut parts = Vec::new();
    let mut at = 0;
    // Where numbers repeat, a range of two hides the repeats.
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let repeats = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    while at < values.len() {
        let (length, step) = even(&values[at..]);
        if length > 2 || (length == 2 && step == 1 && !repeats) {
            let range = format!("{}-{}", values[at], values[at + length - 1]);
            parts.push(if step == 1 { range } else { format!("{range}/{step}") });
            at += length;
        } else {
            parts.push(values[at].to_owned());
            at += 1;
        }
    }
    parts.join(",")
}

/// Counts how many numbers from the first on are one range, and the size of its step.
fn even(values: &[&str]) -> (usize, u64) {
    let number = |text: &str| if text.len() > 18 { None } else { text.parse::<i64>().ok() };
    let (Some(first), Some(second)) = (values.first().and_then(|v| number(v)), values.get(1).and_then(|v| number(v)))
    else {
        return (1, 0);
    };
    let step = second - first;
    if step == 0 {
        return (1, 0);
    }
    let is_padded = |text: &str| text.len() > 1 && text.starts_with('0');
    let fits = |text: &str| text.len() == values[0].len() || !(is_padded(text) || is_padded(values[0]));
    let mut length = 1;
    while let Some(value) = values.get(length)
        && fits(value)
        && number(value) == Some(first + step * length as i64)
    {
        length += 1;
    }
    (length, step.unsigned_abs())
}

/// Writes what differs between a common beginning and a common end as a list of words.
fn words(items: &[&str]) -> Option<String> {
    let (first, rest) = items.split_first()?;
    let shared = |other: &str, of: &str| of.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let start = rest.iter().map(|item| shared(item, first)).min()?;
    let start = first.floor_char_boundary(start);
    let backwards = |other: &str| {
        let ends = first.bytes().rev().zip(other.bytes().rev());
        ends.take_while(|(a, b)| a == b).count().min(first.len().min(other.len()) - start)
    };
    let end = rest.iter().map(|item| backwards(item)).min()?;
    let is_word = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let middles: Option<Vec<&str>> =
        items.iter().map(|item| item.get(start..item.len() - end).filter(is_word)).collect();
    Some(format!("{}[{}]{}", &first[..start], middles?.join(","), first.get(first.len() - end..)?))
}
