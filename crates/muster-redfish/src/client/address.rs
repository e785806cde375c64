//! Resolves the URLs of requests to a BMC, and confines them to its origin.

use std::net::IpAddr;

use url::{Host, Url};

use muster_core::observed::{Failure, FailureKind};

/// The two origins of one BMC: the declared one, and the one that is really contacted.
#[derive(Debug, Clone)]
pub(super) struct Address {
    declared: Url,
    asked: Url,
}

impl Address {
    /// Creates an address from the origins of an endpoint; paths are dropped.
    ///
    /// # Errors
    /// The scheme is neither http nor https, there is no host, or the URL contains a credential.
    pub(super) fn new(declared: &Url, connect: Option<&Url>) -> Result<Self, Failure> {
        Ok(Self { declared: root_of(declared)?, asked: root_of(connect.unwrap_or(declared))? })
    }

    /// Returns the origin that is really contacted.
    pub(super) fn asked(&self) -> &Url {
        &self.asked
    }

    /// Returns the IP addresses of both origins; host names are skipped.
    pub(super) fn hosts(&self) -> Vec<IpAddr> {
        let address = |url: &Url| match url.host()? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        [&self.declared, &self.asked].into_iter().filter_map(address).collect()
    }

    /// Resolves a link: a path, or a URL of the BMC itself.
    ///
    /// # Errors
    /// [`FailureKind::CrossOrigin`] for any other origin; [`FailureKind::Malformed`] for an invalid
    /// link.
    pub(super) fn of(&self, link: &str) -> Result<Url, Failure> {
        self.from(&self.asked, link)
    }

    /// Resolves a link in the reply of `base`.
    pub(super) fn from(&self, base: &Url, link: &str) -> Result<Url, Failure> {
        let shown = || muster_core::observed::bounded(link, 200);
        let url =
            base.join(link).map_err(|_| Failure::new(FailureKind::Malformed, format!("`{}` is no link", shown())))?;
        let is_same_host = url.host() == self.asked.host() || url.host() == self.declared.host();
        if self.asked.scheme() == "http" && url.scheme() == "https" && is_same_host {
            let why = format!("it speaks https: it leads to `{}`", shown());
            return Err(Failure::new(FailureKind::NeedsHttps, why));
        }

        let is_own = url.origin() == self.asked.origin() || url.origin() == self.declared.origin();
        if !is_own || !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::new(FailureKind::CrossOrigin, format!("`{}` leads to another origin", shown())));
        }
        Ok(self.here(&url))
    }

    /// Returns the same path and query on the contacted origin.
    pub(super) fn here(&self, url: &Url) -> Url {
        let mut own = self.asked.clone();
        own.set_path(url.path());
        own.set_query(url.query());
        own
    }
}

/// Returns the other form of a URL: with or without a slash at the end of its path.
pub(super) fn other_slash(url: &Url) -> Option<Url> {
    with_slash(url, !url.path().ends_with('/'))
}

/// Adds or removes the slash at the end of a URL's path; returns `None` if that changes nothing or
/// leaves no path.
pub(super) fn with_slash(url: &Url, wanted: bool) -> Option<Url> {
    let bare = url.path().trim_end_matches('/');
    if bare.is_empty() || url.path().ends_with('/') == wanted {
        return None;
    }
    let path = if wanted { format!("{bare}/") } else { bare.to_owned() };
    let mut other = url.clone();
    other.set_path(&path);
    Some(other)
}

/// Returns the path and query of a URL, for messages.
pub(super) fn shown(url: &Url) -> String {
    let query = url.query().map_or(String::new(), |query| format!("?{query}"));
    muster_core::observed::bounded(&format!("{}{query}", url.path()), 200).into()
}

fn root_of(url: &Url) -> Result<Url, Failure> {
    let fault = |why: &str| Err(Failure::new(FailureKind::NotRedfish, format!("the BMC's URL {why}")));
    if !matches!(url.scheme(), "http" | "https") {
        return fault("is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return fault("holds a credential; name one instead");
    }

    if !url.has_host() {
        return fault("has no host");
    }
    let mut root = url.clone();
    root.set_path("/");
    root.set_query(None);
    root.set_fragment(None);

    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        let url = |text: &str| Url::parse(text).unwrap();
        Address::new(&url("https://10.1.0.1"), Some(&url("https://127.0.0.1:8443/x"))).unwrap()
    }

    #[test]
    fn links_lead_to_the_origin_that_is_asked() {
        for (link, url) in [
            ("/redfish/v1/Systems/1", "https://127.0.0.1:8443/redfish/v1/Systems/1"),
            ("/redfish/v1/Systems?$expand=.#/Members/0", "https://127.0.0.1:8443/redfish/v1/Systems?$expand=."),
            ("https://10.1.0.1:443/redfish/v1/a?b", "https://127.0.0.1:8443/redfish/v1/a?b"),
            ("https://127.0.0.1:8443/redfish", "https://127.0.0.1:8443/redfish"),
        ] {
            assert_eq!(address().of(link).unwrap().as_str(), url, "{link}");
        }
    }

    #[test]
    fn no_spelling_leads_elsewhere() {
        for link in [
            "//evil.example/redfish",
            "/\\evil.example",
            "\\\\evil.example",
            "http://127.0.0.1:8443/",
            "https://127.0.0.1/",
            "https://10.1.0.1:8443/",
            "https://u:p@10.1.0.1/",
            "https://u@127.0.0.1:8443/",
            "https:evil.example",
            "file:///etc/passwd",
            "/\t/evil.example",
            "https://10.1.0.1.evil.example/",
        ] {
            let Ok(url) = address().of(link) else { continue };
            assert_eq!(url.origin(), address().asked().origin(), "{link} became {url}");
            assert!(url.username().is_empty(), "{link} became {url}");
        }

        assert_eq!(address().of("//evil.example/").unwrap_err().kind, FailureKind::CrossOrigin);
    }

    #[test]
    fn a_service_that_leads_to_https_says_so() {
        let url = Url::parse("http://10.1.0.1").unwrap();
        let address = Address::new(&url, None).unwrap();
        let kind = |link: &str| address.from(&url, link).unwrap_err().kind;
        assert_eq!(kind("https://10.1.0.1/redfish/v1/"), FailureKind::NeedsHttps);
        assert_eq!(kind("https://10.1.0.1:8443/"), FailureKind::NeedsHttps);
        assert_eq!(kind("https://10.1.0.2/redfish/v1/"), FailureKind::CrossOrigin);
    }

    #[test]
    fn a_url_with_a_credential_is_refused() {
        let url = Url::parse("https://root:hunter2@10.1.0.1").unwrap();
        let failure = Address::new(&url, None).unwrap_err();
        assert!(!failure.to_string().contains("hunter2"));
    }

    #[test]
    fn the_other_slash_keeps_the_query() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(other_slash(&url("https://a/b?c=/")).unwrap().as_str(), "https://a/b/?c=/");
        assert_eq!(other_slash(&url("https://a/b/")).unwrap().as_str(), "https://a/b");
        assert_eq!(other_slash(&url("https://a/")), None);
    }
}
