//! How the work of a check grows with what is in a repository: four times as much of anything takes about four times the
//! work, whether it is right or wrong.
//!
//! Work is the processor time of one thread, compared within the run, the best of several measurements. It is never
//! held to a number of seconds: a shape whose larger size takes next to nothing has room to grow, and is not compared.
//! Measurements that disagree among themselves prove nothing, so a loaded machine fails no shape.

use std::fmt::Write as _;
use std::fs;

use muster::model::{Code, Diagnostic, File, Revision, Tree};
use muster::view::FindingList;
use muster::{report, snapshot};

/// By how much one size is larger than the other.
const FACTOR: usize = 4;

/// The largest growth of the work: what is quadratic grows by 16.
const MAX_GROWTH: f64 = 7.0;

/// How often a shape is measured before it counts as too slow; another process can disturb a measurement, and a cause in
/// the code shows each time.
const TRIES: usize = 4;

/// How much the measurements of one size may differ for a failure to count: what is quadratic exceeds the limit by more.
const MAX_SPREAD: f64 = 1.5;

/// By how much the counts of `SHAPES` are divided. Processor time is known to the nanosecond, so a small repository shows
/// the growth as well as a large one.
const DIVISOR: usize = 2;

/// Processor time below which growth says nothing: 30 ms, in nanoseconds.
const TOO_LITTLE: u64 = 30_000_000;

/// What is repeated, how often in the smaller repository, and the files that hold it so many times.
type Shape = (&'static str, usize, fn(usize) -> Files);

type Files = Vec<(String, String)>;

#[test]
fn work_grows_with_the_size_of_any_list_or_table() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut wrong = Vec::new();
    for (name, count, files) in SHAPES {
        let count = count / DIVISOR;
        let (small, large) = (tree(files(count)), tree(files(FACTOR * count)));
        let measure = || (pool.install(|| work(&small)), pool.install(|| work(&large)));
        match judge(measure) {
            Growth::Bounded => {}
            Growth::TooFast(factor) => wrong.push(format!("{name}: {factor:.1}")),
            Growth::Unclear => eprintln!("{name}: inconclusive, the machine is too busy for a measurement"),
        }
    }
    assert!(
        wrong.is_empty(),
        "the work grows by more than {MAX_GROWTH} with {FACTOR} times as many\n{}",
        wrong.join("\n")
    );
}

/// What the measurements of a shape say.
#[derive(Debug, PartialEq)]
enum Growth {
    Bounded,
    TooFast(f64),
    /// They disagree too much among themselves.
    Unclear,
}

/// Compares the best measurements of the smaller and the larger size.
fn judge(mut measure: impl FnMut() -> (u64, u64)) -> Growth {
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        let (of_small, of_large) = measure();
        small.push(of_small.max(1));
        large.push(of_large.max(1));
        let least = |all: &[u64]| all.iter().min().copied().unwrap_or(1);
        if least(&large) < TOO_LITTLE || least(&large) as f64 <= MAX_GROWTH * least(&small) as f64 {
            return Growth::Bounded;
        }
    }

    small.sort_unstable();
    large.sort_unstable();
    let spread = |all: &[u64]| all[TRIES - 1] as f64 / all[0] as f64;
    if spread(&small) > MAX_SPREAD || spread(&large) > MAX_SPREAD {
        return Growth::Unclear;
    }
    Growth::TooFast(large[0] as f64 / small[0] as f64)
}

#[test]
fn only_measurements_that_agree_fail_a_shape() {
    const MS: u64 = 1_000_000;
    let of = |pairs: [(u64, u64); TRIES]| {
        let mut pairs = pairs.into_iter().map(|(small, large)| (small * MS, large * MS));
        judge(|| pairs.next().expect("no more tries than there are"))
    };
    assert_eq!(of([(10, 160), (11, 170), (10, 165), (12, 161)]), Growth::TooFast(16.0));
    // One good measurement of each size is enough.
    assert_eq!(of([(10, 160), (11, 170), (10, 165), (12, 70)]), Growth::Bounded);
    assert_eq!(of([(10, 160), (25, 170), (11, 165), (12, 161)]), Growth::Unclear);
    assert_eq!(of([(10, 160), (11, 250), (11, 165), (12, 161)]), Growth::Unclear);
    assert_eq!(of([(1, 29), (1, 29), (1, 29), (1, 29)]), Growth::Bounded);
}

/// A list that is far longer than any site's is refused by a sentence that names it, and what is beside it is read.
#[test]
fn lists_beyond_all_sites_are_refused() {
    for (key, files) in [
        ("params", params(1_025)),
        ("nics", nics(513, |_| String::new())),
        ("initrd", boot(&format!("initrd = [{}]\n", list(65, |at| format!("\"http://x/{at}\""))))),
    ] {
        let (_, findings) = snapshot::build(&tree(files), Revision::work_tree());
        let is_told = |finding: &Diagnostic| finding.code == Code::TooMany && finding.message.contains(key);
        assert!(findings.iter().any(is_told), "{key}: {findings:?}");
    }
}

/// A name of a megabyte is known by its beginning and its end, wherever a file states it.
#[test]
fn no_finding_repeats_a_megabyte() {
    let long = "a".repeat(1 << 20);
    let all = [
        node(&format!("{long} = 1")),
        node(&format!("boot = \"{long}\"")),
        node(&format!("state = \"{long}\"")),
        node(&format!("nid = \"{long}\"")),
        node(&format!("xname = \"{long}\"")),
        node(&format!("uuid = \"{long}\"")),
        node(&format!("groups = [\"{long}\"]")),
        node(&format!("unset = [\"{long}\"]")),
        node(&format!("bmc = {{ url = \"{long}\" }}")),
        node(&format!("params = [\"a {long}\"]")),
        node(&format!("params = [\"-{long}\"]")),
        node(&format!("params = [\"a={{{{ {long} }}}}\"]")),
        node(&format!("params = [\"a={{{{ net('{long}') }}}}\"]")),
        node(&format!("cloud_init.user_data = \"{long}\"")),
        node(&format!("expect.{long} = 1")),
        nodes(1, |_| format!("nics = [{{ name = \"{long}\" }}]")),
        nodes(1, |_| format!("nics = [{{ name = \"e\", mac = \"{long}\", ip = \"{long}\", network = \"{long}\" }}]")),
        nodes(1, |_| format!("nics = [{{ name = \"e\", kind = \"{long}\" }}]")),
        one("nodes/m.toml", format!("[[node]]\nname = \"{long}\"\n")),
        one("nodes/m.toml", format!("[[node]]\nname = \"m[{long}]\"\n")),
        one("nodes/m.toml", format!("[[{long}]]\nname = \"m\"\n")),
        one("nodes/m.toml", format!("[[set]]\nnodes = \"{long}\"\nvars.a = 1\n")),
        one("nodes/m.toml", format!("[[set]]\nnodes = \"@{long}\"\nvars.a = 1\n")),
        one("groups/g.toml", format!("nodes = \"{long}\"\n")),
        one("networks/m.toml", format!("cidr = \"{long}\"\ngateway = \"{long}\"\n")),
        one("policy.toml", format!("[drift]\nfail_on = [\"{long}\"]\n[guard]\nallow = [\"{long}\"]\n")),
        boot(&format!("initrd = \"{long}\"\n")),
        facts(format!("name,{long}\nn1,x\n")),
        facts(format!("name,serial\n{long},x\n")),
        facts(format!("name,nics.eth0.mac\nn1,{long}\n")),
        facts(format!("name,nics.{long}.mac\nn1,x\n")),
        exceptions(1, |_| "a".repeat(1 << 20), |_| "b".repeat(1 << 20)),
        one(&format!("groups/{long}.toml"), "colour = 1\n".into()),
        one(&format!("networks/{long}.toml"), String::new()),
        one(&format!("boot/{long}.toml"), "kind = \"local\"\n".into()),
        one(&format!("nodes/{long}.toml"), "[[node]]\nname = \"n1\"\n".into()),
        one(&format!("cloud-init/{long}.j2"), "#cloud-config\n".into()),
    ];
    for files in all {
        let (path, text) = files.last().map(|(path, text)| (path.clone(), text.clone())).expect("a file");
        let tree = tree(files);
        let (_, findings) = snapshot::build(&tree, Revision::work_tree());
        assert!(!findings.is_empty(), "{path:.80}: {text:.80} passes");
        for Diagnostic { message, hint, related, .. } in &findings {
            let sentences = [message].into_iter().chain(hint).chain(related.iter().map(|(_, why)| why));
            sentences.for_each(|sentence| assert!(sentence.len() < 2_100, "{path:.80}: {text:.80}: {sentence:.200}"));
        }
        assert!(report::text(&findings, &tree, "", false).len() < 1 << 16, "{path:.80}: {text:.80}");
        assert!(report::github(&findings, &tree, "", None).len() < 1 << 16, "{path:.80}: {text:.80}");
        let json = serde_json::to_string(&FindingList::of(&findings, &tree, "")).expect("findings are JSON");
        assert!(json.len() < 1 << 16, "{path:.80}: {text:.80}");
    }
}

/// Returns the processor time of a check and of its reports, in nanoseconds.
fn work(tree: &Tree) -> u64 {
    let before = processor_time();
    let (snapshot, findings) = snapshot::build(tree, Revision::work_tree());
    let text = report::text(&findings, tree, "", false);
    let json = serde_json::to_string(&FindingList::of(&findings, tree, "")).expect("findings are JSON");
    assert!(text.len() < 1 << 20, "a report is short, however many findings there are");
    drop((snapshot, json));
    processor_time() - before
}

/// Returns the processor time of this thread so far: the first field of `schedstat`, or the clock ticks of
/// proc_pid_stat(5) (utime and stime) on a kernel without that file.
fn processor_time() -> u64 {
    if let Ok(text) = fs::read_to_string("/proc/thread-self/schedstat") {
        return text.split_whitespace().next().and_then(|time| time.parse().ok()).expect("a number");
    }
    let stat = fs::read_to_string("/proc/thread-self/stat").expect("this test runs on Linux");
    let (_, rest) = stat.rsplit_once(')').expect("the name of the thread is in brackets");
    let times = rest.split_whitespace().skip(11).take(2);
    // A tick is 10 ms.
    10_000_000 * times.map(|time| time.parse::<u64>().expect("a number")).sum::<u64>()
}

fn tree(files: Files) -> Tree {
    let mut tree = Tree::from_fixture(
        "//- cluster.toml\nname = \"t\"\n[defaults]\nboot = \"b\"\n\
         //- boot/b.toml\nkind = \"live\"\nkernel = \"http://x/k\"\n\
         //- nodes/n.toml\n[[node]]\nname = \"n1\"\nnics = [{ name = \"eth0\", mac = \"02:00:00:00:00:01\" }]\n",
    );
    for (path, text) in files {
        tree.insert(path, File::Bytes(text.into_bytes().into()));
    }
    tree
}

fn one(path: &str, text: String) -> Files {
    vec![(path.to_owned(), text)]
}

fn repeat(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, at| {
        let _ = write!(all, "{}", part(at));
        all
    })
}

fn list(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(",")
}

fn mac(at: usize) -> String {
    format!("02:00:00:{:02x}:{:02x}:{:02x}", at >> 16, at >> 8 & 255, at & 255)
}

fn node(more: &str) -> Files {
    one(
        "nodes/n.toml",
        format!("[[node]]\nname = \"n1\"\n{more}\nnics = [{{ name = \"eth0\", mac = \"{}\" }}]\n", mac(1)),
    )
}

fn nodes(count: usize, more: impl Fn(usize) -> String) -> Files {
    one("nodes/n.toml", repeat(count, |at| format!("[[node]]\nname = \"n{at}\"\n{}\n", more(at))))
}

fn sets(count: usize, more: impl Fn(usize) -> String) -> Files {
    one("nodes/s.toml", repeat(count, |at| format!("[[set]]\nnodes = \"n1\"\n{}\n", more(at))))
}

fn nics(count: usize, more: impl Fn(usize) -> String) -> Files {
    let nic = |at: usize| format!("[[node.nics]]\nname = \"e{at}\"\n{}\n", more(at));
    one("nodes/n.toml", format!("[[node]]\nname = \"n1\"\n{}", repeat(count, nic)))
}

fn facts(text: String) -> Files {
    one("nodes/a.facts.csv", text)
}

fn boot(more: &str) -> Files {
    one("boot/b.toml", format!("kind = \"live\"\nkernel = \"http://x/k\"\n{more}"))
}

fn params(count: usize) -> Files {
    node(&format!("params = [{}]", list(count, |at| format!("\"p{at}=1\""))))
}

fn bmcs(count: usize, more: impl Fn(usize) -> String) -> String {
    repeat(count, |at| format!("[[bmc]]\nname = \"c{at}\"\nurl = \"https://x{at}/\"\n{}\n", more(at)))
}

fn groups(count: usize, more: impl Fn(usize) -> String) -> Files {
    let layers = list(count, |at| format!("\"g{at:05}\""));
    let cluster = format!("name = \"t\"\nlayers = [{layers}]\n[defaults]\nboot = \"b\"\n");
    let groups = (0..count).map(|at| (format!("groups/g{at:05}.toml"), more(at)));
    groups.chain(one("cluster.toml", cluster)).collect()
}

fn networks(count: usize) -> Files {
    let cidr = |at: usize| format!("cidr = \"10.{}.{}.0/24\"\n", at / 250, at % 250);
    (0..count).map(|at| (format!("networks/m{at}.toml"), cidr(at))).collect()
}

fn documents(layers: &str, user: String, vendor: String) -> Files {
    let cluster = format!("name = \"t\"\n[defaults]\nboot = \"b\"\ncloud_init = {{ {layers} }}\n");
    let mut all = one("cluster.toml", cluster);
    all.extend([("cloud-init/u".to_owned(), user.clone()), ("cloud-init/v".to_owned(), vendor)]);
    all.push(("cloud-init/t.j2".to_owned(), user));
    all
}

fn exceptions(count: usize, nodes: fn(usize) -> String, attribute: fn(usize) -> String) -> Files {
    let table = |at: usize| {
        format!(
            "[[exception]]\nnodes = \"{}\"\nattribute = \"{}\"\nmissing = true\nowner = \"a\"\nexpires = 2027-01-01\n",
            nodes(at),
            attribute(at)
        )
    };
    one("exceptions/e.toml", repeat(count, table))
}

/// Everything in the language that a repository can hold many of, right and wrong.
const SHAPES: &[Shape] = &[
    // Keys and values of TOML.
    ("unknown keys", 1_000, |n| node(&repeat(n, |at| format!("k{at} = 1\n")))),
    ("unknown keys on one line", 1_000, |n| node(&format!("expect = {{ {} }}", list(n, |at| format!("k{at} = 1"))))),
    ("unknown keys of a file", 1_000, |n| one("nodes/x.toml", repeat(n, |at| format!("k{at} = 1\n")))),
    ("keys that are stated twice", 4_000, |n| one("groups/g.toml", "a = 1\n".repeat(n))),
    ("variables", 2_000, |n| node(&repeat(n, |at| format!("vars.a{at}.b = 1\n")))),
    ("patterns in variables", 1_000, |n| node(&repeat(n, |at| format!("vars.a{at} = \"[1-3]\"\n")))),
    ("an open quote", 40_000, |n| one("groups/g.toml", format!("vars.a = \"{}", "b".repeat(n)))),
    ("an open quote over lines", 40_000, |n| one("groups/g.toml", format!("vars.a = '''{}", "''\n".repeat(n / 3)))),
    ("lists in the place of tables", 2_000, |n| {
        node("")
            .into_iter()
            .chain(one("nodes/m.toml", format!("[[node]]\nname = \"m\"\nnics = [{}]\n", "[],".repeat(n))))
            .collect()
    }),
    ("numbers in the place of tables", 2_000, |n| one("nodes/m.toml", format!("node = [{}]\n", "1,".repeat(n)))),
    // Nodes.
    ("nodes", 1_000, |n| nodes(n, |at| format!("nics = [{{ name = \"e\", mac = \"{}\" }}]", mac(at)))),
    ("nodes of one name", 1_000, |n| one("nodes/n.toml", "[[node]]\nname = \"n1\"\n".repeat(n))),
    ("nodes of one MAC address", 1_000, |n| nodes(n, |_| format!("nics = [{{ name = \"e\", mac = \"{}\" }}]", mac(1)))),
    ("nodes that nothing finds", 1_000, |n| nodes(n, |_| String::new())),
    ("nodes of unknown groups", 1_000, |n| nodes(n, |at| format!("groups = [\"x{at}\"]"))),
    ("nodes of unknown boots", 1_000, |n| nodes(n, |at| format!("boot = \"x{at}\""))),
    ("nodes of unknown documents", 1_000, |n| nodes(n, |at| format!("cloud_init.user_data = \"x{at}\""))),
    ("nodes of unknown networks", 1_000, |n| {
        nodes(n, |at| format!("nics = [{{ name = \"e\", network = \"x{at}\" }}]"))
    }),
    ("nodes whose parameter fails", 500, |n| nodes(n, |at| format!("params = [\"a={{{{ x{at} }}}}\"]"))),
    ("groups of one node", 2_000, |n| node(&format!("groups = [{}]", list(n, |at| format!("\"g{at}\""))))),
    ("bad names of a pattern", 2_000, |n| one("nodes/m.toml", format!("[[node]]\nname = \"m [1-{n}]\"\n"))),
    ("unknown names in `except`", 2_000, |n| {
        one("nodes/m.toml", format!("[[node]]\nname = \"m[1-{n}]\"\nexcept = \"x[1-{n}]\"\n"))
    }),
    // BMCs and accounts.
    ("BMCs", 1_000, |n| one("nodes/b.toml", bmcs(n, |_| String::new()))),
    ("unknown BMCs", 500, |n| {
        let nodes = repeat(n, |at| format!("[[node]]\nname = \"n{at}\"\nbmc = \"b{at}\"\n"));
        one("nodes/n.toml", bmcs(n, |_| String::new()) + &nodes)
    }),
    ("accounts", 500, |n| {
        let names = list(n, |at| format!("\"k{at}\""));
        let cluster = format!("name = \"t\"\ncredentials = [{names}]\n[defaults]\nboot = \"b\"\n");
        let mut files = one("nodes/b.toml", bmcs(n, |at| format!("credentials = \"j{at}\"")));
        files.extend(one("cluster.toml", cluster));
        files
    }),
    ("nodes of one BMC", 1_000, |n| {
        let mut files = nodes(n, |_| "bmc = \"c0\"\nsystem = \"1\"".to_owned());
        files.extend(one("nodes/b.toml", bmcs(1, |_| String::new())));
        files
    }),
    // Interfaces.
    ("interfaces", 600, |n| nics(n, |at| format!("mac = \"{}\"", mac(at)))),
    ("interfaces of one name", 1_000, |n| {
        one("nodes/n.toml", format!("[[node]]\nname = \"n1\"\n{}", "[[node.nics]]\nname = \"e\"\n".repeat(n)))
    }),
    ("a chain of bridges", 120, |n| nics(n, |at| format!("kind = \"bridge\"\nmembers = [\"e{}\"]", at + 1))),
    ("a long chain of bridges", 750, |n| nics(n, |at| format!("kind = \"bridge\"\nmembers = [\"e{}\"]", at + 1))),
    ("members that are not there", 1_000, |n| {
        nics(1, |_| format!("kind = \"bridge\"\nmembers = [{}]", list(n, |at| format!("\"f{at}\""))))
    }),
    ("routes", 1_000, |n| {
        nics(1, |_| {
            format!("routes = [{}]", list(n, |at| format!("{{ to = \"10.0.{}.0/24\", via = \"10.0.0.1\" }}", at % 250)))
        })
    }),
    ("addresses of an interface", 1_000, |n| {
        nics(1, |_| format!("ip = [{}]", list(n, |at| format!("\"10.0.{}.{}\"", at / 250, at % 250))))
    }),
    // Kernel parameters.
    ("parameters", 4_000, params),
    ("parameters of one key", 4_000, |n| node(&format!("params = [{}]", list(n, |at| format!("\"p={at}\""))))),
    ("parameters that are taken back", 2_000, |n| node(&format!("params = [{}]", list(n, |at| format!("\"-p{at}\""))))),
    ("parameters of a boot configuration", 2_000, |n| {
        boot(&format!("params = [{}]\n", list(n, |at| format!("\"p{at}\""))))
    }),
    ("keys that are taken back", 1_000, |n| node(&format!("unset = [{}]", list(n, |at| format!("\"vars.a{at}\""))))),
    // Facts.
    ("facts rows", 2_000, |n| facts(format!("name,serial\n{}", repeat(n, |at| format!("m{at},s{at}\n"))))),
    ("facts rows of one node", 1_000, |n| facts(format!("name,serial\n{}", repeat(n, |at| format!("n1,s{at}\n"))))),
    ("facts rows beside as many nodes", 500, |n| {
        let mut files = nodes(n, |_| String::new());
        files.extend(facts(format!("name,serial\n{}", repeat(n, |at| format!("m{at},s{at}\n")))));
        files
    }),
    ("facts rows of a wrong length", 2_000, |n| facts(format!("name,serial\n{}", "n1\n".repeat(n)))),
    ("facts columns", 4_000, |n| {
        facts(format!("name,{}\nn1,{}\n", list(n, |at| format!("vars.a{at}")), list(n, |_| "x".into())))
    }),
    ("facts columns of interfaces", 2_000, |n| {
        facts(format!("name,{}\nn1,{}\n", list(n, |at| format!("nics.e{at}.mac")), list(n, mac)))
    }),
    ("unknown facts columns", 2_000, |n| {
        facts(format!("name,{}\nn1,{}\n", list(n, |at| format!("c{at}")), list(n, |_| "x".into())))
    }),
    ("facts files", 200, |n| {
        (0..n).map(|at| (format!("nodes/f{at}.facts.csv"), format!("name,vars.a{at}\nn1,x\n"))).collect()
    }),
    // Sets.
    ("sets of one node", 1_000, |n| sets(n, |at| format!("vars.a{at} = 1"))),
    ("sets that agree", 1_000, |n| sets(n, |_| "vars.a = 1".into())),
    ("sets that disagree", 1_000, |n| sets(n, |at| format!("vars.a = {at}"))),
    ("sets that add parameters", 500, |n| sets(n, |at| format!("params = [\"+a{at}=1\"]"))),
    ("sets that take back", 500, |n| sets(n, |at| format!("unset = [\"vars.a{at}\"]"))),
    ("sets that name documents", 500, |n| sets(n, |at| format!("cloud_init.vendor_data = \"x{at}\""))),
    ("sets that join a group", 500, |n| {
        let mut files = sets(n, |_| "groups = [\"g\"]".into());
        files.extend(one("groups/g.toml", String::new()));
        files
    }),
    ("sets that leave a group", 500, |n| {
        let mut files = sets(n, |_| "unset = [\"groups.g\"]".into());
        files.extend(one("groups/g.toml", "nodes = \"n1\"\n".into()));
        files
    }),
    ("sets of unknown nodes", 500, |n| {
        let mut files = nodes(n, |_| String::new());
        files.extend(one("nodes/s.toml", repeat(n, |at| format!("[[set]]\nnodes = \"m{at}\"\nvars.a = 1\n"))));
        files
    }),
    ("sets of unknown groups", 1_000, |n| {
        one("nodes/s.toml", repeat(n, |at| format!("[[set]]\nnodes = \"@g{at}\"\nvars.a = 1\n")))
    }),
    // Groups and layers.
    ("groups", 200, |n| groups(n, |at| format!("nodes = \"n1\"\nvars.a{at} = 1\n"))),
    ("a chain of groups", 200, |n| groups(n, |at| format!("nodes = \"@g{:05}\"\n", at + 1))),
    ("a circle of groups", 200, |n| groups(n, |at| format!("nodes = \"@g{:05},@g00000\"\n", at + 1))),
    ("unknown layers", 1_000, |n| {
        groups(n, |_| String::new()).into_iter().filter(|(path, _)| path == "cluster.toml").collect()
    }),
    ("nodes of a node set", 2_000, |n| {
        one("groups/g.toml", format!("nodes = \"{}\"\n", list(n, |at| format!("m{}", 2 * at))))
    }),
    ("differences of a node set", 500, |n| {
        one("groups/g.toml", format!("nodes = \"n1{}\"\n", repeat(n, |at| format!("!m{at}"))))
    }),
    // Networks and boot configurations.
    ("networks", 200, networks),
    ("ranges of a network", 1_000, |n| {
        one("networks/m.toml", format!("cidr = [{}]\n", list(n, |at| format!("\"10.{}.{}.0/24\"", at / 250, at % 250))))
    }),
    ("boot configurations", 200, |n| {
        (0..n).map(|at| (format!("boot/y{at}.toml"), "kind = \"local\"\n".to_owned())).collect()
    }),
    // Documents.
    ("hidden lists", 500, |n| {
        let keys = format!("#cloud-config\n{}", repeat(n, |at| format!("k{at}:\n- a\n")));
        documents("user_data = \"u\", vendor_data = \"v\"", keys.clone(), keys)
    }),
    ("hidden lists of templates", 500, |n| {
        let keys = format!("#cloud-config\n{}", repeat(n, |at| format!("k{at}:\n- a\n")));
        documents("user_data = \"t.j2\", vendor_data = \"v\"", keys.clone(), keys)
    }),
    ("unused templates", 200, |n| {
        (0..n).map(|at| (format!("cloud-init/t{at}.j2"), "#cloud-config\n".to_owned())).collect()
    }),
    ("includes", 500, |n| {
        documents("user_data = \"t.j2\"", format!("#cloud-config\n{}", "{% include 'v' %}\n".repeat(n)), "x\n".into())
    }),
    ("lines that look like secrets", 1_000, |n| {
        documents(
            "user_data = \"u\"",
            format!("#cloud-config\n{}", repeat(n, |at| format!("password: abcdefgh{at}\n"))),
            String::new(),
        )
    }),
    ("keys of meta-data", 500, |n| {
        node(&format!("cloud_init.meta_data = {{ {} }}", list(n, |at| format!("a{at} = \"b\""))))
    }),
    // Drift and policy.
    ("expectations", 1_000, |n| node(&format!("expect.firmware = {{ {} }}", list(n, |at| format!("a{at} = \"1\""))))),
    ("exceptions", 500, |n| exceptions(n, |_| "n1".into(), |at| format!("bios.attributes.A{at}"))),
    ("exceptions that repeat", 500, |n| exceptions(n, |_| "n1".into(), |_| "bios.version".into())),
    ("exceptions for unknown nodes", 500, |n| exceptions(n, |at| format!("m{at}"), |_| "bios.version".into())),
    ("allowed changes", 1_000, |n| {
        one("policy.toml", format!("[guard]\nmax_nodes = 1\nallow = [{}]\n", list(n, |at| format!("\"{at:016x}\""))))
    }),
    ("installers", 1_000, |n| {
        one("policy.toml", format!("[guard]\ninstall = [{}]\n", list(n, |at| format!("\"a{at}\""))))
    }),
    ("files that nothing reads", 500, |n| (0..n).map(|at| (format!("node/y{at}.toml"), String::new())).collect()),
];
