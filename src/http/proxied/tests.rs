use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn for_v4(from: [u8; 4]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([0x21, 0x11, 0, 12]);
    header.extend(from);
    header.extend([10, 0, 0, 1, 0, 80, 0x20, 0x4e]);
    header
}

fn for_v6(from: Ipv6Addr, more: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([0x21, 0x21]);
    header.extend((36 + more.len() as u16).to_be_bytes());
    header.extend(from.octets());
    header.extend([0; 20]);
    header.extend(more);
    header
}

#[test]
fn headers_of_both_versions_are_read() {
    let v4 = Told::For(IpAddr::from([192, 0, 2, 7]));
    let v6: Ipv6Addr = "2001:db8::7".parse().unwrap();
    let local = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
    for (header, told) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 8270\r\n".to_vec(), v4),
        (b"PROXY TCP6 2001:db8::7 fd00::1 50000 8270\r\n".to_vec(), Told::For(v6.into())),
        (b"PROXY TCP6 ::ffff:192.0.2.7 fd00::1 50000 8270\r\n".to_vec(), v4),
        (b"PROXY UNKNOWN\r\n".to_vec(), Told::Nobody),
        (b"PROXY UNKNOWN ff:: ff:: 1 2\r\n".to_vec(), Told::Nobody),
        (for_v4([192, 0, 2, 7]), v4),
        (for_v6(v6, b"\x04\x00\x02ab"), Told::For(v6.into())),
        (local, Told::Nobody),
    ] {
        for length in 0..header.len() {
            assert_eq!(first(&header[..length]), First::Unfinished, "{length} of {header:?}");
        }
        let whole = [&header[..], REQUEST].concat();
        assert_eq!(first(&whole), First::Header(header.len(), told), "{header:?}");
    }
}

#[test]
fn what_is_no_header_is_a_request_or_broken() {
    for request in [REQUEST, b"POST /", b"PROXI ", b"\r\nGET / HTTP/1.1", b"\0"] {
        assert_eq!(first(request), First::Request, "{request:?}");
    }
    let mut versions = for_v4([192, 0, 2, 7]);
    versions[12] = 0x31;
    let mut short = for_v4([192, 0, 2, 7]);
    short[15] = 4;
    let huge = [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat();
    for broken in [
        b"PROXY TCP4 banana 10.0.0.1 50000 8270\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 10.0.0.1 50000 8270\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7\r\n".to_vec(),
        b"PROXY \r\n".to_vec(),
        [&b"PROXY UNKNOWN "[..], &[b'a'; 100]].concat(),
        versions,
        short,
        huge,
    ] {
        assert_eq!(first(&broken), First::Broken, "{broken:?}");
    }
}

fn announced<S>(stream: S) -> Announced<S> {
    Announced { stream, state: State::Reading(Vec::new()), told: Some(Arc::default()) }
}

fn read(bytes: &[u8], step: usize) -> (io::Result<Vec<u8>>, Option<Told>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut far, near) = tokio::io::duplex(step);
        let mut near = announced(near);
        let sent = async {
            // The other end closes the connection on broken input.
            let _ = far.write_all(bytes).await;
            drop(far);
        };
        let received = async {
            let mut all = Vec::new();
            let ended = near.read_to_end(&mut all).await.map(|_| all);
            (ended, near.told.as_ref().and_then(|told| told.get().copied()))
        };
        tokio::join!(received, sent).0
    })
}

proptest! {
    #[test]
    fn the_request_comes_through_whole_however_the_bytes_come(
        from: [u8; 4],
        body in prop::collection::vec(any::<u8>(), 0..1500),
        step in 1_usize..64,
    ) {
        let request = [b"GET /", &body[..]].concat();
        let (plain, told) = read(&request, step);
        prop_assert_eq!((plain.unwrap(), told), (request.clone(), None));
        let (announced, told) = read(&[for_v4(from), request.clone()].concat(), step);
        prop_assert_eq!((announced.unwrap(), told), (request, Some(Told::For(from.into()))));
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), version: bool) {
        let begin: &[u8] = if version { SIGNATURE } else { WORD };
        if let First::Header(length, _) = first(&[begin, &bytes].concat()) {
            prop_assert!(length <= begin.len() + bytes.len());
        }
    }
}
