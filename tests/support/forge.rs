//! The forge of `forge.py` as a process of the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::parts;
use super::wishes::Wishes;

pub const ACCOUNT: &str = "ada:hunter2-of-ada";
pub const PASSWORD: &str = "hunter2-of-ada";

/// Holds a running forge; it ends when dropped.
pub struct Forge {
    child: Child,
    pub port: u16,
    dir: PathBuf,
}

impl Forge {
    /// Serves the wishes' bare repository, and makes git trust the forge by `~/.gitconfig`.
    pub fn start(test: &str, wishes: &Wishes) -> Option<Forge> {
        let forge = Forge::plain_or_not(test, wishes, "forge", &[])?;
        let config = format!("[http]\n\tsslCAInfo = {}\n", forge.dir.join("ca.pem").display());
        fs::write(wishes.root().join(".gitconfig"), config).expect("it can be written");
        Some(forge)
    }

    /// Serves the wishes' bare repository from another folder of its own, trusted by nobody.
    pub fn plain_or_not(test: &str, wishes: &Wishes, name: &str, more: &[&str]) -> Option<Forge> {
        let Some(python) = parts::program("python3") else {
            parts::skip(test, "python3", "apt-get install python3");
            return None;
        };
        let dir = wishes.root().join(name);
        fs::create_dir_all(&dir).expect("it can be made");
        fs::write(dir.join("mode"), "ok").expect("it can be written");
        certificate(&dir);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/forge.py");
        let mut command = Command::new(python);
        command.arg(script).arg(wishes.root()).arg(&dir).args(more);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("it says its port");
        Some(Forge { child, port: line.trim().parse().expect("a port"), dir })
    }

    /// Returns the address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }

    /// Says how it behaves from now on.
    pub fn mode(&self, mode: &str) {
        fs::write(self.dir.join("mode"), mode).expect("it can be written");
    }

    /// Returns what was asked so far: method, path, and the account that was given, line by line.
    pub fn requests(&self) -> String {
        fs::read_to_string(self.dir.join("requests")).unwrap_or_default()
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a CA and a certificate of 127.0.0.1.
fn certificate(dir: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let (ca_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).expect("it signs itself").pem();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("it is signed");
    for (name, text) in [("ca.pem", pem), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())] {
        fs::write(dir.join(name), text).expect("it can be written");
    }
}
