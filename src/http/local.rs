//! Who may use a loopback port: programs of this host, but no web page.
//!
//! Every user of this host can reach the port, and so can the pages in their browsers: a page of
//! any origin may send requests there, and may read the answers through a name that it points to
//! 127.0.0.1 (DNS rebinding). A browser names the page's origin in `Host`, `Origin` and
//! `Sec-Fetch-Site`. No program needs the last two here. This does not authenticate anyone: a unix
//! socket keeps out users who may not ask at all.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The values that a browser sends for a request without a page, or from the same origin.
const OWN_SITES: [&str; 2] = ["none", "same-origin"];

/// Returns why a request is refused, if so.
///
/// `is_signed` marks a request that authenticates itself, under any name that a proxy passes on.
pub fn fault(uri: &Uri, headers: &HeaderMap, is_signed: bool) -> Option<&'static str> {
    if headers.contains_key(ORIGIN) {
        return Some("a request with an Origin is a web page's, and none may ask here");
    }
    let site = headers.get(&FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| !OWN_SITES.iter().any(|own| own.as_bytes() == site)) {
        return Some("a request from another site (Sec-Fetch-Site) is a web page's, and none may ask here");
    }
    let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let is_local = hosts.all(is_local) && uri.authority().is_none_or(|authority| is_local(authority.as_str()));
    (!is_local && !is_signed).then_some(
        "this Host is another's: ask for 127.0.0.1, [::1] or localhost, with any port, or serve on a unix socket",
    )
}

/// Returns whether a name with or without a port can only mean this host.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        // The colons belong to an IPv6 address.
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_loopback || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        fault(&Uri::from_static("/api/v1/status"), &headers, false).is_some()
    }

    #[test]
    fn only_names_of_this_host_are_its() {
        for host in ["localhost", "LOCALHOST:9000", "127.0.0.1", "127.0.0.1:8271", "127.9.9.9:1", "[::1]", "[::1]:8271"]
        {
            assert!(!refused(&[("host", host)]), "{host}");
        }
        let others = [
            "",
            "evil.example",
            "evil.example:8271",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "muster",
            "[::2]",
            "0.0.0.0:8271",
            "localhost:80:80",
            "127.0.0.1@evil.example",
        ];
        for host in others {
            assert!(refused(&[("host", host)]), "{host}");
        }
        // Programs with HTTP/1.0 send none, and browsers always do.
        assert!(!refused(&[]));
        assert!(refused(&[("host", "localhost"), ("host", "evil.example")]));
        let absolute = Uri::from_static("http://evil.example/api/v1/status");
        assert!(fault(&absolute, &HeaderMap::new(), false).is_some());
    }

    #[test]
    fn a_page_is_refused_whatever_it_asks_for() {
        let host = ("host", "127.0.0.1:8271");
        for page in [("origin", "http://127.0.0.1:8271"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            assert!(refused(&[host, page]), "{page:?}");
        }
        assert!(refused(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!refused(&[host, ("sec-fetch-site", "none")]) && !refused(&[host, ("sec-fetch-site", "same-origin")]));

        let proxied = [(HOST, HeaderValue::from_static("muster.example"))].into_iter().collect();
        assert!(fault(&Uri::from_static("/webhook"), &proxied, true).is_none());
        let page = [(ORIGIN, HeaderValue::from_static("http://evil.example"))].into_iter().collect();
        assert!(fault(&Uri::from_static("/webhook"), &page, true).is_some());
    }
}
