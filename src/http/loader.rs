//! The script that DHCP points at: it collects the keys of the machine and requests its boot
//! script.
//!
//! It needs no snapshot. A machine that muster refuses continues with its firmware's next boot
//! device. A machine without an answer from muster waits and asks again for as long as necessary,
//! since after a power loss a cluster must come up by itself, whatever comes up last.

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode};

use super::answer::{self, Answer, PLAIN};
use super::boot::{Asked, Boot};
use super::documents::content_tag;
use crate::ipxe::CHAIN;

/// Answers with the loader for the client's network.
pub fn answer(boot: &Boot, asked: &Asked<'_>) -> Answer {
    let text = script(boot.server(asked));
    let tag: HeaderValue = content_tag(text.as_bytes());
    if answer::has(asked.headers, &tag) {
        return answer::not_modified(tag);
    }
    answer::tagged(answer::text(StatusCode::OK, PLAIN, text), tag)
}

/// The number of interfaces that the loader names, in addition to the one that the machine booted
/// from.
const INTERFACES: usize = 16;

/// Returns the loader for one URL of muster.
///
/// Every command that may fail is followed by an alternative, as an unguarded failure ends the
/// script. A single request names all keys of the machine: `${netX}` is the interface that it
/// booted from, and `macs=` are the addresses of all, so that a declared machine is found by any of
/// its ports before an unknown address has any consequence. Unset variables expand to nothing, and
/// count as absent.
///
/// The boot script runs one level above the loader, and no deeper, since it replaces itself when it
/// asks again. If it fails, muster did not answer it, and the loader waits for muster. It counts as
/// refused only if muster answered before the request and after it, twice in a row.
fn script(server: &str) -> String {
    // Firmware values may contain spaces and punctuation: `uristring` encodes them as one word.
    let mut question = String::from("mac=${netX/mac}&arch=${buildarch}&uuid=${uuid}&serial=${serial:uristring}&macs=");
    for interface in 0..INTERFACES {
        let comma = if interface == 0 { "" } else { "," };
        let _ = write!(question, "{comma}${{net{interface}/mac}}");
    }

    format!(
        "#!ipxe
# muster at {server}
imgfree
clear refused ||
:try
imgfetch --name bootscript {server}/boot/v1/bootscript?{question} || goto refused_or_away
clear refused ||
imgexec --autofree bootscript && exit ||
goto wait
:refused_or_away
imgfetch --name muster {server}/readyz || goto wait
imgfree muster ||
isset ${{refused}} && goto refused ||
set refused yes
goto try
:wait
clear refused ||
echo muster at {server} does not answer; this machine asks again in 15 s
sleep 15
{CHAIN} {server}/boot.ipxe || goto wait
:refused
echo muster at {server} has nothing for this machine to boot: nothing it is known by is declared, or it is retired or idle
echo it goes on with the next boot device of its firmware in 10 s
sleep 10
exit 1
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_names_all_that_the_machine_is_known_by() {
        let text = script("http://10.0.0.1:8270");
        assert!(text.starts_with("#!ipxe\n") && text.is_ascii());
        let asks: Vec<&str> = text.lines().filter(|line| line.contains("/boot/v1/bootscript?")).collect();
        let macs: Vec<String> = (0..INTERFACES).map(|interface| format!("${{net{interface}/mac}}")).collect();
        let expected = format!(
            "imgfetch --name bootscript http://10.0.0.1:8270/boot/v1/bootscript?mac=${{netX/mac}}&arch=${{buildarch}}\
             &uuid=${{uuid}}&serial=${{serial:uristring}}&macs={} || goto refused_or_away",
            macs.join(",")
        );
        assert_eq!(asks, [expected]);
        let labels: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(':')).collect();
        assert_eq!(labels, ["try", "refused_or_away", "wait", "refused"]);
    }

    #[test]
    fn images_of_an_earlier_attempt_are_freed_and_nothing_nests() {
        let text = script("http://10.0.0.1:8270");
        let commands: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(commands[0], "imgfree");
        for line in commands.iter().filter(|line| line.contains("chain") || line.contains("imgexec")) {
            assert!(line.contains("--autofree"), "{line}");
        }
    }
}
