//! Checks of single values: names, addresses, URLs; each reports faults with their places.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::civil::Date;

use super::at::At;
use super::file::DateText;
use super::sources::{Findings, Here};
use crate::model::{Code, Diagnostic, Place};

/// The longest name of a machine: RFC 1123 allows host names of 253 characters.
const MAX_NAME: usize = 253;

/// The longest URL; iPXE accepts 3 kB and more (measured), and a kernel line contains several.
const MAX_URL: usize = 1024;

/// The longest `advertise` URL. It occurs up to twice in a kernel line of 2,047 bytes, and the line
/// is checked before the host's own URL is known, so this many bytes are reserved for each.
pub const MAX_ADVERTISE: usize = 128;

/// The schemes that every build of iPXE supports (<https://ipxe.org/appnote/uri>), and `https`,
/// which is optional.
const BOOT_SCHEMES: [&str; 5] = ["http", "https", "tftp", "ftp", "nfs"];

/// Returns the fault in a text as the name of a machine, group, network or interface.
///
/// Names are letters, digits, `.`, `-` and `_`, and begin and end with a letter or digit: they
/// occur in URLs, in file names, in host names and in node sets, and must mean the same there.
pub fn name_fault(name: &str) -> Option<&'static str> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name.is_empty() {
        Some("a name has at least one character")
    } else if name.len() > MAX_NAME {
        Some("a name has at most 253 characters")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        Some("a name is letters, digits, `.`, `-` and `_`")
    } else if !edge(name.chars().next()) || !edge(name.chars().next_back()) {
        Some("a name begins and ends with a letter or digit")
    } else {
        None
    }
}

/// Returns the fault in a text as a URL for a node or a BMC client.
pub fn url_fault(url: &str, schemes: &[&str]) -> Option<String> {
    if let Some(sign) = ["{{", "{%"].into_iter().find(|sign| url.contains(sign)) {
        return Some(format!("`{sign}` is left in the URL: no template is expanded there"));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some(format!("a full URL begins with `{}://`", schemes[0]));
    };
    if !schemes.contains(&scheme) {
        return Some(format!("`{scheme}` is none of {}", schemes.join(", ")));
    }

    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[..host_end].is_empty() {
        return Some("the URL names no host".into());
    }
    if url.len() > MAX_URL {
        return Some(format!("the URL is over {MAX_URL} bytes"));
    }

    let bad = url.chars().find(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\' | '|'));
    bad.map(|c| format!("a URL has no {c:?}; write it percent-encoded"))
}

/// Returns the fault in a text as the URL of a kernel or an initial RAM disk.
pub fn boot_url_fault(url: &str) -> Option<String> {
    url_fault(url, &BOOT_SCHEMES)
}

/// Returns the fault in a text as the URL at which nodes reach muster.
pub fn advertise_fault(url: &str) -> Option<String> {
    url_fault(url, &["http", "https"]).or_else(|| {
        if url.len() > MAX_ADVERTISE {
            Some(format!("the URL is over {MAX_ADVERTISE} bytes"))
        } else if url.contains(['?', '#', '$']) {
            Some("the URL has a query, a fragment or `$`".into())
        } else {
            None
        }
    })
}

/// Checks the URL at which nodes reach muster, and removes a final slash.
pub fn advertise(here: &Here<'_>, url: &At<String>, findings: &mut Findings) -> Option<Box<str>> {
    if let Some(fault) = advertise_fault(&url.value) {
        let finding = Diagnostic::new(Code::BadUrl, here.place(url.span), fault);
        findings.push(finding.hint("write the URL that reaches muster's boot listener, such as http://10.0.0.1:8270"));
        return None;
    }
    Some(url.value.trim_end_matches('/').into())
}

/// Returns the host of a URL, without user, port or brackets.
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map(|(host, _)| host),
        None => Some(host.split_once(':').map_or(host, |(host, _)| host)),
    }
}

/// Returns the host of a URL, normalized for comparison, and its port.
pub fn endpoint_of(url: &str) -> Option<(String, u16)> {
    let host = host_of(url)?;
    let (scheme, rest) = url.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let stated = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let port = stated.unwrap_or(if scheme == "http" { 80 } else { 443 });
    Some((host.trim_end_matches('.').to_ascii_lowercase(), port))
}

/// Reads an IP address.
pub fn ip(place: &dyn Fn() -> Place, text: &str, findings: &mut Findings) -> Option<IpAddr> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let message = format!("`{text}` is no IP address");
            let hint = text.contains('/').then(|| "the prefix length comes from the network's cidr".to_owned());
            findings.push(Diagnostic::new(Code::BadIp, place(), message).maybe_hint(hint));
            None
        }
    }
}

/// Parses a day.
pub fn date(here: &Here<'_>, text: &At<DateText>, hint: &str, findings: &mut Findings) -> Option<Date> {
    let At { value: DateText(text), span } = text;
    // The library accepts more than a day, and would silently drop a time.
    let date = Some(text).filter(|text| text.len() == "2026-12-31".len()).and_then(|text| text.parse().ok());
    if date.is_none() {
        findings.push(Diagnostic::new(Code::BadValue, here.place(*span), format!("`{text}` is no date")).hint(hint));
    }
    date
}

/// Reads an address range.
pub fn address_range(here: &Here<'_>, text: &At<String>, findings: &mut Findings) -> Option<IpNet> {
    match text.value.parse::<IpNet>() {
        Ok(net) if net.addr() != net.network() => {
            let message = format!("`{}` has bits beyond its prefix", text.value);
            let finding = Diagnostic::new(Code::BadIp, here.place(text.span), message);
            findings.push(finding.hint(format!("did you mean `{}`?", net.trunc())));
            None
        }
        Ok(net) => Some(net),
        Err(_) => {
            let message = format!("`{}` is no address range", text.value);
            let finding = Diagnostic::new(Code::BadIp, here.place(text.span), message);
            findings.push(finding.hint("write an address and a prefix length, such as 10.0.0.0/22"));
            None
        }
    }
}

/// Checks the MTU: 68 bytes are the minimum of IPv4 (RFC 791).
pub fn mtu(here: &Here<'_>, mtu: &At<u32>, findings: &mut Findings) -> Option<u32> {
    if (68..=65535).contains(&mtu.value) {
        return Some(mtu.value);
    }
    findings.push(Diagnostic::new(Code::BadValue, here.place(mtu.span), "an MTU is 68 to 65535 bytes"));
    None
}

/// Checks the name of a machine, group or other thing.
pub fn check_name(place: impl FnOnce() -> Place, name: &str, findings: &mut Findings) -> bool {
    match name_fault(name) {
        None => true,
        Some(fault) => {
            findings.push(Diagnostic::new(Code::BadName, place(), format!("`{name}` cannot be a name: {fault}")));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_the_same_everywhere() {
        for good in ["nid0001", "x1000c0s0b0", "gpu-1", "a.b_c", "1"] {
            assert_eq!(name_fault(good), None, "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "nid[1-2]", "käse", "a/b", "..", &"a".repeat(254)] {
            assert!(name_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn urls_are_full_and_clean() {
        for good in ["http://a/b", "tftp://10.0.0.1/vmlinuz", "http://[fd00::1]:80/x?y=1&z"] {
            assert_eq!(boot_url_fault(good), None, "{good}");
        }
        for bad in ["vmlinuz", "/vmlinuz", "file:///x", "http:///x", "http://a/b c", "http://a/\n", "http://a/||"] {
            assert!(boot_url_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn hosts_come_bare() {
        assert_eq!(host_of("https://10.1.0.1"), Some("10.1.0.1"));
        assert_eq!(host_of("https://u:p@bmc1:8443/redfish"), Some("bmc1"));
        assert_eq!(host_of("https://[fd00::1]:443/"), Some("fd00::1"));
        assert_eq!(host_of("bmc1"), None);
        let endpoint = |url| endpoint_of(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(endpoint("https://BMC1.example./redfish").as_deref(), Some("bmc1.example 443"));
        assert_eq!(endpoint("http://[fd00::1]/"), endpoint("http://[fd00::1]:80"));
        assert_eq!(endpoint("https://u:p@bmc1:8443").as_deref(), Some("bmc1 8443"));
    }
}
