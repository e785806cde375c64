//! Over ssh, with a loopback sshd of the test's own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::support::parts::{self, Part};

/// Holds a running sshd; it ends when dropped.
struct Sshd {
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keygen(file: &Path) {
    let _ = fs::remove_file(file);
    let mut command = Command::new("ssh-keygen");
    let made = command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file).status();
    assert!(made.is_ok_and(|status| status.success()), "ssh-keygen makes keys");
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id is here");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs sshd so that it needs nothing installed: of root it asks for an account and a folder of its own, which it gets in
/// a mount namespace.
fn as_it_wants(root: &Path, program: &Path) -> Command {
    if user() != "root" {
        return Command::new(program);
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap().replace("root:x:", "root:*:");
    fs::write(root.join("passwd"), format!("{accounts}sshd:*:65530:65534::/run/sshd:/bin/false\n")).unwrap();
    let script = "mount --bind \"$0\" /etc/passwd && mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]).arg(root.join("passwd")).arg(program);
    command
}

impl Sshd {
    /// Starts one with the host key `host` of the wishes' folder, on a free port or on the same as before.
    fn start(test: &str, wishes: &Wishes, port: Option<u16>) -> Option<Sshd> {
        let program = parts::require(test, Part::Sshd)?;
        let root = wishes.root();
        keygen(&root.join("host"));
        let port = port.unwrap_or_else(|| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
            root.display()
        );
        fs::write(root.join("sshd_config"), config).unwrap();
        let mut command = as_it_wants(root, &program);
        command.arg("-D").arg("-e").arg("-f").arg(root.join("sshd_config"));
        let log = fs::File::create(root.join("sshd.log")).unwrap();
        command.envs(parts::sshd_libraries()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("sshd starts");
        let sshd = Sshd { child, port };
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(root.join("sshd.log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline && !log.contains("rror") && !log.contains("not exist"),
                "sshd does not listen: {log}"
            );
            thread::sleep(Duration::from_millis(50));
        }
        Some(sshd)
    }
}

/// ssh reads its configuration from the account's own home, whatever HOME says: a site's wrapper names ours.
fn configure(wishes: &Wishes, sshd: &Sshd) {
    let root = wishes.root().display();
    fs::create_dir_all(wishes.root().join(".ssh")).unwrap();
    let config = format!(
        "Host forge\n  HostName 127.0.0.1\n  Port {}\n  User {}\nHost *\n  IdentityFile {root}/key\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile {root}/.ssh/known_hosts\n  GlobalKnownHostsFile /dev/null\n",
        sshd.port,
        user()
    );
    fs::write(wishes.root().join(".ssh/config"), config).unwrap();
    let gitconfig = format!("[core]\n\tsshCommand = ssh -F {root}/.ssh/config -o BatchMode=yes\n");
    fs::write(wishes.root().join(".gitconfig"), gitconfig).unwrap();
}

/// Writes the host's key into known_hosts.
fn know(wishes: &Wishes, sshd: &Sshd) {
    let key = fs::read_to_string(wishes.root().join("host.pub")).unwrap();
    let line = format!("[127.0.0.1]:{} {key}", sshd.port);
    fs::write(wishes.root().join(".ssh/known_hosts"), line).unwrap();
}

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
