//! Addresses, sockets, settings and signals.

use super::*;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

#[test]
fn a_port_in_use_is_refused_with_who_to_ask() {
    let wishes = cluster();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().unwrap().to_string();
    let said = refuses_to_start(&wishes, &wishes.bare(), &["--listen", &address]);
    assert!(said.contains(&address) && said.contains("in use") && said.contains("ss -ltnp"), "{said}");
    let said = refuses_to_start(&wishes, &wishes.bare(), &["--api", &address]);
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn an_api_that_other_hosts_could_reach_is_refused() {
    let wishes = cluster();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8271"] {
        let said = refuses_to_start(&wishes, &wishes.bare(), &["--api", address]);
        assert!(said.contains(address) && said.contains("hint: use a unix socket or 127.0.0.1"), "{said}");
    }
    let said = refuses_to_start(&wishes, &wishes.bare(), &["--listen", "0.0.0.0:0"]);
    assert!(said.contains("hint: name the URL") && said.contains("--advertise"), "{said}");
    assert!(!store(&wishes).exists(), "nothing is made before the settings are known to be good");
}

#[test]
fn an_api_on_loopback_answers_there() {
    let wishes = cluster();
    let served = serve(&wishes, &["--api", "127.0.0.1:0"]);
    until(&served, "serving", |status| status["state"] == "serving");
    assert!(!wishes.root().join("muster.sock").exists());
    let output = ends(wishes.root(), &["status", "--api", served.api()], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(served.get("/api/v1/status").status, 404, "machines that boot see no status");
}

#[test]
fn the_socket_is_for_owner_and_group_replaces_a_stale_one_and_goes_at_the_end() {
    let wishes = cluster();
    let socket = wishes.root().join("muster.sock");
    drop(UnixListener::bind(&socket).expect("a socket can be made"));
    assert!(socket.exists(), "a dead server's socket stays");
    let served = serve(&wishes, &[]);
    assert_eq!(served.socket(), socket);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    until(&served, "serving", |status| status["state"] == "serving");
    let (ended, log) = served.stop();
    assert_eq!(ended.code(), Some(0), "{}", log.join("\n"));
    assert!(!socket.exists());

    let served = serve(&wishes, &[]);
    until(&served, "serving", |status| status["state"] == "serving");
    served.kill();
    assert!(socket.exists(), "a power cut leaves it");
    let served = serve(&wishes, &[]);
    until(&served, "serving", |status| status["state"] == "serving");
    drop(served);

    fs::remove_file(&socket).expect("it is there");
    fs::write(&socket, "a file of somebody").expect("it can be written");
    let said = refuses_to_start(&wishes, &wishes.bare(), &[]);
    assert!(said.contains("is no socket"), "{said}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "a file of somebody");
}

#[test]
fn a_request_that_runs_is_answered_after_sigterm_and_noted() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    let mut stream = TcpStream::connect(served.boot()).expect("it listens");
    let idle = TcpStream::connect(served.boot()).expect("it listens");
    write!(stream, "GET /boot/v1/bootscript?mac=02:00:00:00:00:02 HTTP/1.1\r\nHost: m\r\nUser-Agent: iPXE/1.0\r\n")
        .unwrap();
    // Connections are taken in order: one that is answered says that those before it are in.
    served.get("/healthz");
    signal(&served, "TERM");
    served.wait_for("that it ends", |fields| {
        fields["message"].as_str().is_some_and(|text| text.starts_with("told to end"))
    });
    // Late enough that whoever writes what was seen could have ended before.
    thread::sleep(Duration::from_millis(500));
    write!(stream, "\r\n").unwrap();
    let answer = read(&mut stream);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("#!ipxe"), "{answer}");
    drop(idle);
    let (ended, log) = served.ended();
    assert_eq!(ended.code(), Some(0), "{}", log.join("\n"));

    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    assert_eq!(node(&served, "n2")["last_boot"]["user_agent"], "iPXE/1.0", "the last answers are remembered too");
}

#[test]
fn a_second_signal_ends_at_once_a_client_that_stalls() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    until(&served, "serving", |status| status["state"] == "serving");
    let mut stream = TcpStream::connect(served.boot()).expect("it listens");
    write!(stream, "GET /readyz HTTP/1.1\r\n").unwrap();
    served.get("/healthz");
    signal(&served, "INT");
    served.wait_for("that it ends", |fields| fields["signal"] == "SIGINT");
    let (ended, log) = served.stop();
    assert_eq!(ended.code(), Some(0), "{}", log.join("\n"));
    assert!(log.iter().any(|line| line.contains("told again; ending at once")), "{}", log.join("\n"));
}

fn signal(served: &Served, name: &str) {
    let sent = std::process::Command::new("kill").arg(format!("-{name}")).arg(served.pid().to_string()).status();
    assert!(sent.expect("kill starts").success());
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let wishes = cluster();
    for branch in ["of-file", "of-variable", "of-flag"] {
        wishes.git(&["push", "-q", "origin", &format!("main:refs/heads/{branch}")]);
    }
    let start = |file: &str, envs: &[(&str, &str)], flags: &[&str]| {
        let name = format!("{}.toml", file.len() + envs.len() + flags.len());
        let path = wishes.root().join(&name);
        let store = wishes.root().join(format!("{name}.redb"));
        let text = format!("repo = {:?}\nstore = {store:?}\nlisten = \"127.0.0.1:0\"\n{file}", wishes.bare());
        fs::write(&path, text).expect("it can be written");
        let mut command = muster::command(wishes.root());
        command.env("MUSTER_CONFIG", &path).envs(envs.iter().copied()).arg("serve").args(flags);
        let served = Served::spawn(command);
        let status = until(&served, "serving", |status| status["state"] == "serving");
        status["source"]["branch"].as_str().unwrap().to_owned()
    };
    let file = "branch = \"of-file\"\n";
    let variable = [("MUSTER_BRANCH", "of-variable")];
    assert_eq!(start("", &[], &[]), "main");
    assert_eq!(start(file, &[], &[]), "of-file");
    assert_eq!(start(file, &variable, &[]), "of-variable");
    assert_eq!(start(file, &variable, &["--branch", "of-flag"]), "of-flag");
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_their_place() {
    let wishes = cluster();
    let file = wishes.root().join("muster.toml");
    let path = file.display().to_string();
    for (text, parts) in [
        ("branhc = \"main\"\n", ["branhc", "muster.toml"]),
        ("listen = \"everywhere\"\n", ["line 1", "muster.toml"]),
        ("listen = \n", ["line 1", "muster.toml"]),
    ] {
        fs::write(&file, text).expect("it can be written");
        let output = ends(wishes.root(), &["serve", "--config", &path], &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let output = ends(wishes.root(), &["serve", "--config", "nowhere.toml"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("nowhere.toml") && said.contains("hint: "), "{said}");
    let output = ends(wishes.root(), &["serve"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("MUSTER_REPO"), "{said}");
    let output = ends(wishes.root(), &["serve"], &[("MUSTER_LISTEN", "8270")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_repository_that_is_none_is_refused_for_what_it_is() {
    let wishes = cluster();
    fs::write(wishes.root().join("file"), "no repository").expect("it can be written");
    let said = refuses_to_start(&wishes, &wishes.root().join("file"), &[]);
    assert!(said.contains("is a file, not a repository"), "{said}");
    let plain = wishes.root().join("plain");
    fs::create_dir(&plain).expect("it can be made");
    let said = refuses_to_start(&wishes, &plain, &[]);
    assert!(said.contains("is not a git repository"), "{said}");
    let said = refuses_to_start(&wishes, &wishes.bare(), &["--store", "nowhere/muster.redb"]);
    assert!(said.contains("there is no folder nowhere") && said.contains("mkdir -p"), "{said}");
}

#[test]
fn a_folder_inside_a_repository_is_told_how_to_be_named() {
    let wishes = cluster();
    let said = refuses_to_start(&wishes, &wishes.clone_dir().join("boot"), &[]);
    assert!(said.contains("lies inside the repository") && said.contains("--path boot"), "{said}");
}

/// Waits until the api's socket answers; the log may say nothing at all.
fn answers(socket: &Path) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if std::os::unix::net::UnixStream::connect(socket).is_ok() {
            let status = http::get_unix(socket, "/api/v1/status");
            return serde_json::from_str(status.text()).expect("the status is JSON");
        }
        assert!(Instant::now() < deadline, "nothing listens on {}", socket.display());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whatever_is_logged_it_serves_until_it_is_told_to_end() {
    let wishes = cluster();
    let of_file = wishes.root().join("quiet.toml");
    fs::write(&of_file, "log = \"error\"\n").expect("it can be written");
    let of_file = of_file.display().to_string();
    let levels = ["off", "error", "warn", "info", "debug", "trace", "muster=warn", "warn,muster=info", "hyper=debug"];
    let by_flag = levels.iter().map(|level| (vec!["--log", *level], None));
    let by_other = [(vec!["--config", of_file.as_str()], None), (vec![], Some("warn"))];

    for (number, (flags, variable)) in by_flag.chain(by_other).enumerate() {
        let store = wishes.root().join(format!("{number}.redb"));
        let mut command = muster::command(wishes.root());
        command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(&store);
        command.args(["--listen", "127.0.0.1:0"]).args(&flags).envs(variable.map(|level| ("MUSTER_LOG", level)));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("muster starts");

        let status = answers(&store.with_extension("sock"));
        assert!(status["state"].is_string(), "{flags:?}: {status}");
        assert!(child.try_wait().unwrap().is_none(), "{flags:?} ended by itself");
        let told = std::process::Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
        assert!(told.expect("kill starts").success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{flags:?}");
    }
}

#[test]
fn a_log_level_that_is_none_is_refused() {
    let wishes = cluster();
    for level in ["nonsense", "debgu,muster=info", "muster=loud"] {
        let said = refuses_to_start(&wishes, &wishes.bare(), &["--log", level]);
        assert!(said.contains(&format!("`log`: `{level}` is neither a level nor")), "{said}");
        assert!(said.contains("hint: write error, warn, info or debug"), "{said}");
        let output = ends(wishes.root(), &["settings", "--repo", ".", "--log", level], &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    assert!(!store(&wishes).exists());
}

/// What was found and not read is not fine.
#[test]
fn a_verdict_that_is_not_read_is_no_success() {
    let wishes = cluster();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = muster::command(&wishes.clone_dir()).args(["check"]).stdout(writer).status();
    assert_eq!(status.expect("muster starts").code(), Some(141));
}

/// Lists a folder and all that lies in it, whatever it is.
fn all_below(path: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![path.to_owned()];
    if fs::symlink_metadata(path).expect("it is there").is_dir() {
        let entries = fs::read_dir(path).expect("it can be read").map(|entry| entry.expect("it can be read").path());
        all.extend(entries.flat_map(|entry| all_below(&entry)));
    }
    all
}

#[test]
fn what_the_server_makes_is_for_its_owner_and_group_whatever_it_was_started_with() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    for (given, bits_of_nobody) in [("000", 0o027), ("077", 0o077)] {
        let state = wishes.root().join(format!("state-{given}"));
        fs::create_dir(&state).expect("it can be made");
        let store = state.join("muster.redb");
        let mut command = std::process::Command::new("sh");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", wishes.root());
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", given, env!("CARGO_BIN_EXE_muster"), "serve"]);
        command.arg("--repo").arg(wishes.bare()).arg("--store").arg(&store).args(["--listen", "127.0.0.1:0"]);
        let served = Served::spawn(command);
        until_serving(&served, &first);
        until_stored(&served, &first);

        let (made, socket) = (all_below(&state), served.socket());
        let names: Vec<_> = made.iter().filter_map(|path| path.extension()).collect();
        assert!(names.iter().any(|name| *name == "redb") && names.iter().any(|name| *name == "git"), "{made:?}");
        for path in made.iter().filter(|path| **path != state && **path != socket) {
            let mode = fs::symlink_metadata(path).expect("it is there").permissions().mode();
            let is_link = fs::symlink_metadata(path).expect("it is there").is_symlink();
            assert!(is_link || mode & bits_of_nobody == 0, "{given}: {mode:o} {}", path.display());
        }
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    }
}

/// A server that is killed even if a test fails.
struct Unread(std::process::Child);

impl Drop for Unread {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A terminal that was stopped with ^S, or a log collector that hangs: the pipe fills, and whoever writes to it stops.
#[test]
fn a_log_that_is_not_read_holds_up_neither_boots_nor_orders_nor_the_end() {
    use std::io::{BufRead, BufReader};

    let wishes = cluster();
    let mut command = muster::command(wishes.root());
    command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(store(&wishes));
    command.args(["--listen", "127.0.0.1:0", "--log", "trace"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Unread(command.spawn().expect("muster starts"));
    let mut log = BufReader::new(server.0.stderr.take().expect("a pipe")).lines();
    let listening = log.find_map(|line| {
        let line: Value = serde_json::from_str(&line.ok()?).ok()?;
        line["fields"]["boot"].as_str()?.parse::<SocketAddr>().ok()
    });
    let address = listening.expect("it says where it listens");

    // From here on the log is not read. A pipe holds 64 KiB, and each request is several lines.
    for number in 0..2000 {
        let target = format!("/boot/v1/bootscript?mac=06:00:00:00:{:02x}:{:02x}", number / 256, number % 256);
        http::get(address, &target);
    }
    let deadline = Instant::now() + PATIENCE;
    while boot(address, "02:00:00:00:00:01").status != 200 {
        assert!(Instant::now() < deadline, "nothing boots");
        thread::sleep(Duration::from_millis(20));
    }
    let output = ends(wishes.root(), &["pin", "main", "--store", "muster.redb", "--reason", "unread"], &[]);
    assert!(output.status.success(), "{output:?}");

    let asked = std::process::Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status();
    assert!(asked.expect("kill starts").success());
    let ended = loop {
        match server.0.try_wait().expect("our child can be waited for") {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "it waits for the reader of its log"),
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(ended.code(), Some(0));
    drop(log);
}
