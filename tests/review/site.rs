//! Made-up clusters and edits of them, as plain values.

use muster::model::{File, Tree};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How many groups a made-up cluster has.
pub const GROUPS: usize = 4;

/// The kind of BMC that has a table of its own, in a file of its own.
const NAMED_BMC: u8 = 3;

/// The file whose nodes have their serial numbers in a facts file.
const OF_FACTS: u8 = 2;

/// A made-up cluster.
#[derive(Debug, Clone)]
pub struct Site {
    pub nodes: Vec<Machine>,
    pub groups: Vec<Group>,
    pub image: u8,
    pub delay: u8,
    pub gateway: u8,
    pub unknown: u8,
    pub template: u8,
    pub kernel: u8,
    /// Of the boot configuration; some look like what the report writes itself.
    pub param: u8,
    /// How many comments stand at the head of each file.
    pub comments: usize,
}

#[derive(Debug, Clone)]
pub struct Machine {
    pub name: u8,
    /// Stands for MAC, serial, nid and address.
    pub number: u8,
    pub state: u8,
    pub file: u8,
    pub groups: BTreeSet<usize>,
    /// None, two kinds that its table declares, and one that a file of BMCs does.
    pub bmc: u8,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub extra: u8,
    pub image: Option<u8>,
    pub vendor: bool,
    pub memory: u8,
}

/// One edit; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub enum Edit {
    Add(u8),
    Remove(usize),
    Rename(usize, u8),
    Machine(usize, u8),
    State(usize, u8),
    Move(usize, u8),
    Bmc(usize, u8),
    Join(usize, usize),
    Extra(usize, u8),
    GroupImage(usize, Option<u8>),
    Vendor(usize),
    Memory(usize, u8),
    Image(u8),
    Delay(u8),
    Gateway(u8),
    Unknown(u8),
    Template(u8),
    Kernel(u8),
    Param(u8),
    Comments(usize),
}

pub fn sites() -> impl Strategy<Value = Site> {
    let groups = || proptest::collection::btree_set(0..GROUPS, 0..GROUPS);
    let machine = (0..2u8, 0..3u8, groups(), 0..4u8);
    let nodes = proptest::collection::vec(machine, 1..8).prop_map(|all| {
        let node = |(at, (state, file, groups, bmc)): (usize, (u8, u8, BTreeSet<usize>, u8))| {
            let at = at as u8;
            Machine { name: at + 1, number: at + 1, state, file, groups, bmc }
        };
        all.into_iter().enumerate().map(node).collect::<Vec<_>>()
    });
    let group = (0..3u8, proptest::option::of(0..3u8), any::<bool>(), 0..2u8)
        .prop_map(|(extra, image, vendor, memory)| Group { extra, image, vendor, memory });
    let groups = proptest::collection::vec(group, GROUPS);
    let whole = (0..3u8, 0..2u8, 0..3u8, 0..4u8, 0..2u8, 0..6u8);
    (nodes, groups, whole).prop_map(|(nodes, groups, (image, delay, unknown, template, kernel, param))| Site {
        nodes,
        groups,
        image,
        delay,
        gateway: 254,
        unknown,
        template,
        kernel,
        param,
        comments: 0,
    })
}

pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = || 0..8usize;
    let group = || 0..GROUPS;
    let edit = prop_oneof![
        (0..8u8).prop_map(Edit::Add),
        at().prop_map(Edit::Remove),
        (at(), 100..120u8).prop_map(|(at, name)| Edit::Rename(at, name)),
        (at(), 100..120u8).prop_map(|(at, number)| Edit::Machine(at, number)),
        (at(), 0..4u8).prop_map(|(at, state)| Edit::State(at, state)),
        (at(), 0..3u8).prop_map(|(at, file)| Edit::Move(at, file)),
        (at(), 0..4u8).prop_map(|(at, bmc)| Edit::Bmc(at, bmc)),
        (at(), group()).prop_map(|(at, group)| Edit::Join(at, group)),
        (group(), 0..3u8).prop_map(|(group, extra)| Edit::Extra(group, extra)),
        (group(), proptest::option::of(0..3u8)).prop_map(|(group, image)| Edit::GroupImage(group, image)),
        group().prop_map(Edit::Vendor),
        (group(), 0..3u8).prop_map(|(group, memory)| Edit::Memory(group, memory)),
        (0..3u8).prop_map(Edit::Image),
        (0..2u8).prop_map(Edit::Delay),
        (250..254u8).prop_map(Edit::Gateway),
        (0..3u8).prop_map(Edit::Unknown),
        (0..4u8).prop_map(Edit::Template),
        (0..2u8).prop_map(Edit::Kernel),
        (0..6u8).prop_map(Edit::Param),
        (0..3usize).prop_map(Edit::Comments),
    ];
    proptest::collection::vec(edit, 0..5)
}

impl Site {
    /// Makes the edits.
    pub fn edited(&self, edits: &[Edit]) -> Self {
        let mut site = self.clone();
        edits.iter().for_each(|edit| site.edit(edit));
        site
    }

    fn edit(&mut self, edit: &Edit) {
        let count = self.nodes.len();
        let is_free = |nodes: &[Machine], new: u8| nodes.iter().all(|node| node.name != new && node.number != new);
        match *edit {
            Edit::Add(at) => {
                let new = 50 + at;
                if is_free(&self.nodes, new) {
                    let groups = BTreeSet::from([usize::from(at) % GROUPS]);
                    self.nodes.push(Machine { name: new, number: new, state: 0, file: 0, groups, bmc: 0 });
                }
            }
            Edit::Remove(at) if count > 1 => drop(self.nodes.remove(at % count)),
            Edit::Remove(_) => {}
            Edit::Rename(at, name) if is_free(&self.nodes, name) => self.nodes[at % count].name = name,
            Edit::Machine(at, number) if is_free(&self.nodes, number) => self.nodes[at % count].number = number,
            Edit::Rename(..) | Edit::Machine(..) => {}
            Edit::State(at, state) => self.nodes[at % count].state = state,
            Edit::Move(at, file) => self.nodes[at % count].file = file,
            Edit::Bmc(at, bmc) => self.nodes[at % count].bmc = bmc,
            Edit::Join(at, group) => {
                let groups = &mut self.nodes[at % count].groups;
                if !groups.remove(&group) {
                    groups.insert(group);
                }
            }
            Edit::Extra(group, extra) => self.groups[group].extra = extra,
            Edit::GroupImage(group, image) => self.groups[group].image = image,
            Edit::Vendor(group) => self.groups[group].vendor ^= true,
            Edit::Memory(group, memory) => self.groups[group].memory = memory,
            Edit::Image(image) => self.image = image,
            Edit::Delay(delay) => self.delay = delay,
            Edit::Gateway(gateway) => self.gateway = gateway,
            Edit::Unknown(unknown) => self.unknown = unknown,
            Edit::Template(template) => self.template = template,
            Edit::Kernel(kernel) => self.kernel = kernel,
            Edit::Param(param) => self.param = param,
            Edit::Comments(comments) => self.comments = comments,
        }
    }

    /// Writes the cluster.
    pub fn tree(&self) -> Tree {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        files.insert("cluster.toml".into(), self.cluster());
        let param = ["", "=old", "=<name>", "=\\\"n1 n2\\\"", "={{ name }}", "={{ nid + 1 }}-10.0.0.1"]
            [usize::from(self.param)];
        let boot = format!(
            "kind = \"live\"\nkernel = \"http://a/{{{{ vars.image }}}}/{}\"\ninitrd = [\"http://a/i\"]\nparams = [\"root=x\", \"site{param}\"]\n",
            self.kernel
        );
        files.insert("boot/live.toml".into(), boot);
        let network =
            format!("cidr = \"10.0.0.0/24\"\ngateway = \"10.0.0.{}\"\ndomain = \"a.example\"\n", self.gateway);
        files.insert("networks/net.toml".into(), network);
        files.insert("cloud-init/user.j2".into(), self.user());
        files.insert(
            "cloud-init/motd.j2".into(),
            format!("# {} of {{{{ cluster }}}}\n", ["a", "b"][usize::from(self.template / 2)]),
        );
        for (at, group) in self.groups.iter().enumerate() {
            files.insert(format!("groups/g{at}.toml"), group.text(at));
            if group.vendor {
                files.insert(format!("cloud-init/g{at}.yaml"), format!("#cloud-config\ng{at}: true"));
            }
        }
        for node in &self.nodes {
            node.write(files.entry(format!("nodes/{}.toml", node.file)).or_default());
            if node.bmc == NAMED_BMC {
                let Machine { number, .. } = node;
                let bmcs = files.entry("nodes/bmcs.toml".into()).or_default();
                let _ = writeln!(bmcs, "[[bmc]]\nname = \"b{number}\"\nurl = \"https://10.3.0.{number}\"");
            }
            if node.file == OF_FACTS {
                let facts = files.entry("nodes/site.facts.csv".into()).or_insert_with(|| "name,serial\n".into());
                let _ = writeln!(facts, "n{},S{}", node.name, node.number);
            }
        }
        let mut tree = Tree::default();
        for (path, text) in files {
            let comments = if path.ends_with(".toml") { "# a comment\n".repeat(self.comments) } else { String::new() };
            tree.insert(path, File::Bytes(format!("{comments}{text}").into_bytes().into()));
        }
        tree
    }

    fn cluster(&self) -> String {
        let unknown = ["action = \"refuse\"", "action = \"retry\"", "action = \"boot\"\nboot = \"live\""];
        // A boot configuration that names its node boots no unknown machine.
        let unknown = unknown[usize::from(if self.param > 3 { self.unknown % 2 } else { self.unknown })];
        format!(
            "name = \"made-up\"\nretry_delay = {}\nlayers = [\"g2\", \"g0\", \"g3\", \"g1\"]\n[defaults]\nboot = \"live\"\n\
             vars = {{ image = \"i{}\" }}\ncloud_init = {{ user_data = \"user.j2\" }}\n[unknown]\n{unknown}\n",
            10 + self.delay,
            self.image
        )
    }

    fn user(&self) -> String {
        let own = ["", "mac: {{ mac }}\n", "image: {{ vars.image }}\n", "in: {{ groups | join(' ') }}\n"];
        format!(
            "#cloud-config\nhostname: {{{{ name }}}}\n{}{{% include \"motd.j2\" %}}",
            own[usize::from(self.template)]
        )
    }
}

impl Group {
    fn text(&self, at: usize) -> String {
        let mut text = String::new();
        if self.extra > 0 {
            let _ = writeln!(text, "params = [\"+extra={at}.{}\"]", self.extra);
        }
        if let Some(image) = self.image {
            let _ = writeln!(text, "vars = {{ image = \"g{image}\" }}");
        }
        if self.vendor {
            let _ = writeln!(text, "cloud_init = {{ vendor_data = \"g{at}.yaml\" }}");
        }
        let _ = writeln!(text, "[expect]\nmemory_gib = {}", 100 + u32::from(self.memory));
        text
    }
}

impl Machine {
    fn write(&self, text: &mut String) {
        let groups: Vec<String> = self.groups.iter().map(|group| format!("\"g{group}\"")).collect();
        let state = ["active", "spare", "maintenance", "retired"][usize::from(self.state)];
        let number = self.number;
        let bmc = match self.bmc {
            0 => String::new(),
            1 => format!("bmc = {{ url = \"https://10.1.0.{number}\" }}\n"),
            NAMED_BMC => format!("bmc = \"b{number}\"\n"),
            _ => format!("bmc = {{ url = \"https://10.2.0.{number}\", tls = \"insecure\" }}\n"),
        };
        let serial = if self.file == OF_FACTS { String::new() } else { format!("serial = \"S{number}\"\n") };
        let _ = writeln!(
            text,
            "[[node]]\nname = \"n{}\"\nnid = {number}\n{serial}state = \"{state}\"\ngroups = [{}]\n{bmc}\
             nics = [{{ name = \"eth0\", network = \"net\", mac = \"02:00:00:00:00:{number:02x}\", ip = \"10.0.0.{number}\", boot = true }}]\n",
            self.name,
            groups.join(", ")
        );
    }
}
