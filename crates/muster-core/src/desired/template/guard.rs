//! Limits the text of a template before the engine parses it, and inserts guards around computed
//! values.
//!
//! The engine parses, compiles and drops expressions recursively, one stack frame for each
//! operator, and its fuel counts neither the size of lazily joined lists nor the nesting of values.
//! So an expression is a bounded chain of words, tags nest to a bounded depth, and each stored or
//! multiplied value passes through a function of [`super::value`].

mod subscripts;

use std::ops::Range;

use minijinja::machinery::{Token, Tokenizer};
use minijinja::syntax::SyntaxConfig;

use super::value::{BOUNDED, MAX_TEXT_BYTES, STORED};

/// The most words and signs in a chain or nest of an expression: 120 joined texts. The engine needs
/// up to 2 kB of stack for each, and threads have 2 MB.
pub const MAX_CHAIN: usize = 250;

/// The deepest nesting of brackets in an expression. The engine's parser allows 150 levels, and
/// counts some several times.
pub const MAX_BRACKETS: usize = 48;

/// The deepest nesting of tags; an `elif` counts as nested in its `if`, as in the engine.
pub const MAX_TAGS: usize = 100;

/// The reason for which a template is refused before it is parsed, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooDeep {
    pub message: String,
    pub range: Range<usize>,
}

/// A template's text with guards, and the mapping to places in the original text.
#[derive(Debug)]
pub struct Guarded {
    pub text: String,
    /// The offsets in the original text of insertions, in order, and their lengths in bytes.
    inserted: Vec<(usize, usize)>,
}

impl Guarded {
    /// Converts a range of the guarded text into one of the original text.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        let back = |place: usize| {
            let mut shift = 0;
            for (at, length) in &self.inserted {
                if place <= at + shift {
                    break;
                }
                if place < at + shift + length {
                    return *at;
                }
                shift += length;
            }
            place - shift
        };

        let start = back(range.start);
        start..back(range.end).max(start)
    }
}

/// Checks the limits of a text, and inserts guards around the values that its expressions store and
/// multiply.
///
/// A text with a syntax error is only processed up to it; the parser reports the error.
///
/// # Errors
/// An expression or the nesting of tags is larger than the engine's stack allows.
pub fn guard(source: &str, syntax: &SyntaxConfig) -> Result<Guarded, TooDeep> {
    let mut tokens = Tokenizer::new(source, "<template>", false, syntax.clone());
    let mut nesting = Nesting::default();
    let mut guards = Vec::new();
    let mut tag: Option<Tag<'_>> = None;

    while let Ok(Some((token, span))) = tokens.next_token() {
        let range = span.start_offset as usize..span.end_offset as usize;
        match (&token, &mut tag) {
            (Token::BlockStart | Token::VariableStart, _) => {
                tag = Some(Tag::new(matches!(token, Token::BlockStart)));
            }
            (Token::BlockEnd | Token::VariableEnd, _) => {
                let Some(tag) = tag.take() else { continue };
                nesting.take(&tag)?;
                tag.check_cycles()?;
                tag.guards(&mut guards);
            }
            (_, Some(tag)) => tag.push(Word { kind: Kind::new(&token), range })?,
            (_, None) => {}
        }
    }
    Ok(insert(source, guards))
}

/// The relevant properties of one token inside a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind<'s> {
    Name(&'s str),
    /// A number.
    Literal,
    /// A quoted text.
    Text,
    Open(char),
    Close(char),
    Comma,
    Assign,
    Dot,
    Pipe,
    Plus,
    Minus,
    Tilde,
    /// `*` or `**`.
    Star,
    /// An operator that binds weaker than `+`, which ends an expression.
    Weak,
    /// A colon, which ends an expression too.
    Colon,
    /// A division.
    Strong,
}

impl<'s> Kind<'s> {
    fn new(token: &Token<'s>) -> Self {
        match token {
            Token::Ident(name) => Self::Name(name),
            Token::BracketOpen => Self::Open('['),
            Token::ParenOpen => Self::Open('('),
            Token::BraceOpen => Self::Open('{'),
            Token::BracketClose => Self::Close('['),
            Token::ParenClose => Self::Close('('),
            Token::BraceClose => Self::Close('{'),
            Token::Comma => Self::Comma,
            Token::Assign => Self::Assign,
            Token::Dot => Self::Dot,
            Token::Pipe => Self::Pipe,
            Token::Plus => Self::Plus,
            Token::Minus => Self::Minus,
            Token::Tilde => Self::Tilde,
            Token::Mul | Token::Pow => Self::Star,
            Token::Colon => Self::Colon,
            Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte => Self::Weak,
            Token::Div | Token::FloorDiv | Token::Mod => Self::Strong,
            Token::Str(_) | Token::String(_) => Self::Text,
            Token::Int(_) | Token::Int128(_) | Token::Float(_) => Self::Literal,
            Token::TemplateData(_)
            | Token::VariableStart
            | Token::VariableEnd
            | Token::BlockStart
            | Token::BlockEnd => Self::Literal,
        }
    }
}

/// The words that join expressions, so that they end none.
const JOINING: [&str; 7] = ["and", "or", "not", "if", "else", "in", "is"];

#[derive(Debug, Clone)]
struct Word<'s> {
    kind: Kind<'s>,
    range: Range<usize>,
}

/// The words of one tag, and the depth of its expressions up to the last.
#[derive(Debug)]
struct Tag<'s> {
    is_block: bool,
    words: Vec<Word<'s>>,
    /// The numbers of words since the last comma, for each open bracket and for the top level.
    chains: Vec<usize>,
    depth: usize,
}

impl<'s> Tag<'s> {
    fn new(is_block: bool) -> Self {
        Self { is_block, words: Vec::new(), chains: vec![0], depth: 0 }
    }

    fn push(&mut self, word: Word<'s>) -> Result<(), TooDeep> {
        if word.range.len() > MAX_TEXT_BYTES {
            let message = format!("a text in this expression has more than {MAX_TEXT_BYTES} bytes");
            return Err(TooDeep { message, range: word.range });
        }
        let chain = self.chains.pop().unwrap_or_default();
        match word.kind {
            Kind::Comma => {
                self.depth -= chain;
                self.chains.push(0);
            }
            Kind::Close(_) if !self.chains.is_empty() => self.depth -= chain,
            kind => {
                self.depth += 1;
                self.chains.push(chain + 1);
                if matches!(kind, Kind::Open(_)) {
                    self.chains.push(0);
                }
            }
        }

        // The top level counts as one bracket.
        if self.chains.len() > MAX_BRACKETS + 1 {
            let message = format!("the brackets of this expression nest deeper than {MAX_BRACKETS}");
            return Err(TooDeep { message, range: word.range });
        }
        if self.depth > MAX_CHAIN {
            let message = format!(
                "this expression chains or nests more than {MAX_CHAIN} words and signs; give parts of it names with `set`"
            );
            return Err(TooDeep { message, range: word.range });
        }
        self.words.push(word);
        Ok(())
    }

    fn keyword(&self) -> Option<&'s str> {
        match self.words.first()?.kind {
            Kind::Name(name) if self.is_block => Some(name),
            _ => None,
        }
    }

    /// Returns whether `set` opens a block that ends with `endset`.
    fn is_set_block(&self) -> bool {
        let mut level = 0_usize;
        let assigns = self.words.iter().any(|word| {
            match word.kind {
                Kind::Open(_) => level += 1,
                Kind::Close(_) => level = level.saturating_sub(1),
                _ => {}
            }
            level == 0 && word.kind == Kind::Assign
        });
        self.keyword() == Some("set") && !assigns
    }
}

/// The open tags, with the nesting of each in the engine's tree.
#[derive(Debug, Default)]
struct Nesting {
    open: Vec<usize>,
    depth: usize,
}

impl Nesting {
    fn take(&mut self, tag: &Tag<'_>) -> Result<(), TooDeep> {
        match tag.keyword() {
            Some("for" | "if" | "with" | "autoescape" | "filter" | "block" | "macro" | "call") => self.enter(),
            Some("set") if tag.is_set_block() => self.enter(),
            Some("elif") => {
                if let Some(open) = self.open.last_mut() {
                    *open += 1;
                    self.depth += 1;
                }
            }
            Some(name) if name.starts_with("end") => self.depth -= self.open.pop().unwrap_or_default(),
            Some(_) | None => {}
        }

        if self.depth <= MAX_TAGS {
            return Ok(());
        }
        let message = format!("tags nest deeper than {MAX_TAGS}, each `elif` counted as one");
        Err(TooDeep { message, range: tag.words.first().map_or(0..0, |word| word.range.clone()) })
    }

    fn enter(&mut self) {
        self.open.push(1);
        self.depth += 1;
    }
}

/// A part of the text that a guard surrounds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guard {
    /// The range of the part; an empty range is the place of a filter.
    range: Range<usize>,
    function: &'static str,
    /// Whether it is omitted within another guard, because its value cannot grow before that guard
    /// checks it.
    is_weak: bool,
}

impl Tag<'_> {
    /// Adds the guards of this tag; none if its brackets do not match, which the parser refuses.
    fn guards(&self, all: &mut Vec<Guard>) {
        let Some(closing) = self.pairs() else { return };
        let mut own = Vec::new();
        if self.is_set_block() && self.words.len() > 1 {
            own.push(self.captured());
        }

        // Tags whose own words are not an expression have expressions in their brackets only.
        let mut end = self.words.len();
        if self.keyword() == Some("for") && end > 1 && self.words[end - 1].kind == Kind::Name("recursive") {
            end -= 1;
        }
        match self.keyword() {
            None => self.chains_of(0..end, &closing, &mut own),
            Some("if" | "elif" | "set" | "with" | "for") => {
                self.chains_of(1..end, &closing, &mut own);
                self.bindings(end, &closing, &mut own);
            }
            Some(_) => {}
        }
        for (open, word) in self.words.iter().enumerate() {
            if let Kind::Open(bracket) = word.kind {
                let close = closing[open];
                self.chains_of(open + 1..close, &closing, &mut own);
                let is_after_operand = open > 0 && self.ends_operand(open - 1);
                match (bracket, is_after_operand) {
                    ('(', true) => self.arguments(open + 1..close, &closing, &mut own),
                    ('[', true) => self.subscript(open, &closing, &mut own),
                    ('(', false) | (_, true) => {}
                    (_, false) => {
                        let names = self.words[open..close].iter().any(|word| matches!(word.kind, Kind::Name(_)));
                        if names {
                            own.push(self.guard(open..close + 1, BOUNDED, true));
                        }
                    }
                }
            }
        }
        all.extend(own);
    }

    /// Finds the partner of each bracket; returns `None` if they do not match.
    fn pairs(&self) -> Option<Vec<usize>> {
        let mut pairs = vec![0; self.words.len()];
        let mut open = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            match word.kind {
                Kind::Open(bracket) => open.push((at, bracket)),
                Kind::Close(bracket) => {
                    let (start, other) = open.pop()?;
                    if other != bracket {
                        return None;
                    }
                    pairs[start] = at;
                    pairs[at] = start;
                }
                _ => {}
            }
        }

        open.is_empty().then_some(pairs)
    }

    /// Splits words at those of one level that `ends` selects; brackets stay whole.
    fn split(&self, words: Range<usize>, closing: &[usize], ends: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let (mut start, mut at) = (words.start, words.start);
        while at < words.end {
            if matches!(self.words[at].kind, Kind::Open(_)) {
                at = closing[at];
            } else if ends(at) {
                parts.push(start..at);
                start = at + 1;
            }
            at += 1;
        }

        parts.push(start..words.end.max(start));
        parts
    }

    /// Guards sums and products of one level, because only they join and repeat lists.
    fn chains_of(&self, words: Range<usize>, closing: &[usize], own: &mut Vec<Guard>) {
        let ends = |at: usize| match self.words[at].kind {
            Kind::Comma | Kind::Assign | Kind::Weak | Kind::Colon => true,
            Kind::Name(name) => JOINING.contains(&name) && name != "is" && !self.is_attribute_or_test(at),
            _ => false,
        };

        for mut part in self.split(words, closing, ends) {
            while part.start < part.end && !self.begins_operand(part.start) {
                part.start += 1;
            }
            if self.has(part.clone(), closing, Kind::Plus) {
                own.push(self.guard(part.clone(), BOUNDED, true));
            }
            // An operator that repeats a list binds stronger than one that would write it out.
            let ends = |at: usize| match self.words[at].kind {
                Kind::Plus | Kind::Tilde => true,
                Kind::Minus => at > 0 && self.ends_operand(at - 1),
                _ => false,
            };
            for product in self.split(part, closing, ends) {
                if self.has(product.clone(), closing, Kind::Star) {
                    own.push(self.guard(product, BOUNDED, false));
                }
            }
        }
    }

    /// Returns whether words of one level contain a sign.
    fn has(&self, words: Range<usize>, closing: &[usize], sign: Kind<'_>) -> bool {
        self.split(words, closing, |at| self.words[at].kind == sign).len() > 1
    }

    /// Guards the arguments of a call whose values could be larger than the values that they name.
    fn arguments(&self, words: Range<usize>, closing: &[usize], own: &mut Vec<Guard>) {
        for mut part in self.split(words, closing, |at| self.words[at].kind == Kind::Comma) {
            while part.start < part.end && !self.begins_operand(part.start) {
                part.start += 1;
            }
            if part.len() > 2 && self.words[part.start + 1].kind == Kind::Assign {
                part.start += 2;
            }
            if self.grows(part.clone()) {
                own.push(self.guard(part, BOUNDED, true));
            }
        }
    }

    /// Guards the values that `set`, `with` and `for` bind to names.
    fn bindings(&self, end: usize, closing: &[usize], own: &mut Vec<Guard>) {
        let is = |at: usize, kind: Kind<'_>| self.words[at].kind == kind;
        match self.keyword() {
            Some("set") => {
                let parts = self.split(1..end, closing, |at| is(at, Kind::Assign));
                if let [target, value] = parts.as_slice() {
                    let is_stored = self.words[target.clone()].iter().any(|word| word.kind == Kind::Dot);
                    if is_stored && !value.is_empty() {
                        own.push(self.guard(value.clone(), STORED, false));
                    } else if self.grows(value.clone()) {
                        own.push(self.guard(value.clone(), BOUNDED, true));
                    }
                }
            }
            Some("with") => {
                for part in self.split(1..end, closing, |at| is(at, Kind::Comma)) {
                    let assign = part.clone().find(|at| is(*at, Kind::Assign));
                    let value = assign.map_or(part.end, |at| at + 1)..part.end;
                    if self.grows(value.clone()) {
                        own.push(self.guard(value, BOUNDED, true));
                    }
                }
            }
            Some("for") => {
                let Some(start) = (1..end).find(|at| is(*at, Kind::Name("in"))) else { return };
                let value = self.split(start + 1..end, closing, |at| is(at, Kind::Name("if"))).swap_remove(0);
                if self.grows(value.clone()) {
                    own.push(self.guard(value, BOUNDED, true));
                }
            }
            Some(_) | None => {}
        }
    }

    /// Returns whether an expression may yield a value larger than that of a name.
    fn grows(&self, words: Range<usize>) -> bool {
        let grows = |word: &Word<'_>| {
            matches!(word.kind, Kind::Plus | Kind::Star | Kind::Tilde | Kind::Pipe | Kind::Comma | Kind::Open(_))
        };
        self.words.get(words).is_some_and(|words| words.iter().any(grows))
    }

    fn begins_operand(&self, at: usize) -> bool {
        // The minus is the sign of a number; the stars of `f(*all)` begin no number.
        matches!(self.words[at].kind, Kind::Name(_) | Kind::Literal | Kind::Text | Kind::Open(_) | Kind::Minus)
    }

    fn ends_operand(&self, at: usize) -> bool {
        match self.words[at].kind {
            Kind::Name(_) if self.is_block && at == 0 => false,
            Kind::Name(name) => !JOINING.contains(&name) || self.is_attribute_or_test(at),
            Kind::Literal | Kind::Text | Kind::Close(_) => true,
            _ => false,
        }
    }

    /// Returns whether a word is the name of an attribute or of a test, whatever else it means.
    fn is_attribute_or_test(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map(|at| self.words[at].kind);
        matches!(before(1), Some(Kind::Dot | Kind::Pipe | Kind::Name("is")))
            || (before(1) == Some(Kind::Name("not")) && before(2) == Some(Kind::Name("is")))
    }

    /// Guards the value of a `set` block, with a filter after the last word of its tag.
    fn captured(&self) -> Guard {
        let end = self.words[self.words.len() - 1].range.end;
        Guard { range: end..end, function: BOUNDED, is_weak: false }
    }

    fn guard(&self, words: Range<usize>, function: &'static str, is_weak: bool) -> Guard {
        let range = self.words[words.start].range.start..self.words[words.end - 1].range.end;
        Guard { range, function, is_weak }
    }
}

/// Inserts the guards into the text.
fn insert(source: &str, mut guards: Vec<Guard>) -> Guarded {
    // The widest first, required guards before weak ones.
    guards.sort_by_key(|guard| (guard.range.start, std::cmp::Reverse(guard.range.end), guard.is_weak));
    guards.dedup_by(|next, before| next.range == before.range);
    let mut end = 0;
    guards.retain(|guard| {
        let is_inside = guard.range.end <= end && !guard.range.is_empty();
        if matches!(guard.function, BOUNDED | STORED) {
            end = end.max(guard.range.end);
        }
        !(guard.is_weak && is_inside)
    });

    let opening = guards.iter().map(|guard| (guard.range.start, true, guard.range.end, guard.function));
    let closing = guards.iter().map(|guard| (guard.range.end, false, guard.range.start, ""));
    let mut marks: Vec<_> = opening.chain(closing).collect();
    // At one place, first the ends, the innermost first, then the beginnings, the widest first.
    marks.sort_by_key(|(at, begins, other, _)| (*at, *begins, std::cmp::Reverse(*other)));

    let mut guarded = Guarded { text: String::with_capacity(source.len() + 32 * guards.len()), inserted: Vec::new() };
    let mut written = 0;
    for (at, begins, other, function) in marks {
        guarded.text.push_str(&source[written..at]);
        written = at;
        let before = guarded.text.len();
        match begins {
            true if at == other => guarded.text.extend([" | ", function]),
            true => guarded.text.extend([function, "(("]),
            false if at == other => {}
            false => guarded.text.push_str("))"),
        }
        guarded.inserted.push((at, guarded.text.len() - before));
    }
    guarded.text.push_str(&source[written..]);
    guarded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(text: &str) -> String {
        guard(text, &SyntaxConfig::default()).expect("it is within the bounds").text
    }

    #[test]
    fn what_only_reads_passes_no_guard() {
        for text in [
            "{{ name }}-{{ vars.image }} {{ net('node').gateway }} {{ 'a' ~ nid }}",
            "{% for nic in nics %}{{ nic.ip | default('-') }}{% endfor %}{% if nid > 3 and arch is eq 'x' %}a{% endif %}",
            "{% set x = name %}{% raw %}{{ a + b }}{% endraw %}{# a + b #} a + b",
            "{{ vars['a-b'].c }} {{ nics.eth0['ip'] }} {% if arch is in ['x', 'y'] %}{% include ['a'] %}{% endif %}",
        ] {
            assert_eq!(guarded(text), text);
        }
    }

    #[test]
    fn what_joins_repeats_and_keeps_passes_one() {
        for (text, want) in [
            ("{{ a + b }}", "{{ __bounded((a + b)) }}"),
            ("{{ a + b is not defined or c - d }}", "{{ __bounded((a + b is not defined)) or c - d }}"),
            ("{{ x.in + 1 if y else -z * 2 }}", "{{ __bounded((x.in + 1)) if y else __bounded((-z * 2)) }}"),
            ("{% set s = s ~ s %}", "{% set s = __bounded((s ~ s)) %}"),
            ("{% set s -%}a{% endset %}", "{% set s | __bounded -%}a{% endset %}"),
            ("{% set n.s = n.s -%}", "{% set n.s = __stored((n.s)) -%}"),
            ("{% set n.s = n.s + n.s %}", "{% set n.s = __stored((n.s + n.s)) %}"),
            ("{% set a, b = [x], 1 %}", "{% set a, b = __bounded(([x], 1)) %}"),
            ("{% with a = [b, b], c = a | list %}", "{% with a = __bounded(([b, b])), c = __bounded((a | list)) %}"),
            ("{% for a in b + b if a %}", "{% for a in __bounded((b + b)) if a %}"),
            ("{% for a in b | list recursive %}", "{% for a in __bounded((b | list)) recursive %}"),
            (
                "{{ m([x, x], k=y + y, *[z], **w) }}",
                "{{ m(__bounded(([x, x])), k=__bounded((y + y)), *__bounded(([z])), **w) }}",
            ),
            ("{% include 'a' + b ignore missing %}", "{% include 'a' + b ignore missing %}"),
            ("{{ [[a] * 3] * 3 }}", "{{ __bounded(([__bounded(([a] * 3))] * 3)) }}"),
            ("{{ a[1:n + 1] }}", "{{ __indexed((a))[1:__index((n + 1))] }}"),
            ("{{ a.b(c)[0].d[n] }}", "{{ __indexed((__indexed((a.b(c)))[0].d))[__index((n))] }}"),
            (
                "{{ -(a + b)[::-9223372036854775808] }}",
                "{{ -__indexed(((__bounded((a + b)))))[::__index((-9223372036854775808))] }}",
            ),
            ("{{ 'a' 'b'[1] ~ x[2]['c'] }}", "{{ __indexed(('a' 'b'))[1] ~ __indexed((x))[2]['c'] }}"),
            ("{% elif (a)[:1] == b %}", "{% elif __indexed(((a)))[:1] == b %}"),
        ] {
            assert_eq!(guarded(text), want);
        }
    }

    #[test]
    fn places_lead_back() {
        let text = "{{ a + b }} {% set n.s = [c] %}{{ d }}";
        let guarded = guard(text, &SyntaxConfig::default()).unwrap();
        for word in ["a", "b", "[c]", "d"] {
            let (there, here) = (guarded.text.rfind(word).unwrap(), text.rfind(word).unwrap());
            let place = |at: usize| at..at + word.len();
            assert_eq!(guarded.original(place(there)), place(here), "{word}");
        }
        assert_eq!(guarded.original(0..guarded.text.len()), 0..text.len());
        let call = guarded.text.find("__bounded").unwrap();
        assert_eq!(guarded.original(call..call + 18), 3..8, "{}", guarded.text);
    }

    #[test]
    fn chains_and_tags_are_counted_through_brackets_and_branches() {
        let deep = |text: &str| guard(text, &SyntaxConfig::default()).map(|_| ()).map_err(|error| error.message);
        let chain = |count: usize| format!("{{{{ 1{} }}}}", "+1".repeat(count));
        assert_eq!(deep(&chain(120)), Ok(()));
        assert!(deep(&chain(130)).unwrap_err().contains("chains or nests more than 250 words and signs"));
        assert_eq!(deep(&format!("{{{{ [{}] }}}}", "1+1, ".repeat(5_000))), Ok(()), "a long list is not deep");
        assert!(deep(&format!("{{{{ {}1", "[1 + ".repeat(100))).is_err(), "also where nothing closes");
        let branches = |count: usize| format!("{{% if a %}}{}{{% endif %}}", "{% elif b %}".repeat(count));

        assert_eq!(deep(&branches(99)), Ok(()));
        assert_eq!(deep(&branches(100)).unwrap_err(), "tags nest deeper than 100, each `elif` counted as one");
        assert_eq!(deep(&branches(90).repeat(50)), Ok(()), "one after the other");
        let blocks = "{% set x | replace(a=1) %}{% endset %}".repeat(200);
        assert_eq!(deep(&blocks), Ok(()));

        assert!(deep(&format!("{}{blocks}{}", "{% if a %}".repeat(60), "{% if a %}".repeat(60))).is_err());
    }
}
