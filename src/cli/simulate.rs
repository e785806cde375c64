//! `muster simulate`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::source::Source;
use super::{Failure, Outcome, output};
use crate::model::text::plural;
use crate::model::{File, Quirk, Revision, Secret, Tree};
use crate::simulate::{
    Choices, Credentials, Faults, Fleet, Mix, Options, Quirks, Running, Surplus, Timing, World, wishes, write_planted,
    write_settings,
};
use crate::snapshot::{self, Snapshot};

/// Simulate the BMCs of a cluster repository, each on a loopback address of its own
///
/// Every machine matches the desired state except for the differences that --drift plants. The BMCs keep state:
/// power, POST, staged BIOS settings, sessions. They run until the command is stopped, and are reachable from this
/// host only.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The folder of the cluster repository; the same as --repo
    dir: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Generate a cluster repository with this many nodes instead of reading one
    #[arg(long, value_name = "N", conflicts_with = "dir")]
    nodes: Option<usize>,
    /// Write the cluster repository of --nodes into this folder
    #[arg(long, value_name = "DIR", requires = "nodes")]
    wishes_out: Option<PathBuf>,
    /// The models, with weights: generic=70,idrac=10,ilo=10,ami=5,cray=5
    #[arg(long, value_name = "MIX", default_value = "generic=1")]
    models: Mix,
    /// Give every BMC this quirk, in addition to those of its model; may be repeated
    #[arg(long, value_name = "NAME", value_parser = quirk)]
    quirk: Vec<Quirk>,
    /// The port of all BMCs, as 127.0.0.1:PORT; 0 selects any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Use HTTPS, with certificates of a CA made for this run
    #[arg(long)]
    tls: bool,
    /// The seed for serials, models, faults and differences
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Plant this many differences from the desired state
    #[arg(long, value_name = "N", default_value_t = 0)]
    drift: usize,
    /// Write the list of planted differences as JSON
    #[arg(long, value_name = "FILE")]
    drift_out: Option<PathBuf>,
    /// Random faults: delay=0.1:50-500,drop=0.01,error=0.02,half=0.01,unauthorised=0.01,stale=0.1:5000,lie=0.1,on=0.5
    #[arg(long, value_name = "SPEC", default_value = "")]
    faults: Faults,
    /// The number of BMCs that never answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    dead: usize,
    /// Delay every answer by this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// The milliseconds that powering on or off takes
    #[arg(long, value_name = "MS", default_value_t = Timing::default().power)]
    power_time: u64,
    /// The milliseconds that POST takes
    #[arg(long, value_name = "MS", default_value_t = Timing::default().post)]
    post_time: u64,
    /// The number of BIOS settings of a machine, in addition to declared ones
    #[arg(long, value_name = "N", default_value_t = Surplus::default().bios_attributes)]
    bios_attributes: usize,
    /// The number of firmware entries of a BMC, in addition to declared ones
    #[arg(long, value_name = "N", default_value_t = Surplus::default().firmware_rows)]
    firmware_rows: usize,
    /// Write host settings for this fleet, with passwords and CA in files next to them
    #[arg(long, value_name = "FILE")]
    settings_out: Option<PathBuf>,
    /// Read the password of all BMCs from a file instead of generating one
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

fn quirk(text: &str) -> Result<Quirk, String> {
    Quirk::ALL.iter().copied().find(|quirk| quirk.name() == text).ok_or_else(|| {
        let names: Vec<&str> = Quirk::ALL.iter().map(|quirk| quirk.name()).collect();
        format!("quirks are {}", names.join(", "))
    })
}

impl Simulate {
    /// Runs the command until it is told to stop.
    pub fn run(self) -> Result<Outcome, Failure> {
        if !self.listen.ip().is_loopback() {
            let failure = Failure::new(format!("{} is not on loopback", self.listen.ip()));
            return Err(
                failure.hint(Some("simulated BMCs answer this host only: write --listen 127.0.0.1:PORT".into()))
            );
        }

        let mut world = self.world()?;
        let planted = world.plant(self.drift, self.seed);
        if planted.len() < self.drift {
            let message = format!("only {} of {} can be planted", planted.len(), plural(self.drift, "difference"));
            return Err(Failure::new(message).hint(Some("state more in the wishes, or plant fewer".into())));
        }

        if let Some(path) = &self.drift_out {
            write_planted(path, &planted).map_err(cannot_write(path))?;
        }

        let (machines, names) = (world.machines(), world.credentials.clone());
        let options = self.options()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

        runtime.block_on(async {
            let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("cannot hear signals: {error}")));
            let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
            let running = Fleet::start(world, options).map_err(|error| Failure::from_error(&error))?;
            if let Some(path) = &self.settings_out {
                write_settings(path, &running, &names).map_err(cannot_write(path))?;
            }
            tell(&running, machines, planted.len())?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            running.stop().await;
            Ok(Outcome::AsWished)
        })
    }

    fn world(&self) -> Result<World, Failure> {
        let mut choices = Choices {
            seed: self.seed,
            mix: self.models.clone(),
            models: BTreeMap::new(),
            quirks: Quirks::of(&self.quirk),
            surplus: Surplus { bios_attributes: self.bios_attributes, firmware_rows: self.firmware_rows },
        };

        let Some(nodes) = self.nodes else {
            let snapshot = self.source.read(self.dir.as_deref())?.built()?;
            return Ok(World::new(snapshot.resolved(), &choices));
        };

        let (files, models) = wishes(nodes, &self.models, self.seed);
        choices.models = models;
        if let Some(folder) = &self.wishes_out {
            write_files(folder, &files).map_err(cannot_write(folder))?;
        }

        Ok(World::new(built(&files)?.resolved(), &choices))
    }

    fn options(&self) -> Result<Options, Failure> {
        let credentials = match &self.password_file {
            None => Credentials::default(),
            Some(path) => {
                let text = fs::read_to_string(path);
                let text =
                    text.map_err(|error| Failure::new(format!("{}: cannot be read: {error}", path.display())))?;
                Credentials { password: Secret::new(text.trim_end_matches(['\n', '\r']).to_owned()) }
            }
        };

        Ok(Options {
            port: self.listen.port(),
            tls: self.tls,
            timing: Timing { latency: self.latency, power: self.power_time, post: self.post_time, ..Timing::default() },
            faults: Faults { seed: self.seed, ..self.faults },
            dead: self.dead,
            credentials,
        })
    }
}

fn cannot_write(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::new(format!("{}: cannot be written: {error}", path.display()))
}

fn write_files(folder: &Path, files: &BTreeMap<String, String>) -> std::io::Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("the path has the folder before it"))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Builds a generated cluster repository.
fn built(files: &BTreeMap<String, String>) -> Result<Snapshot, Failure> {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(path.as_str(), File::Bytes(text.as_bytes().into()));
    }
    let (snapshot, findings) = snapshot::build(&tree, Revision::work_tree());
    let first = || findings.first().map_or_else(String::new, |finding| finding.message.clone());
    snapshot.ok_or_else(|| Failure::new(format!("the wishes that were made do not check: {}", first())))
}

/// Prints on one line how to reach the fleet.
fn tell(running: &Running, machines: usize, planted: usize) -> Result<(), Failure> {
    let mut out = output::stdout();
    let count = running.len();
    let first: IpAddr = running.address(0).ip();
    let last: IpAddr = running.address(count.saturating_sub(1)).ip();
    let origin = running.origin(0);
    write!(out, "{}, {} on {origin}", plural(count, "BMC"), plural(machines, "system"))?;
    if count > 1 {
        write!(out, " ({first} to {last})")?;
    }

    if planted > 0 {
        write!(out, ", {} planted", plural(planted, "difference"))?;
    }

    if !running.is_bound_to_device() {
        write!(out, ", one socket for each address")?;
    }

    writeln!(out)?;
    out.flush()?;
    Ok(())
}
