//! Generates a cluster repository as a site would write it: racks of one model each, with all
//! properties declared.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::build::{Build, Surplus};
use super::chance;
use super::model::{Mix, Model};
use muster_core::model::{Arch, Quirk};

/// The number of nodes in a rack.
const RACK: usize = 64;

/// The number of nodes behind one BMC of a Cray.
const CRAY: usize = 4;

/// Files by path, and the model of each BMC.
pub type Wishes = (BTreeMap<String, String>, BTreeMap<Box<str>, Model>);

/// Generates a valid cluster repository for `nodes` nodes of a mix of models.
#[must_use]
pub fn wishes(nodes: usize, mix: &Mix, seed: u64) -> Wishes {
    let (mut files, mut models) = (BTreeMap::new(), BTreeMap::new());
    let mut seen = Vec::new();
    for (rack, from) in (1..=nodes).step_by(RACK).enumerate() {
        let model = mix.choose(chance::number(seed, &["rack", &rack.to_string()]));
        let rack = Rack { number: rack + 1, from, to: (from + RACK - 1).min(nodes), model };
        files.insert(format!("nodes/rack{:04}.toml", rack.number), rack.nodes());
        files.insert(format!("nodes/rack{:04}.facts.csv", rack.number), rack.facts(seed));
        models.extend((1..=rack.bmcs()).map(|at| (rack.bmc(at).into(), model)));
        if !seen.contains(&model) {
            seen.push(model);
            files.insert(format!("groups/{model}.toml"), group(model));
        }
    }

    seen.sort_unstable();
    files.insert("cluster.toml".into(), cluster(&seen));
    files.insert("networks/bmc.toml".into(), "cidr = \"10.128.0.0/9\"\n".into());
    files.insert("networks/node.toml".into(), "cidr = \"10.0.0.0/9\"\ngateway = \"10.127.255.254\"\n".into());
    let boot = "kind = \"live\"\nkernel = \"http://images.example/vmlinuz\"\ninitrd = [\"http://images.example/initramfs.img\"]\n";
    files.insert("boot/live.toml".into(), boot.into());

    (files, models)
}

fn cluster(models: &[Model]) -> String {
    let layers: Vec<String> = models.iter().map(|model| format!("\"{model}\"")).collect();
    format!(
        "name = \"simulated\"\nlayers = [{}]\ncredentials = [\"simulated\"]\n\n[defaults]\nboot = \"live\"\nparams = [\"console=ttyS0\"]\nnics = [{{ name = \"eth0\", network = \"node\", boot = true, ip = \"{{{{ net('node') | host(nid + 256) }}}}\" }}]\n\n[defaults.bmc]\nnetwork = \"bmc\"\ncredentials = \"simulated\"\ntls = \"verify\"\n",
        layers.join(", ")
    )
}

/// Returns the group file with the expected properties of a model.
fn group(model: Model) -> String {
    let build = Build::new(model, Arch::X86_64, &BTreeMap::new(), Surplus::default());
    let quirks = model.quirks();
    let mut text = String::from("[expect]\n");
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let _ = writeln!(text, "manufacturer = {}", quoted(&build.manufacturer));
    let _ = writeln!(text, "model = {}", quoted(&build.model));
    let _ = writeln!(text, "memory_gib = {}\npower = \"on\"\nsecure_boot = false", build.memory_gib());

    let cpus = &build.processors;
    let _ = writeln!(
        text,
        "processors = {{ count = {}, model = {}, cores = {} }}",
        cpus.count,
        quoted(&cpus.model),
        cpus.cores
    );

    let _ = writeln!(text, "drives = {{ count = {} }}", build.drives.count);
    let _ = writeln!(text, "bios.version = {}", quoted(&build.bios_version));
    if !quirks.has(Quirk::Unlicensed) {
        text.push_str("\n[expect.bios.attributes]\n");
        for (name, value) in build.bios.iter().step_by(75) {
            let value = match value {
                serde_json::Value::String(value) => quoted(value),
                other => other.to_string(),
            };
            let _ = writeln!(text, "{name} = {value}");
        }
    }

    text.push_str("\n[expect.firmware]\n");
    for (name, version) in build.firmware.iter().filter(|(name, _)| ["BMC", "CPLD"].contains(&&***name)) {
        let _ = writeln!(text, "{name} = {}", quoted(version));
    }
    text
}

struct Rack {
    number: usize,
    /// The first and the last node.
    from: usize,
    to: usize,
    model: Model,
}

impl Rack {
    fn per_bmc(&self) -> usize {
        if self.model == Model::Cray { CRAY } else { 1 }
    }

    fn bmcs(&self) -> usize {
        (self.to - self.from + 1).div_ceil(self.per_bmc())
    }

    fn bmc(&self, at: usize) -> String {
        format!("r{:04}b{at:02}", self.number)
    }

    fn nodes(&self) -> String {
        let Self { number, from, to, model } = self;
        let bmcs = self.bmcs();
        let (high, low) = (128 + number / 256, number % 256);
        let mut text = format!(
            "[[bmc]]\nname = \"r{number:04}b[01-{bmcs:02}]\"\nurl = \"https://10.{high}.{low}.[1-{bmcs}]\"\n\n[[node]]\nname = \"nid[{from:06}-{to:06}]\"\nnid = \"[{from}-{to}]\"\ngroups = [\"{model}\"]\n"
        );
        if self.per_bmc() == 1 {
            let _ = writeln!(text, "bmc = \"r{number:04}b[01-{bmcs:02}]\"");
            return text;
        }

        let list = |item: &dyn Fn(usize) -> String| (0..=to - from).map(item).collect::<Vec<_>>().join(",");
        let _ = writeln!(text, "bmc = \"r{number:04}b[{}]\"", list(&|at| format!("{:02}", at / CRAY + 1)));
        let _ = writeln!(text, "system = \"Node[{}]\"", list(&|at| (at % CRAY).to_string()));
        text
    }

    fn facts(&self, seed: u64) -> String {
        let quirks = self.model.quirks();
        let mut text = String::from("name,nics.eth0.mac,serial,uuid\n");
        for node in self.from..=self.to {
            let name = format!("nid{node:06}");
            let [_, _, _, _, _, b, c, d] = node.to_be_bytes();
            let mac = format!("02:00:00:{b:02x}:{c:02x}:{d:02x}");
            let chance = chance::number(seed, &["facts", &name]);
            let serial = match () {
                () if quirks.has(Quirk::PlaceholderIdentity) => String::new(),
                // A service tag has seven characters.
                () if quirks.has(Quirk::TagInSku) => format!("{node:07}"),
                () => format!("SN{node:08}"),
            };
            let uuid = if quirks.has(Quirk::EmptyUuid) {
                String::new()
            } else {
                let number = (u128::from(chance) << 64) | u128::from(chance::both(chance, 3));
                uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid().to_string()
            };
            let _ = writeln!(text, "{name},{mac},{serial},{uuid}");
        }

        text
    }
}
