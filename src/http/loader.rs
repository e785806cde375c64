//! The script that DHCP points at: it finds the machine's MAC addresses and asks for its boot script.
//!
//! It needs no Snapshot. A machine that muster refuses goes on with its firmware's next boot device; one that muster did
//! not answer waits and asks again for as long as it takes, since a cluster that lost its power must come up by itself
//! whatever comes up last.

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode};

use super::answer::{self, Answer, PLAIN};
use super::boot::{Asked, Boot};
use super::documents::content_tag;

/// Answers with the loader for the client's network.
pub fn answer(boot: &Boot, asked: &Asked<'_>) -> Answer {
    let text = script(boot.server(asked));
    let tag: HeaderValue = content_tag(text.as_bytes());
    if answer::has(asked.headers, &tag) {
        return answer::not_modified(tag);
    }
    answer::tagged(answer::text(StatusCode::OK, PLAIN, text), tag)
}

/// Writes the loader for one URL of muster.
///
/// Every command that may fail has something after it, as an unguarded failure ends the script. `${netX}` is the
/// interface that the machine booted from. A pass over all interfaces counts as refused only where muster was
/// there before it and after it. Every question says the UUID and the serial number, too: a machine that is declared by
/// them is found, and one that is not is still asked by its next MAC address.
fn script(server: &str) -> String {
    let mut text = format!("#!ipxe\n# muster at {server}\nclear refused ||\n:try\n");
    // Firmware's own words may hold blanks and signs: `uristring` writes them so that they stay one word of the URL. What is
    // not set expands to nothing, and counts as not said.
    let machine = "&uuid=${uuid}&serial=${serial:uristring}";
    let interfaces = ["netX", "net0", "net1", "net2", "net3", "net4", "net5", "net6", "net7"];
    for interface in interfaces {
        let mac = format!("${{{interface}/mac}}");
        let _ = writeln!(
            text,
            "isset {mac} && chain {server}/boot/v1/bootscript?mac={mac}&arch=${{buildarch}}{machine} && exit ||"
        );
    }
    let _ = write!(
        text,
        "imgfetch --name muster {server}/readyz || goto wait
imgfree muster ||
isset ${{refused}} && goto refused ||
set refused yes
goto try
:wait
clear refused ||
echo muster at {server} does not answer; this machine asks again in 15 s
sleep 15
goto try
:refused
echo muster at {server} has nothing for this machine to boot: nothing it is known by is declared, or it is retired or idle
echo it goes on with the next boot device of its firmware in 10 s
sleep 10
exit 1
"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_is_full_and_every_interface_is_tried_once() {
        let text = script("http://10.0.0.1:8270");
        assert!(text.starts_with("#!ipxe\n") && text.is_ascii());
        let tries = text.lines().filter(|line| line.contains("chain"));
        let expected = |interface| {
            format!(
                "isset ${{{interface}/mac}} && chain http://10.0.0.1:8270/boot/v1/bootscript?mac=${{{interface}/mac}}\
                 &arch=${{buildarch}}&uuid=${{uuid}}&serial=${{serial:uristring}} && exit ||"
            )
        };
        let names = ["netX", "net0", "net1", "net2", "net3", "net4", "net5", "net6", "net7"];
        assert_eq!(tries.collect::<Vec<_>>(), names.map(expected));
        let labels: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(':')).collect();
        assert_eq!(labels, ["try", "wait", "refused"]);
    }
}
