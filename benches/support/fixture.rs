//! A generator of realistic repositories of wishes, the same for the same size.
//!
//! 10,000 nodes are 80 files of nodes, 10,000 rows of facts, 8 groups, 25 parameters of which 2 differ by node, and 4 kB
//! of user-data that names the node.

use std::fmt::Write as _;

/// How many nodes one file of nodes declares.
const NODES_PER_FILE: usize = 125;

/// Returns the MAC address of a node's boot interface, by the node's number from 1.
pub fn mac(nid: usize) -> String {
    let bytes = (nid as u32).to_be_bytes();
    format!("02:00:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3])
}

/// Generates the files, each with its path and text.
pub fn files(nodes: usize, quiet: bool) -> Vec<(String, String)> {
    let mut files = vec![
        ("cluster.toml".into(), CLUSTER.into()),
        ("boot/rocky9.toml".into(), BOOT.into()),
        ("networks/node.toml".into(), "cidr = \"10.0.0.0/8\"\ngateway = \"10.255.255.254\"\n".into()),
        ("networks/bmc.toml".into(), "cidr = \"172.16.0.0/12\"\n".into()),
        ("cloud-init/compute.yaml.j2".into(), user_data()),
        ("cloud-init/site.yaml".into(), "#cloud-config\ntimezone: UTC\n".into()),
    ];
    for (number, name) in GROUPS.iter().enumerate() {
        files.push((format!("groups/{name}.toml"), group(number, name, nodes, quiet)));
    }
    for file in 0..nodes.div_ceil(NODES_PER_FILE) {
        let first = file * NODES_PER_FILE + 1;
        let last = (first + NODES_PER_FILE - 1).min(nodes);
        files.push((format!("nodes/row{:02}/rack{file:04}.toml", file / 16), rack(file, first, last, width(nodes))));
        files.push((format!("nodes/row{:02}/rack{file:04}.facts.csv", file / 16), facts(first, last, width(nodes))));
    }
    files
}

const GROUPS: [&str; 8] = ["base", "compute", "gpu", "storage", "row-a", "row-b", "debug", "canary"];

const CLUSTER: &str = r#"name = "bench"
layers = ["base", "compute", "gpu", "storage", "row-a", "row-b", "debug", "canary"]
[defaults]
boot = "rocky9"
vars = { image = "rocky9-2026.11" }
params = ["console=tty0", "console=ttyS0,115200", "rd.neednet=1", "ip=dhcp"]
cloud_init = { user_data = "compute.yaml.j2" }
nics = [{ name = "eth0", network = "node", boot = true, ip = "{{ net('node') | host(nid) }}" }, { name = "ib0", kind = "infiniband" }]
[unknown]
action = "retry"
"#;

const BOOT: &str = r#"kind = "live"
kernel = "http://images.example/{{ vars.image }}/vmlinuz"
initrd = ["http://images.example/{{ vars.image }}/initramfs.img"]
params = [
  "root=live:http://images.example/{{ vars.image }}/rootfs.squashfs",
  "crashkernel=512M", "intel_iommu=off", "iommu.passthrough=on", "modprobe.blacklist=nouveau",
  "numa_balancing=disable", "oops=panic", "rd.retry=10", "rd.shell", "split_lock_detect=off",
  "systemd.unified_cgroup_hierarchy=1", "transparent_hugepage=always", "nohz_full=1-63", "rcu_nocbs=1-63",
  "site.node={{ name }}", "site.rack={{ 'r%03d' | format(nid // 64) }}",
]
"#;

fn user_data() -> String {
    let mut text = String::from("#cloud-config\nhostname: {{ name }}\nfqdn: {{ fqdn }}\nwrite_files:\n");
    let mut number = 0;
    while text.len() < 3_600 {
        let _ = write!(
            text,
            "  - path: /etc/site.d/{number:02}.conf\n    permissions: \"0644\"\n    content: |\n      # made for this site\n      \
             setting_{number} = value of some length that real files have\n      other = {number}\n"
        );
        number += 1;
    }
    text.push_str("  - path: /etc/site.d/node\n    content: \"{{ name }} {{ nid }} {{ mac }} {{ vars.image }}\"\n");
    text.push_str("{% for group in groups %}  # in {{ group }}\n{% endfor %}");
    text
}

fn group(number: usize, name: &str, nodes: usize, quiet: bool) -> String {
    let width = width(nodes);
    let range = |from: usize, to: usize| format!("nid[{from:0width$}-{to:0width$}]");
    let members = match name {
        "base" => range(1, nodes),
        "compute" => range(1, nodes * 8 / 10),
        "gpu" => range(nodes * 8 / 10 + 1, nodes * 9 / 10),
        "storage" => range(nodes * 9 / 10 + 1, nodes),
        "row-a" => range(1, nodes / 2),
        "row-b" => range(nodes / 2 + 1, nodes),
        "debug" => format!("nid[{:0width$},{:0width$}]", 1, nodes / 2),
        _ => range(1, 8),
    };
    let more = match name {
        "base" if quiet => {
            "params = [\"quiet\", \"audit=0\", \"selinux=0\"]\ncloud_init = { vendor_data = \"site.yaml\" }\n"
        }
        "base" => {
            "params = [\"loglevel=7\", \"audit=0\", \"selinux=0\"]\ncloud_init = { vendor_data = \"site.yaml\" }\n"
        }
        "gpu" => "params = [\"pci=realloc\", \"-nohz_full\"]\n",
        "canary" => "vars.image = \"rocky9-2026.12\"\n",
        _ => "",
    };
    format!("description = \"group {number}\"\nnodes = \"{members}\"\n{more}vars.group_{number} = true\n")
}

fn width(nodes: usize) -> usize {
    if nodes > 10_000 { 6 } else { 5 }
}

fn rack(file: usize, first: usize, last: usize, width: usize) -> String {
    let count = last - first + 1;
    format!(
        "[[bmc]]\nname = \"r{file:04}b[001-{count:03}]\"\nprotocol = \"none\"\n\n\
         [[node]]\nname = \"nid[{first:0width$}-{last:0width$}]\"\nnid = \"[{first}-{last}]\"\n\
         bmc = \"r{file:04}b[001-{count:03}]\"\n"
    )
}

fn facts(first: usize, last: usize, width: usize) -> String {
    let mut text = String::from("name,nics.eth0.mac,nics.ib0.guid,serial\n");
    for nid in first..=last {
        let _ = writeln!(text, "nid{nid:0width$},{},0c42a103{nid:08x},SN{nid:08}", mac(nid));
    }
    text
}
