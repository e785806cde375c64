//! A loopback sshd of a test's own, and an ssh that knows it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::parts::{self, Part};
use super::wishes::Wishes;

/// Longer than a busy machine takes to start it.
const PATIENCE: Duration = Duration::from_secs(180);

/// Holds a running sshd; it ends when dropped.
pub struct Sshd {
    child: Child,
    pub port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key pair without a passphrase.
pub fn keygen(file: &Path) {
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
    pub fn start(test: &str, wishes: &Wishes, port: Option<u16>) -> Option<Sshd> {
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
pub fn configure(wishes: &Wishes, sshd: &Sshd) {
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
pub fn know(wishes: &Wishes, sshd: &Sshd) {
    let key = fs::read_to_string(wishes.root().join("host.pub")).unwrap();
    let line = format!("[127.0.0.1]:{} {key}", sshd.port);
    fs::write(wishes.root().join(".ssh/known_hosts"), line).unwrap();
}
