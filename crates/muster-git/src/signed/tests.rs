//! Signatures of real tools, compared with ssh-keygen's own verdict, and with single bytes changed.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tempfile::TempDir;

use super::sshsig::BEGIN;
use super::wire::put;
use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

/// A folder with keys, and the files that define the accepted ones.
struct Keys {
    folder: TempDir,
}

impl Keys {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keygen(&self, args: &[&str]) {
        let out = Command::new("ssh-keygen").args(args).current_dir(self.folder.path()).stdin(Stdio::null()).output();
        let out = out.expect("ssh-keygen is here");
        assert!(out.status.success(), "ssh-keygen {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// Generates a key; returns its public line.
    fn make(&self, name: &str, kind: &[&str]) -> String {
        self.keygen(&[&["-q", "-N", "", "-C", name, "-f", name][..], kind].concat());
        self.public(name)
    }

    fn public(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
    }

    fn sign(&self, name: &str, message: &[u8], namespace: &str) -> Vec<u8> {
        let mut child = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f", name])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn signers(&self, allowed: &str) -> Signers {
        Signers::new(Files { allowed: self.write("allowed", allowed), ..Files::default() })
    }

    /// Returns the verdict of ssh-keygen, called as git calls it, with the files of the last
    /// [`Keys::signers`].
    fn oracle(&self, message: &[u8], signature: &[u8], principal: &str, time: i64) -> bool {
        self.write("oracle.sig", std::str::from_utf8(signature).unwrap());
        let time = format!("verify-time={}Z", jiff::Timestamp::from_second(time).unwrap().strftime("%Y%m%d%H%M%S"));
        let mut child = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-n", "git", "-f", "allowed", "-I", principal, "-s", "oracle.sig", "-O", &time])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();

        // ssh-keygen may have exited early because it cannot read the signature.
        let _ = child.stdin.take().unwrap().write_all(message);
        child.wait().unwrap().success()
    }
}

fn payload(time: i64) -> Vec<u8> {
    format!(
        "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor Ada <ada@x> {time} +0000\ncommitter Bob <bob@x> {time} +0000\n\nwords\n"
    )
    .into_bytes()
}

/// Inserts a signature into a commit as git does.
fn commit(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let end = payload.windows(2).position(|two| two == b"\n\n").unwrap() + 1;
    let text = String::from_utf8(signature.to_vec()).unwrap();
    let mut object = payload[..end].to_vec();
    object.extend_from_slice(format!("gpgsig {}\n", text.trim_end().replace('\n', "\n ")).as_bytes());
    object.extend_from_slice(&payload[end..]);
    object
}

fn why(signers: &Signers, object: &[u8]) -> Why {
    let refusal = signers.verify(object).expect_err("it is not trusted");
    assert!(refusal.to_string().contains("; committer Bob <bob@x>"), "{refusal}");
    refusal.why
}

#[test]
fn every_kind_of_key_that_ssh_keygen_makes_signs() {
    let keys = Keys::new();
    let kinds: [(&str, &[&str]); 6] = [
        ("ed", &["-t", "ed25519"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa2048", &["-t", "rsa", "-b", "2048"]),
        ("rsa3072", &["-t", "rsa", "-b", "3072"]),
    ];

    let lines: Vec<String> = kinds.iter().map(|(name, kind)| format!("{name}@x {}", keys.make(name, kind))).collect();
    let signers = keys.signers(&lines.join("\n"));

    // Several rounds, because an ECDSA number is sometimes shorter than the curve.
    for round in 0..6 {
        let payload = payload(NOW + round);
        for (name, _) in kinds {
            let signature = keys.sign(name, &payload, "git");
            let who = signers.verify(&commit(&payload, &signature)).unwrap();
            assert!(who.starts_with(&format!("{name}@x with SHA256:")), "{who}");
            let other = payload.iter().map(|byte| if *byte == b'w' { b'v' } else { *byte }).collect::<Vec<_>>();
            assert!(matches!(why(&signers, &commit(&other, &signature)), Why::Bad { .. }), "{name}");
        }
    }
}

#[test]
fn a_small_rsa_key_counts_neither_in_the_file_nor_in_a_signature() {
    let keys = Keys::new();
    let (good, small) = (keys.make("good", &["-t", "ed25519"]), keys.make("small", &["-t", "rsa", "-b", "1024"]));
    let signers = keys.signers(&format!("# who\na {good}\nb {small}\n"));
    let said = signers.trouble().expect("the file is refused").to_string();
    assert!(said.contains("allowed:3: an RSA key of 1024 bits does not count"), "{said}");
    let signers = keys.signers(&format!("a {good}\n"));
    let signature = keys.sign("small", &payload(NOW), "git");
    assert!(matches!(why(&signers, &commit(&payload(NOW), &signature)), Why::Key(KeyFault::Rsa(1024))));
}

#[test]
fn each_fault_has_its_own_words() {
    let keys = Keys::new();
    let (ada, eve) = (keys.make("ada", &["-t", "ed25519"]), keys.make("eve", &["-t", "ed25519"]));
    let payload = payload(NOW);
    let by = |name: &str, namespace: &str| commit(&payload, &keys.sign(name, &payload, namespace));
    let signers = keys.signers(&format!("ada@x {ada}\n"));
    assert_eq!(why(&signers, &payload), Why::Unsigned);
    assert!(matches!(why(&signers, &by("eve", "git")), Why::Unknown { key } if key.starts_with("SHA256:")));
    assert_eq!(why(&signers, &by("ada", "file")), Why::Namespace { namespace: "file".into() });
    for (text, wanted) in [
        ("-----BEGIN PGP SIGNATURE-----\n\nwsB\n-----END PGP SIGNATURE-----", Why::OtherKind("OpenPGP")),
        ("-----BEGIN SIGNED MESSAGE-----\nMII\n-----END SIGNED MESSAGE-----", Why::OtherKind("X.509")),
        ("-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----", Why::Malformed),
        ("nothing", Why::Malformed),
    ] {
        assert_eq!(why(&signers, &commit(&payload, text.as_bytes())), wanted, "{text}");
    }
    let twice = commit(&by("ada", "git"), &keys.sign("ada", &payload, "git"));
    assert_eq!(signers.verify(&twice).unwrap_err().why, Why::OddObject);

    let not_for_git = keys.signers(&format!("ada@x namespaces=\"file\" {ada}\n"));
    assert!(matches!(why(&not_for_git, &by("ada", "git")), Why::NotForGit { .. }));
    let (allowed, revoked) = (keys.write("a", &format!("x {ada}\ny {eve}\n")), keys.write("r", &format!("{eve}\n")));
    let signers = Signers::new(Files { allowed, revoked: Some(revoked), gpg_keyring: None });
    assert!(signers.verify(&by("ada", "git")).is_ok());
    assert!(matches!(why(&signers, &by("eve", "git")), Why::Revoked { .. }));
}

#[test]
fn the_times_of_a_key_are_judged_as_ssh_keygen_judges_them() {
    let keys = Keys::new();
    let ada = keys.make("ada", &["-t", "ed25519"]);
    let signers = keys.signers(&format!(
        "a valid-after=\"20251201Z\",valid-before=\"20260101000000Z\" {ada}\nb valid-after=\"20260301Z\" {ada}\n"
    ));

    for (time, wanted) in [
        ("2025-11-30T23:59:59Z", None),
        ("2025-12-01T00:00:00Z", Some("a")),
        ("2026-01-01T00:00:00Z", Some("a")),
        ("2026-01-01T00:00:01Z", None),
        ("2026-03-01T00:00:00Z", Some("b")),
    ] {
        let time = time.parse::<jiff::Timestamp>().unwrap().as_second();
        let payload = payload(time);
        let signature = keys.sign("ada", &payload, "git");
        let judged = signers.verify(&commit(&payload, &signature));
        let who = judged.as_ref().ok().map(|who| who.split(' ').next().unwrap());
        assert_eq!(who, wanted, "{time}: {judged:?}");
        for name in ["a", "b"] {
            assert_eq!(keys.oracle(&payload, &signature, name, time), wanted == Some(name), "{name} at {time}");
        }
    }
}

#[test]
fn a_certificate_counts_for_whom_its_authority_may_name() {
    let keys = Keys::new();
    let (ca, _) = (keys.make("ca", &["-t", "ed25519"]), keys.make("ada", &["-t", "ecdsa"]));
    keys.keygen(&["-q", "-s", "ca", "-I", "id", "-n", "ada@x,root@y", "-V", "20251201:20260201", "ada.pub"]);
    let sign = |payload: &[u8]| keys.sign("ada-cert.pub", payload, "git");
    std::fs::copy(keys.path("ada"), keys.path("ada-cert")).unwrap();
    let judge = |signers: &Signers, time: i64| {
        let payload = payload(time);
        signers.verify(&commit(&payload, &sign(&payload)))
    };

    let signers = keys.signers(&format!("*@x cert-authority {ca}\n"));
    assert!(judge(&signers, NOW).unwrap().starts_with("ada@x with SHA256:"));
    assert!(keys.oracle(&payload(NOW), &sign(&payload(NOW)), "ada@x", NOW));
    let day = 86_400;
    assert!(matches!(judge(&signers, NOW + 60 * day).unwrap_err().why, Why::Expired { .. }));
    assert!(matches!(judge(&signers, NOW - 60 * day).unwrap_err().why, Why::TooEarly { .. }));

    for allowed in [format!("*@z cert-authority {ca}\n"), format!("*@x {ca}\n")] {
        let signers = keys.signers(&allowed);
        assert!(matches!(judge(&signers, NOW).unwrap_err().why, Why::UnknownAuthority { .. }), "{allowed}");
        assert!(!keys.oracle(&payload(NOW), &sign(&payload(NOW)), "ada@x", NOW));
    }

    keys.make("host", &["-t", "ed25519"]);
    keys.keygen(&["-q", "-s", "ca", "-h", "-I", "id", "-n", "ada@x", "host.pub"]);
    std::fs::copy(keys.path("host"), keys.path("host-cert")).unwrap();
    let by_host = keys.sign("host-cert.pub", &payload(NOW), "git");
    let signers = keys.signers(&format!("*@x cert-authority {ca}\n"));
    assert!(matches!(why(&signers, &commit(&payload(NOW), &by_host)), Why::Certificate(KeyFault::NotForPeople)));

    // An authority's own key signs certificates, not commits.
    let signers = keys.signers(&format!("*@x cert-authority {ca}\n"));
    let own = keys.sign("ca", &payload(NOW), "git");
    assert!(matches!(why(&signers, &commit(&payload(NOW), &own)), Why::Unknown { .. }));
}

/// Signs as a security key does: with the application, the touch flag and a counter.
fn touch(namespace: &str, message: &[u8], flags: u8) -> (String, Vec<u8>) {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use sha2::{Digest, Sha256, Sha512};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let (kind, application) = (&b"sk-ssh-ed25519@openssh.com"[..], &b"ssh:"[..]);
    let mut key = Vec::new();
    [kind, pair.public_key().as_ref(), application].iter().for_each(|part| put(&mut key, part));
    let mut signed = b"SSHSIG".to_vec();

    [namespace.as_bytes(), b"", b"sha512", &Sha512::digest(message)].iter().for_each(|part| put(&mut signed, part));
    let mut told = Sha256::digest(application).to_vec();
    told.extend_from_slice(&[flags, 0, 0, 0, 5]);
    told.extend_from_slice(&Sha256::digest(&signed));
    let mut signature = Vec::new();
    [kind, pair.sign(&told).as_ref()].iter().for_each(|part| put(&mut signature, part));
    signature.extend_from_slice(&[flags, 0, 0, 0, 5]);

    let mut bytes = b"SSHSIG\0\0\0\x01".to_vec();
    [&key, namespace.as_bytes(), b"", b"sha512", &signature].iter().for_each(|part| put(&mut bytes, part));
    let line = format!("sk@x sk-ssh-ed25519@openssh.com {}", STANDARD.encode(&key));
    (
        line,
        format!("{}\n{}\n-----END SSH SIGNATURE-----\n", String::from_utf8_lossy(BEGIN), wrapped(&bytes)).into_bytes(),
    )
}

fn wrapped(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    text.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_security_key_counts_where_somebody_touched_it() {
    let keys = Keys::new();
    let payload = payload(NOW);
    let (line, touched) = touch("git", &payload, 0x01);
    let signers = keys.signers(&line);
    assert!(signers.verify(&commit(&payload, &touched)).unwrap().starts_with("sk@x with SHA256:"));
    assert!(keys.oracle(&payload, &touched, "sk@x", NOW), "ssh-keygen takes it too");
    let (_, untouched) = touch("git", &payload, 0x00);
    assert!(matches!(why(&signers, &commit(&payload, &untouched)), Why::Bad { .. }));
}

#[test]
fn an_ssh_rsa_signature_over_sha1_does_not_count() {
    let keys = Keys::new();
    let line = keys.make("rsa", &["-t", "rsa", "-b", "2048"]);
    let signers = keys.signers(&format!("a {line}\n"));
    let payload = payload(NOW);
    let armoured = String::from_utf8(keys.sign("rsa", &payload, "git")).unwrap();
    let inner: String = armoured.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = STANDARD.decode(inner).unwrap();

    let at = bytes.windows(12).position(|part| part == b"rsa-sha2-512").unwrap();
    let mut sha1 = bytes[..at - 4].to_vec();
    put(&mut sha1, b"ssh-rsa");
    sha1.extend_from_slice(&bytes[at + 12..]);

    // The frame around it is five bytes shorter.
    let frame = at - 8;
    let length = u32::from_be_bytes(bytes[frame..frame + 4].try_into().unwrap()) - 5;
    sha1[frame..frame + 4].copy_from_slice(&length.to_be_bytes());
    let armoured = format!("{}\n{}\n-----END SSH SIGNATURE-----\n", String::from_utf8_lossy(BEGIN), wrapped(&sha1));

    assert!(matches!(why(&signers, &commit(&payload, armoured.as_bytes())), Why::Bad { .. }));
}

#[test]
fn files_are_read_again_when_they_change_and_faults_say_where() {
    let keys = Keys::new();
    let ada = keys.make("ada", &["-t", "ed25519"]);
    let object = commit(&payload(NOW), &keys.sign("ada", &payload(NOW), "git"));
    let mut signers = keys.signers("");
    assert!(signers.trouble().unwrap().to_string().contains("names nobody"));
    assert!(!signers.refresh());
    keys.write("allowed", &format!("ada {ada}\n"));

    assert!(signers.refresh() && !signers.refresh() && signers.trouble().is_none());
    assert!(signers.verify(&object).is_ok());
    keys.write("allowed", &format!("ada {ada}\nbob\n"));
    assert!(signers.refresh());
    let refusal = signers.verify(&object).unwrap_err();
    assert!(refusal.to_string().contains("allowed:2: holds no key"), "{refusal}");
    std::fs::remove_file(keys.path("allowed")).unwrap();

    assert!(signers.refresh() && !signers.refresh());
    assert!(signers.verify(&object).unwrap_err().to_string().contains("cannot be read"));
    keys.write("allowed", &format!("ada {ada}\n"));
    assert!(signers.refresh() && signers.verify(&object).is_ok());
}

#[test]
fn commits_are_taken_apart_as_git_does() {
    let folder = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| super::super::tests::git(folder.path(), args);
    git(&["init", "-q", "."]);
    let keys = Keys::new();
    let line = keys.make("ada", &["-t", "ed25519"]);
    let key = keys.path("ada.pub").display().to_string();
    let signing = ["-c", "gpg.format=ssh", "-c", &format!("user.signingkey={key}")].map(str::to_owned);
    let signed = |args: &[&str]| {
        let all: Vec<&str> = signing.iter().map(String::as_str).chain(args.iter().copied()).collect();
        git(&all);
        git(&["rev-parse", "HEAD"])
    };
    let signers = keys.signers(&format!("ada@x {line}\n"));
    let repo = super::super::tests::named(folder.path());
    let judge = |id: &str| signers.verify(&repo.commit_object(&Revision::commit(id)).unwrap());
    let first = signed(&["commit", "-q", "--allow-empty", "-S", "-m", "first\n\n body\n -----BEGIN\n\nend"]);
    assert!(judge(&first).is_ok());
    git(&["checkout", "-q", "-b", "side"]);
    let plain = signed(&["commit", "-q", "--allow-empty", "-m", "side"]);
    assert_eq!(judge(&plain).unwrap_err().why, Why::Unsigned);
    signed(&["tag", "-s", "-m", "a tag", "v1"]);
    git(&["checkout", "-q", "-"]);
    signed(&["commit", "-q", "--allow-empty", "-S", "-m", "more"]);
    // A merge of a signed tag carries the tag, with a signature of its own, in a header.
    let merge = signed(&["merge", "-q", "-S", "--no-edit", "v1"]);
    assert!(git(&["cat-file", "commit", &merge]).contains("mergetag object"));
    assert!(judge(&merge).is_ok(), "{:?}", judge(&merge));
    let encoded = signed(&["-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-S", "-m", "x"]);
    assert!(judge(&encoded).is_ok());

    let comes = |new: &str, old: &str| repo.comes_after(&Revision::commit(new), &Revision::commit(old)).unwrap();
    assert!(comes(&merge, &first) && comes(&merge, &plain) && comes(&merge, &merge));
    assert!(!comes(&first, &merge) && !comes(&merge, &"1".repeat(40)));
}

#[cfg(feature = "gpg")]
#[test]
fn open_pgp_counts_by_the_keys_of_one_file() {
    let home = tempfile::Builder::new().prefix("gpg-").tempdir().unwrap();
    let gpg = |args: &[&str], input: &[u8]| {
        let mut child = Command::new("gpg")
            .arg("--homedir")
            .arg(home.path())
            .args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("gpg is here");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "gpg {args:?}");
        out.stdout
    };

    for who in ["ada@x", "eve@x"] {
        gpg(&["--quick-generate-key", who, "ed25519", "sign", "never"], b"");
    }
    let keys = Keys::new();
    let line = keys.make("other", &["-t", "ed25519"]);
    std::fs::write(keys.path("ring"), gpg(&["--armor", "--export", "ada@x"], b"")).unwrap();
    let allowed = keys.write("allowed", &format!("other {line}\n"));

    let signers = Signers::new(Files { allowed, revoked: None, gpg_keyring: Some(keys.path("ring")) });
    let payload = payload(NOW);
    let by = |who: &str, more: &[&str]| gpg(&[&["-u", who, "--armor", "--detach-sign"], more].concat(), &payload);
    let good = by("ada@x", &[]);
    let who = signers.verify(&commit(&payload, &good)).unwrap();
    assert!(who.starts_with("ada@x with OpenPGP "), "{who}");
    let mut other = payload.clone();

    *other.last_mut().unwrap() = b'!';
    assert!(matches!(why(&signers, &commit(&other, &good)), Why::Bad { .. }));
    assert!(matches!(why(&signers, &commit(&payload, &by("eve@x", &[]))), Why::Unknown { .. }));
    let _ = Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "gpg-agent"]).status();
}

/// Returns one key, its file and a commit that it signed, made once.
fn fixed() -> &'static (Keys, Signers, Vec<u8>, Vec<u8>) {
    static FIXED: std::sync::OnceLock<(Keys, Signers, Vec<u8>, Vec<u8>)> = std::sync::OnceLock::new();
    FIXED.get_or_init(|| {
        let keys = Keys::new();
        let line = keys.make("ada", &["-t", "ed25519"]);
        let signers = keys.signers(&format!("ada {line}\n"));
        let payload = payload(NOW);
        let armoured = String::from_utf8(keys.sign("ada", &payload, "git")).unwrap();
        let inner: String = armoured.lines().filter(|line| !line.starts_with('-')).collect();
        (keys, signers, payload, STANDARD.decode(inner).unwrap())
    })
}

proptest! {
    #[test]
    fn no_changed_bit_of_a_signature_or_a_commit_verifies(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (_, signers, payload, signature) = fixed();
        let armour = |bytes: &[u8]| format!("{}\n{}\n-----END SSH SIGNATURE-----\n", String::from_utf8_lossy(BEGIN), wrapped(bytes));
        prop_assert!(signers.verify(&commit(payload, armour(signature).as_bytes())).is_ok());
        let mut changed = signature.clone();
        changed[at.index(signature.len())] ^= 1_u8 << bit;
        prop_assert!(signers.verify(&commit(payload, armour(&changed).as_bytes())).is_err());
        let mut changed = commit(payload, armour(signature).as_bytes());
        let header = changed.windows(7).position(|part| part == b"gpgsig ").unwrap();
        changed[at.index(header)] ^= 1_u8 << bit;
        prop_assert!(signers.verify(&changed).is_err());
    }

    #[test]
    fn no_commit_and_no_signature_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        let (_, signers, payload, signature) = fixed();
        prop_assert!(signers.verify(&bytes).is_err());
        let mut odd = signature[..cut.index(signature.len())].to_vec();
        odd.extend_from_slice(&bytes);
        let text = format!("{}\n{}\n-----END SSH SIGNATURE-----\n", String::from_utf8_lossy(BEGIN), wrapped(&odd));
        prop_assert!(signers.verify(&commit(payload, text.as_bytes())).is_err());
        let _ = Certificate::read(&bytes);
        let _ = PublicKey::read(&bytes);
    }
}
