//! Over ssh, with a loopback sshd of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::support::sshd::{Sshd, configure, keygen, know};

#[test]
fn a_push_is_served_over_ssh_and_every_doubt_of_the_host_or_the_key_is_told() {
    let name = "a_push_is_served_over_ssh_and_every_doubt_of_the_host_or_the_key_is_told";
    let wishes = cluster();
    keygen(&wishes.root().join("key"));
    let Some(sshd) = Sshd::start(name, &wishes, None) else { return };
    fs::copy(wishes.root().join("key.pub"), wishes.root().join("authorized")).unwrap();
    configure(&wishes, &sshd);

    // Nobody has said what its key is.
    let url = format!("forge:{}", wishes.bare().display());
    let served = serve(&wishes, &url, &[]);
    let error = until_fails(&served, "key is not known");
    assert!(error.contains("ssh-keyscan"), "{error}");
    drop(served);

    know(&wishes, &sshd);
    let served = serve(&wishes, &url, &[]);
    until_serving(&served, &wishes.git(&["rev-parse", "HEAD"]));
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    assert_boots(&served, "two");

    // The key of another.
    fs::write(wishes.root().join("authorized"), "").unwrap();
    let error = until_fails(&served, "refuses the account");
    assert!(error.contains("deploy key") && error.contains("Permission denied (publickey)"), "{error}");
    assert_boots(&served, "two");
    drop(served);

    // Another host at the same address.
    let port = sshd.port;
    drop(sshd);
    let Some(_other) = Sshd::start(name, &wishes, Some(port)) else { return };
    let served = serve(&wishes, &url, &[]);
    let error = until_fails(&served, "another key");
    assert!(error.contains("ssh-keygen -R"), "{error}");
    assert_boots(&served, "two");
    let mode = fs::metadata(wishes.root().join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o77, 0, "ssh would not use the key");
}
