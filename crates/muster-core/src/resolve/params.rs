//! Kernel parameters: how layers join their lists, and what one parameter may look like.

use std::collections::BTreeSet;

use super::text::Draft;
use crate::desired::template::SERVER_MARK;
use crate::desired::{At, Findings};
use crate::model::{Code, Diagnostic, Origin, Place};

/// What an element of a layer's list does to what weaker layers stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act<'t> {
    /// `key=v`: replace the one weaker entry of the key.
    Set(&'t str),
    /// `=key=v`: replace all, at the place of the first.
    ReplaceAll(&'t str),
    /// `+key=v`: add.
    Add(&'t str),
    /// `-key`: remove all.
    RemoveAll(&'t str),
    /// `-key=v`: remove this one.
    RemoveOne(&'t str),
}

impl<'t> Act<'t> {
    fn of(text: &'t str) -> Self {
        match text.as_bytes().first() {
            Some(b'=') => Self::ReplaceAll(&text[1..]),
            Some(b'+') => Self::Add(&text[1..]),
            // What follows it is for init, so it is a parameter that sites write, and the key `-` is not.
            Some(b'-') if text == "--" => Self::Set(text),
            Some(b'-') if text[1..].contains('=') => Self::RemoveOne(&text[1..]),
            Some(b'-') => Self::RemoveAll(&text[1..]),
            _ => Self::Set(text),
        }
    }
}

/// Returns the key of a parameter: the text before the first `=`, with `_` for `-`, as the kernel compares them.
pub fn key(param: &str) -> String {
    param.split('=').next().unwrap_or_default().replace('-', "_")
}

/// Compares two parameters as the kernel does: `-` and `_` are equal in keys, and nothing else is.
fn is_same(one: &str, other: &str) -> bool {
    let value = |param: &str| param.split_once('=').map(|(_, value)| value.to_owned());
    key(one) == key(other) && value(one) == value(other)
}

/// The parameters that the layers so far come to.
#[derive(Debug, Clone, Default)]
pub struct Params {
    all: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    draft: Draft,
    /// Which list the entry came from; entries of one list never replace each other.
    list: usize,
}

/// What a list was laid with: where its elements stand, and what they looked for in weaker layers.
pub struct Laying<'a> {
    pub place: &'a dyn Fn(Origin) -> Place,
    /// The elements that take something back.
    pub sought: &'a mut BTreeSet<Origin>,
    /// Those of them that found something.
    pub found: &'a mut BTreeSet<Origin>,
}

/// How many of the entries that a parameter could replace a finding shows.
const MAX_RELATED: usize = 8;

impl Params {
    /// Lays the list of one layer over what weaker layers stated.
    pub fn lay(
        &mut self,
        list: &[At<String>],
        origin: &dyn Fn(&At<String>) -> Origin,
        laying: &mut Laying<'_>,
        findings: &mut Findings,
    ) {
        let number = self.all.iter().map(|entry| entry.list + 1).max().unwrap_or(0);
        for element in list {
            let at = origin(element);
            match Act::of(&element.value) {
                Act::Add(param) => self.push(param, at, number),
                Act::Set(param) => self.set(param, at, number, laying, findings),
                Act::ReplaceAll(param) => self.replace_all(param, at, number),
                Act::RemoveAll(param) => {
                    let wanted = key(param);
                    self.remove(at, laying, |entry| entry.list < number && entry.key == wanted);
                }
                Act::RemoveOne(param) => {
                    self.remove(at, laying, |entry| entry.list < number && is_same(&entry.draft.source, param));
                }
            }
        }
    }

    /// Returns how many parameters there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns the parameters in their order.
    pub fn finish(self) -> Vec<Draft> {
        self.all.into_iter().map(|entry| entry.draft).collect()
    }

    /// Iterates over keys, texts and where they are stated.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Origin)> {
        self.all.iter().map(|entry| (&*entry.key, &*entry.draft.source, entry.draft.origin))
    }

    fn push(&mut self, param: &str, origin: Origin, list: usize) {
        self.all.push(Entry { key: key(param), draft: Draft { source: param.into(), origin }, list });
    }

    fn set(&mut self, param: &str, origin: Origin, list: usize, laying: &Laying<'_>, findings: &mut Findings) {
        let wanted = key(param);
        let entry = Entry { key: wanted.clone(), draft: Draft { source: param.into(), origin }, list };
        let weaker: Vec<usize> =
            (0..self.all.len()).filter(|at| self.all[*at].list < list && self.all[*at].key == wanted).collect();
        match weaker.as_slice() {
            [] => {
                // A repeat within one list follows what the list has placed so far: beside the first of its key if that
                // one replaced a weaker entry, and never before an element that is written before it. The kernel reads
                // `hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512` in pairs.
                let is_repeat = self.all.iter().any(|other| other.list == list && other.key == wanted);
                let last = self.all.iter().rposition(|other| other.list == list);
                match last.filter(|_| is_repeat) {
                    Some(at) => self.all.insert(at + 1, entry),
                    None => self.all.push(entry),
                }
            }
            [one] => self.all[*one] = entry,
            several => {
                let name = param.split('=').next().unwrap_or_default();
                let message =
                    format!("weaker layers state `{name}` {} times; which one does this replace?", several.len());
                let hint =
                    format!("`={param}` replaces all, `+{param}` adds one, `-{name}=VALUE` before it removes one");
                let mut finding = Diagnostic::new(Code::AmbiguousParam, (laying.place)(origin), message).hint(hint);
                for at in several.iter().take(MAX_RELATED) {
                    finding = finding.related((laying.place)(self.all[*at].draft.origin), "stated here");
                }
                findings.push(finding);
            }
        }
    }

    fn replace_all(&mut self, param: &str, origin: Origin, list: usize) {
        let wanted = key(param);
        let entry = Entry { key: wanted.clone(), draft: Draft { source: param.into(), origin }, list };
        let weaker = |other: &Entry| other.list < list && other.key == wanted;
        match self.all.iter().position(weaker) {
            Some(first) => {
                self.all[first] = entry;
                self.all.retain(|other| !weaker(other));
            }
            None => self.all.push(entry),
        }
    }

    fn remove(&mut self, origin: Origin, laying: &mut Laying<'_>, is_it: impl Fn(&Entry) -> bool) {
        let before = self.all.len();
        self.all.retain(|entry| !is_it(entry));
        laying.sought.insert(origin);
        if self.all.len() < before {
            laying.found.insert(origin);
        }
    }
}

/// Tells what keeps an expanded text from being one kernel parameter.
///
/// iPXE splits a line at blanks and joins the words by one. Quotes mean nothing to it: a word that begins with `#` begins a
/// comment, and the words `;`, `||` and `&&` end a command, inside double quotes too. It expands `${...}` word by word and
/// only then, so that no value of a setting ends a line. The kernel keeps together what is inside double quotes.
pub fn fault(param: &str) -> Option<String> {
    // The mark of the server is muster's own, and the only control characters that a parameter may hold.
    let mut written = param.split(SERVER_MARK).flat_map(str::chars);
    if let Some(c) = written.clone().find(|c| c.is_control()) {
        return Some(format!("a parameter holds the control character {c:?}"));
    }
    // Under UEFI, iPXE makes one UTF-16 unit of each byte of UTF-8, and the kernel reads those.
    if let Some(c) = written.find(|c| !c.is_ascii()) {
        return Some(format!("{c:?} is not ASCII: under UEFI, iPXE hands other characters to the kernel"));
    }
    if let Some(sign) = ["{{", "{%"].into_iter().find(|sign| param.contains(sign)) {
        return Some(format!("`{sign}` is left in the parameter: the result of a template is not expanded again"));
    }
    for ends in ["||", "&&"] {
        if param.contains(ends) {
            return Some(format!("`{ends}` in a parameter ends the line for iPXE"));
        }
    }
    if param.starts_with('#') {
        return Some("`#` at the start of a parameter begins a comment for iPXE".into());
    }
    if let Some(word) = param.split(' ').find(|word| word.starts_with('#')) {
        return Some(format!(
            "the word `{word}` begins a comment for iPXE, inside double quotes too; write another sign before the `#`"
        ));
    }
    if param.split(' ').any(|word| word == ";") {
        return Some(
            "the word `;` ends the line for iPXE, inside double quotes too; leave out the blank before it".into(),
        );
    }
    if param.starts_with("initrd=") {
        return Some("muster writes `initrd=` itself, one for each file of `initrd`; leave it out".into());
    }
    if param.matches('"').count() % 2 == 1 {
        return Some("a parameter has an odd number of double quotes".into());
    }
    let mut quoted = false;
    let mut last = ' ';
    for c in param.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => return Some("one element is one parameter: no blanks outside double quotes".into()),
            ' ' if last == ' ' => return Some("iPXE makes one of two blanks in a row".into()),
            _ => {}
        }
        last = c;
    }
    None
}

/// Tells what keeps an expanded text from being the URL of a kernel or an initial RAM disk.
pub fn url_fault(url: &str) -> Option<String> {
    let filled = url.replace(SERVER_MARK, "http://server");
    crate::desired::boot_url_fault(&filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileId, Layer, Span};

    fn lay(layers: &[&[&str]]) -> (Vec<String>, Vec<String>, usize) {
        let mut params = Params::default();
        let mut findings = Findings::new();
        let (mut sought, mut found) = (BTreeSet::new(), BTreeSet::new());
        let mut at = 0;
        for layer in layers {
            let list: Vec<At<String>> = layer
                .iter()
                .map(|text| {
                    at += 1;
                    At { value: (*text).to_owned(), span: Span { start: at, end: at } }
                })
                .collect();
            let origin = |at: &At<String>| Origin { file: FileId(0), at: at.span.start as u32, layer: Layer::Defaults };
            let place = |origin: Origin| Place::at("x", origin.at as usize..origin.at as usize);
            let mut laying = Laying { place: &place, sought: &mut sought, found: &mut found };
            params.lay(&list, &origin, &mut laying, &mut findings);
        }
        let all = params.finish().into_iter().map(|draft| draft.source.into()).collect();
        let messages = findings.into_iter().map(|finding| finding.message).collect();
        (all, messages, sought.len() - found.len())
    }

    #[test]
    fn layers_join_by_key() {
        for (layers, want) in [
            (&[&["a=1", "b", "c=1"][..], &["a=2"]][..], "a=2 b c=1"),
            (&[&["rd-x=1", "b"], &["rd_x=2"]], "rd_x=2 b"),
            (&[&["a=1"], &["b"], &["a"]], "a b"),
            (&[&["console=tty0", "console=ttyS0"], &["quiet"]], "console=tty0 console=ttyS0 quiet"),
            (&[&["console=tty0", "q"], &["console=a", "console=b"]], "console=a console=b q"),
            (&[&["console=tty0", "q", "console=ttyS0"], &["=console=ttyS1"]], "console=ttyS1 q"),
            (&[&["console=tty0", "q"], &["+console=ttyS1"]], "console=tty0 q console=ttyS1"),
            (&[&["console=tty0", "q", "console=ttyS0"], &["-console"]], "q"),
            (&[&["console=tty0", "q", "console=ttyS0"], &["-console=ttyS0"]], "console=tty0 q"),
            (&[&["console=tty0", "console=ttyS0"], &["-console=tty0", "console=x"]], "console=x"),
            (&[&["sz=1G", "pages=16", "sz=2M", "pages=512"]], "sz=1G pages=16 sz=2M pages=512"),
            (&[&["sz=4K", "pages=1", "q"], &["sz=1G", "pages=16", "sz=2M"]], "sz=1G pages=16 sz=2M q"),
            (&[&["a=1", "b", "a=2"]], "a=1 b a=2"),
            (&[&["a-b=1", "q"], &["-a_b=1"]], "q"),
            (&[&["a"], &["=b=1", "+--"]], "a b=1 --"),
            (&[&["a"], &["--", "single"]], "a -- single"),
            (&[&["a", "--", "single"], &["---"]], "a single"),
        ] {
            let (all, findings, lost) = lay(layers);
            assert_eq!((all.join(" ").as_str(), findings.len(), lost), (want, 0, 0), "{layers:?}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_asked_back() {
        let (_, findings, _) = lay(&[&["console=tty0", "console=ttyS0"], &["console=x"]]);
        assert_eq!(findings, ["weaker layers state `console` 2 times; which one does this replace?"]);
        let (_, _, lost) = lay(&[&["quiet"], &["-quite"]]);
        assert_eq!(lost, 1);
    }

    #[test]
    fn one_parameter_is_one_word() {
        for good in ["quiet", "dyndbg=\"file a.c +p\"", "root=live:http://x/${net0/mac}", "a='b'", "x=#1", "k=\"\""] {
            assert_eq!(fault(good), None, "{good}");
        }
        for good in ["a;b", "dyndbg=\"file a.c +p; file b.c +p\"", "a=\"x ;y ;; z\"", "a=\"b no.#2\"", "\"#a\"", "a=;"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "initrd=x",
            "a b",
            "a=\"b",
            "a\nb",
            "a||b",
            "a&&b",
            "#x",
            "a=\"b  c\"",
            "a\u{a0}b",
            "a\tb",
            "a\u{1}who\u{2}",
            "a=ü",
            "a={{name}}",
            "a=\"{% if b %}\"",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }

    /// Its own signs are iPXE's wherever they are a word, and the message names them.
    #[test]
    fn quotes_hide_nothing_from_ipxe() {
        for (bad, sign) in [
            (";", "`;`"),
            ("a=\"+p ; b\"", "`;`"),
            ("a=\"b ;\" ;", "`;`"),
            ("\" ; \"", "`;`"),
            ("#", "`#`"),
            ("a=\"b # c\"", "`#`"),
            ("a=\"b #c\"", "`#c\"`"),
            ("a=\"b #c d\"", "`#c`"),
            ("a=\"b #\"", "`#\"`"),
        ] {
            let fault = fault(bad).unwrap_or_else(|| panic!("{bad} passes"));
            assert!(fault.contains("iPXE") && fault.contains(sign), "{bad}: {fault}");
        }
    }
}
