//! What belongs to one machine alone, taken out of texts so that equal changes of many machines are equal texts.

use crate::model::MacAddr;
use crate::snapshot::Snapshot;

/// Around the names of holes: control characters that nothing served holds.
const OPEN: char = '\u{3}';
const CLOSE: char = '\u{4}';

/// What belongs to one machine on one side of a change.
#[derive(Debug, Default)]
pub struct Mask {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// What must stand before the value, and stays.
    after: &'static str,
    value: Box<str>,
    /// With its marks.
    hole: Box<str>,
}

/// One value by which a machine is known, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub what: Box<str>,
    pub value: Box<str>,
    after: &'static str,
}

/// How much is taken for a machine's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Width {
    /// A nid where it is called one.
    #[default]
    Narrow,
    /// A nid wherever it stands alone.
    Wide,
}

/// Lists all by which a node is known, what is most its own first.
pub fn identities(snapshot: &Snapshot, node: usize, width: Width) -> Vec<Identity> {
    let desired = snapshot.desired();
    let own = &desired.nodes[node];
    let mut all = Vec::with_capacity(16);
    let mut put =
        |what: String, value: String| all.push(Identity { what: what.into(), value: value.into(), after: "" });
    put("name".into(), own.name.to_string());
    if let Some(xname) = &own.xname {
        put("xname".into(), xname.value.to_string());
    }
    for (spec, nic) in desired.nics(own) {
        if let Some(mac) = nic.mac {
            for (form, text) in mac_forms(mac.value) {
                put(format!("{}.mac{form}", spec.name), text);
            }
        }
        if let Some(guid) = nic.guid {
            put(format!("{}.guid", spec.name), guid.value.to_string());
        }
        for (number, ip) in nic.ips.iter().enumerate() {
            let number = if number == 0 { String::new() } else { (number + 1).to_string() };
            put(format!("{}.ip{number}", spec.name), ip.value.to_string());
        }
    }
    if let Some(serial) = &own.serial {
        put("serial".into(), serial.value.to_string());
    }
    if let Some(uuid) = own.uuid {
        put("uuid".into(), uuid.value.to_string());
    }
    if let Some(bmc) = own.bmc {
        put("bmc".into(), desired.bmcs[bmc.value as usize].name.to_string());
        of_bmc(snapshot, bmc.value as usize, &mut put);
    }
    if let Some(nid) = own.nid {
        let nid: Box<str> = nid.value.to_string().into();
        all.push(Identity { what: "nid".into(), value: nid.clone(), after: "nid=" });
        if width == Width::Wide {
            all.push(Identity { what: "nid".into(), value: nid, after: "" });
        }
    }
    all
}

/// Lists all by which a BMC is known.
pub fn bmc_identities(snapshot: &Snapshot, bmc: usize) -> Vec<Identity> {
    let mut all = Vec::with_capacity(4);
    let mut put =
        |what: String, value: String| all.push(Identity { what: what.into(), value: value.into(), after: "" });
    put("name".into(), snapshot.desired().bmcs[bmc].name.to_string());
    of_bmc(snapshot, bmc, &mut put);
    all
}

fn of_bmc(snapshot: &Snapshot, bmc: usize, put: &mut impl FnMut(String, String)) {
    let bmc = &snapshot.desired().bmcs[bmc];
    if let Some(url) = &bmc.url {
        put("bmc.url".into(), url.value.to_string());
    }
    if let Some(mac) = bmc.mac {
        put("bmc.mac".into(), mac.value.to_string());
    }
    if let Some(ip) = bmc.ip {
        put("bmc.ip".into(), ip.value.to_string());
    }
}

/// The ways in which texts write a MAC address, the usual one with nothing after its name.
fn mac_forms(mac: MacAddr) -> [(&'static str, String); 5] {
    let plain = mac.to_string();
    let (dashes, bare) = (plain.replace(':', "-"), plain.replace(':', ""));
    let upper = plain.to_uppercase();
    [("", plain), ("-dashes", dashes.clone()), ("-bare", bare), ("-upper", upper), ("-DASHES", dashes.to_uppercase())]
}

impl Mask {
    /// Makes the masks of both sides: a value that both have is called by its name, one that only this side has is the
    /// old or the new one.
    pub fn both(base: &[Identity], head: &[Identity]) -> (Self, Self) {
        let is_pair = !base.is_empty() && !head.is_empty();
        let side = |own: &[Identity], other: &[Identity], which: &str| {
            let entry = |identity: &Identity| {
                let same = !is_pair || other.contains(identity);
                let which = if same { "" } else { which };
                let hole = format!("{OPEN}{which}{}{CLOSE}", identity.what).into();
                Entry { after: identity.after, value: identity.value.clone(), hole }
            };
            Self { entries: own.iter().map(entry).collect() }
        };
        (side(base, head, "old "), side(head, base, "new "))
    }

    /// Puts holes in the place of values that stand alone: not inside of longer words or numbers.
    pub fn cover(&self, text: &str) -> String {
        let mut found: Vec<(usize, usize, &Entry)> = Vec::new();
        for entry in &self.entries {
            for (at, _) in text.match_indices(&*entry.value) {
                let end = at + entry.value.len();
                let (before, after) = (text[..at].chars().next_back(), text[end..].chars().next());
                let part_of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                let stands =
                    if entry.after.is_empty() { !part_of_word(before) } else { text[..at].ends_with(entry.after) };
                if stands && !part_of_word(after) {
                    found.push((at, end, entry));
                }
            }
        }
        // The first at each place, the longest of those, the first entry of those.
        found.sort_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        let (mut out, mut from) = (String::with_capacity(text.len()), 0);
        for (at, end, entry) in found {
            if at >= from {
                out.push_str(&text[from..at]);
                out.push_str(&entry.hole);
                from = end;
            }
        }
        out.push_str(&text[from..]);
        out
    }

    /// Puts values in the place of holes.
    pub fn fill(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for entry in &self.entries {
            if out.contains(&*entry.hole) {
                out = out.replace(&*entry.hole, &entry.value);
            }
        }
        out
    }

    /// Lists the holes, with their marks, and what they stand for.
    pub fn holes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (&*entry.hole, &*entry.value))
    }

    /// Covers a text that is one value as a whole, such as a nid, which stands nowhere else without a word before it.
    pub fn cover_whole(&self, what: &str, text: &str) -> String {
        let whole = self.entries.iter().find(|entry| {
            !entry.after.is_empty() && entry.after.trim_end_matches('=') == what && *entry.value == *text
        });
        whole.map_or_else(|| self.cover(text), |entry| entry.hole.to_string())
    }
}

/// Stands for the line that keeps the parts of a message apart.
pub const BOUNDARY: &str = "\u{3}boundary\u{4}";

/// Puts a hole in the place of the line that keeps the parts of a message apart: it follows from the parts.
pub fn without_boundary(text: &str) -> String {
    let begins = text.strip_prefix("Content-Type: multipart/mixed; boundary=\"");
    match begins.and_then(|rest| rest.split_once('"')) {
        Some((boundary, _)) if boundary.starts_with("muster-") => text.replace(boundary, BOUNDARY),
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_holes(text: &str) -> String {
        text.replace(OPEN, "<").replace(CLOSE, ">")
    }

    fn identity(what: &str, value: &str, after: &'static str) -> Identity {
        Identity { what: what.into(), value: value.into(), after }
    }

    #[test]
    fn what_is_its_own_is_covered_where_it_stands_alone() {
        let base = [identity("name", "n1", ""), identity("ip", "10.0.0.1", ""), identity("nid", "5", "nid=")];
        let head = [identity("name", "n1", ""), identity("ip", "10.0.0.9", ""), identity("nid", "5", "nid=")];
        let (old, new) = Mask::both(&base, &head);
        let text = "n1.example n10 xn1 10.0.0.1/24 10.0.0.15 nid=5 5 nid=51 [n1]";
        let covered = old.cover(text);
        let want = "<name>.example n10 xn1 <old ip>/24 10.0.0.15 nid=<nid> 5 nid=51 [<name>]";
        assert_eq!(with_holes(&covered), want);
        assert_eq!(old.fill(&covered), text);
        assert_eq!(with_holes(&new.cover("10.0.0.9 10.0.0.1")), "<new ip> 10.0.0.1");
        assert_eq!(with_holes(&new.cover_whole("nid", "5")), "<nid>");
        let (none, added) = Mask::both(&[], &head);
        assert_eq!((with_holes(&added.cover("n1")), none.cover("n1")), ("<name>".into(), "n1".into()));
    }

    #[test]
    fn the_line_between_parts_follows_from_them() {
        let text = "Content-Type: multipart/mixed; boundary=\"muster-00\"\n\n--muster-00\na\n--muster-00--\n";
        assert_eq!(with_holes(&without_boundary(text)).matches("<boundary>").count(), 3);
        assert_eq!(without_boundary("#cloud-config\n"), "#cloud-config\n");
    }
}
