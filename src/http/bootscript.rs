//! The boot script over HTTP, in the dialect of BSS (docs/wire/bss.md).
//!
//! It improves on faults of BSS: HEAD is allowed, every notation of a MAC address finds its node,
//! and a client's own text goes into a script only as one percent-encoded word.

mod keys;

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use axum::http::header::USER_AGENT;
use axum::http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::answer::{self, Answer, JSON, PLAIN};
use super::boot::{Asked, Boot, InVain};
use super::counters::Refusal;
use super::now;
use super::query::{Query, TooLong};
use super::serving::{Seen, Slot};
use crate::drift::runs;
use crate::ipxe::{Ask, Script};
use crate::model::MacAddr;
use crate::observed::{MAX_ARCH, MAX_USER_AGENT, UnknownMac, bounded};
use crate::snapshot::{self, Prepared, Snapshot, UnknownAnswer};
use keys::{Found, Identity, Keys};

/// The start of the user agent of a client that runs the script.
const BOOT_CLIENT: &str = "iPXE/";

/// Answers a request for a script; `path` is the requested path.
pub fn answer(boot: &Boot, asked: &Asked<'_>, path: &str) -> Answer {
    let counters = &asked.serving.counters;
    let query = match Query::parse(asked.query) {
        Ok(query) => query,
        Err(TooLong(key)) => {
            counters.refuse(Refusal::Malformed);
            let detail = format!("{key}= is longer than 256 bytes");
            return answer::problem(StatusCode::BAD_REQUEST, &detail);
        }
    };

    let Some(keys) = Keys::of(&query) else {
        counters.refuse(Refusal::Malformed);
        return answer::problem(StatusCode::BAD_REQUEST, "Need a mac=, name=, or nid= parameter");
    };

    let Some(snapshot) = &asked.serving.snapshot else {
        counters.refuse(Refusal::Starting);
        return answer::starting();
    };

    let keys = keys.settled(asked.serving, snapshot);
    let found = keys.find(asked.serving, snapshot);
    let request = Lookup { boot, asked, path, snapshot, query: &query, keys, found };

    match found {
        Found::Named { node, .. } | Found::Machine(node) => request.known(node),
        Found::Held | Found::Contradiction { .. } | Found::Nobody => request.unknown(),
    }
}

/// A request that names a machine, and the state that it is answered from.
struct Lookup<'a> {
    boot: &'a Boot,
    asked: &'a Asked<'a>,
    path: &'a str,
    snapshot: &'a Snapshot,
    query: &'a Query<'a>,
    keys: Keys<'a>,
    found: Found,
}

impl Lookup<'_> {
    fn known(&self, node: usize) -> Answer {
        let own = &self.snapshot.nodes()[node];
        let prepared = match self.snapshot.answer(node) {
            snapshot::Answer::Script(prepared) => prepared,
            snapshot::Answer::Retired => {
                self.asked.serving.counters.refuse(Refusal::Retired);
                let detail = format!("{} is retired: it is given nothing to boot.", own.name);
                return answer::problem(StatusCode::FORBIDDEN, &detail);
            }
            snapshot::Answer::Nothing if self.query.json => return json_of(""),
            snapshot::Answer::Nothing => {
                self.asked.serving.counters.refuse(Refusal::Nothing);
                let detail = format!("{} has no boot configuration: no layer names one.", own.name);
                return answer::problem(StatusCode::NOT_FOUND, &detail);
            }
        };

        let filled = self.fill(&prepared.script, Some(node));
        if self.query.json {
            return json_of(&filled.body);
        }

        let tag = filled.tag(&prepared.digest);
        if answer::has(self.asked.headers, &tag) {
            return answer::not_modified(tag);
        }

        self.note_boot(node, prepared);
        answer::tagged(answer::text(StatusCode::OK, PLAIN, filled.body), tag)
    }

    /// Answers a machine without a node. A machine with a contested address, or with keys of two
    /// nodes, is not unknown: it gets nothing to boot.
    fn unknown(&self) -> Answer {
        if self.query.json {
            return json_of("");
        }

        let arch = self.query.arch.as_deref();
        let is_unknown = self.found == Found::Nobody;
        let answer = if is_unknown {
            self.asked.serving.counters.unknown.fetch_add(1, Ordering::Relaxed);
            self.note_unknown();
            self.snapshot.unknown(arch)
        } else {
            self.snapshot.held(arch)
        };

        let (script, digest) = match answer {
            UnknownAnswer::Again(script) => (script, script.digest()),
            UnknownAnswer::Boot(prepared) => (&prepared.script, prepared.digest),
            UnknownAnswer::Refused => return self.refused(),
        };

        let filled = self.fill(script, None);
        let tag = filled.tag(&digest);
        let mut answer = answer::tagged(answer::text(StatusCode::OK, PLAIN, filled.body), tag);
        answer.extensions_mut().insert(InVain);

        answer
    }

    fn refused(&self) -> Answer {
        let counters = &self.asked.serving.counters;
        let name = |node: usize| &self.snapshot.nodes()[node].name;
        match self.found {
            Found::Held => {
                counters.refuse(Refusal::Held);
                let held = self.keys.mac.and_then(|mac| self.asked.serving.roll.held_by(mac));
                answer::problem(StatusCode::NOT_FOUND, &held.map(ToString::to_string).unwrap_or_default())
            }
            Found::Contradiction { uuid, serial } => {
                counters.refuse(Refusal::Contradiction);
                let detail = format!(
                    "this UUID is that of {}, and this serial number that of {}: nothing is booted until the wishes agree \
                     with the machine",
                    name(uuid),
                    name(serial)
                );
                answer::problem(StatusCode::CONFLICT, &detail)
            }
            Found::Nobody | Found::Named { .. } | Found::Machine(_) => {
                counters.refuse(Refusal::Unknown);
                let (who, arch) = (self.keys.who(), self.query.arch.as_deref().unwrap_or_default());
                let detail = format!("Unknown {who} architecture {arch}: this host not configured for booting.");
                answer::problem(StatusCode::NOT_FOUND, &detail)
            }
        }
    }

    /// Fills a script's holes for a node, or for an unknown machine.
    fn fill(&self, script: &Script, node: Option<usize>) -> Filled {
        // One buffer for the three texts below.
        let mut made = String::with_capacity(96);
        match (self.found, self.keys.identity) {
            (Found::Named { .. }, Some(mac @ Identity::Mac(_))) => mac.write(&mut made),
            (Found::Named { node, .. }, Some(Identity::Name(_) | Identity::Nid(_)) | None) => {
                self.write_name(node, &mut made);
            }
            // The keys that found the node, or may find it with the next commit, stay in the
            // request.
            (Found::Machine(_) | Found::Held | Found::Contradiction { .. } | Found::Nobody, _) => {
                self.keys.write(&mut made);
            }
        }

        let who = made.len();
        let _ = match node {
            Some(_) => write!(made, "retry={}", self.query.retry.saturating_add(1)),
            None => write!(made, "arch=${{buildarch}}&ts={}", now() / 1000),
        };

        let again = made.len();
        if let (Some(Identity::Mac(text)), Some(mac)) = (self.keys.identity, self.keys.mac) {
            write_dashed(&mut made, text, mac);
        }

        let ask = Ask {
            server: if script.needs_server() { self.boot.server(self.asked) } else { "" },
            path: self.path,
            who: &made[..who],
            again: &made[who..again],
            boot_if: Some(&made[again..]).filter(|address| !address.is_empty()),
        };

        let mut body = String::new();
        script.fill(&ask, &mut body);
        let values = [ask.server, ask.path, ask.who, ask.again, ask.boot_if.unwrap_or_default()];
        Filled { body, holes: answer::fingerprint(&values) }
    }

    /// Appends a node's identity: its MAC address, otherwise its xname, otherwise its name.
    fn write_name(&self, node: usize, out: &mut String) {
        let own = &self.snapshot.nodes()[node];
        let _ = match (self.asked.serving.first_mac(node), &own.xname) {
            (Some(mac), _) => write!(out, "mac={mac}"),
            (None, Some(xname)) => write!(out, "name={}", xname.value),
            (None, None) => write!(out, "name={}", own.name),
        };
    }

    fn note_boot(&self, node: usize, prepared: &Prepared) {
        let user_agent = self.user_agent();
        if self.asked.method != Method::GET || !user_agent.starts_with(BOOT_CLIENT) {
            return;
        }

        let seen = Seen {
            at: now(),
            address: self.asked.client.nearest(),
            user_agent,
            mac: self.keys.mac,
            by_mac: matches!(self.found, Found::Named { .. }),
            arch: self.query.arch.as_deref(),
            teller: runs::teller(self.snapshot, node, self.asked.client.address()),
        };

        let slot = &self.asked.serving.slots[node];
        slot.record(&seen, self.snapshot.revision(), prepared.digest);
        self.asked.serving.counters.boot();
        self.note_arch(node, slot);

        if let Found::Named { other: Some(other), .. } = self.found {
            self.asked.serving.counters.contradictions.fetch_add(1, Ordering::Relaxed);
            // Once per node: a machine repeats this at every boot.
            if slot.is_first_contradiction() {
                let (node, other) = (&self.snapshot.nodes()[node].name, &self.snapshot.nodes()[other].name);
                let by = self.keys.who();
                tracing::warn!(
                    %node, %other, %by, mac = ?self.keys.mac, uuid = ?self.keys.uuid, serial = ?self.keys.serial,
                    "a machine boots as this node, though its UUID, its serial number or another of its MAC addresses is declared \
                     for another"
                );
            }
        }
    }

    /// Records a machine that names another architecture than its node's: it gets the node's script
    /// all the same.
    fn note_arch(&self, node: usize, slot: &Slot) {
        let Some(arch) = self.query.arch.as_deref() else { return };
        let declared = self.snapshot.other_arch(node, arch);
        if declared.is_some() {
            self.asked.serving.counters.other_arch.fetch_add(1, Ordering::Relaxed);
        }

        if slot.is_newly_other_arch(declared.is_some())
            && let Some(declared) = declared
        {
            let (node, arch) = (&self.snapshot.nodes()[node].name, bounded(arch, MAX_ARCH));
            tracing::warn!(
                %node, %declared, %arch, mac = ?self.keys.mac,
                "a machine names another architecture than git declares for its node; it is given what git declares"
            );
        }
    }

    fn note_unknown(&self) {
        let Some(mac) = self.keys.mac.filter(|_| self.asked.method == Method::GET) else { return };
        let (now, address) = (now(), self.asked.client.nearest());
        let is_noted = !self.boot.vain.is_used_up(address, now) && {
            let user_agent = bounded(self.user_agent(), MAX_USER_AGENT);
            let seen = UnknownMac { mac, first: now, last: now, count: 1, address, user_agent };
            self.boot.unknown.try_send(seen).is_ok()
        };
        if !is_noted {
            self.asked.serving.counters.unknown_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn user_agent(&self) -> &str {
        self.asked.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default()
    }
}

/// Appends a MAC address with dashes, in the letter case of the request if that has colons or
/// dashes.
fn write_dashed(out: &mut String, text: &str, mac: MacAddr) {
    let pairs = text.len() == 17 && text.bytes().skip(2).step_by(3).all(|byte| matches!(byte, b':' | b'-'));
    if pairs {
        out.extend(text.chars().map(|c| if c == ':' { '-' } else { c }));
    } else {
        let [a, b, c, d, e, f] = mac.0;
        let _ = write!(out, "{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{f:02x}");
    }
}

/// A script with its holes filled.
struct Filled {
    body: String,
    /// A fingerprint of the values in the holes.
    holes: u64,
}

impl Filled {
    /// Returns the strong tag of the answer, from the script's digest and the values in its holes.
    fn tag(&self, digest: &[u8; 32]) -> HeaderValue {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut tag = Vec::with_capacity(51);
        tag.push(b'"');
        let mut push = |byte: &u8| {
            tag.push(HEX[usize::from(byte >> 4)]);
            tag.push(HEX[usize::from(byte & 15)]);
        };
        digest[..16].iter().for_each(&mut push);
        self.holes.to_be_bytes().iter().for_each(&mut push);
        tag.push(b'"');
        HeaderValue::from_maybe_shared(bytes::Bytes::from(tag)).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

#[derive(Serialize)]
struct Described<'s> {
    params: String,
    kernel: Image<'s>,
    initrd: Image<'s>,
}

#[derive(Serialize)]
struct Image<'s> {
    path: &'s str,
}

/// Describes a script as BSS does for `json=1`: the parameters after the word `kernel`, the kernel,
/// the first initial RAM disk.
fn json_of(script: &str) -> Answer {
    const OTHERWISE: &str = " || goto boot_retry";
    let line = |begins: &str| script.lines().find_map(|line| line.strip_prefix(begins)?.strip_suffix(OTHERWISE));
    let kernel = line("kernel --name kernel ").unwrap_or_default();
    let (kernel, params) = kernel.split_once(' ').unwrap_or((kernel, ""));
    let initrd = line("initrd --name initrd ").unwrap_or_default();

    let described = Described {
        params: format!("kernel {params}"),
        kernel: Image { path: kernel },
        initrd: Image { path: initrd },
    };

    let mut body = serde_json::to_vec(&described).unwrap_or_default();
    body.push(b'\n');
    answer::text(StatusCode::OK, JSON, body)
}

#[cfg(test)]
mod tests;
