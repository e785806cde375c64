//! Where the command reads what was seen: the store, or an exported file.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::Deserialize;

use crate::cli::Failure;
use crate::cli::hosted::Hosted;
use crate::observed::Observed;
use crate::store::{Store, StoreError};

/// The options that say where observations are read.
#[derive(Debug, Args)]
pub struct Seen {
    /// Read what was seen from a file that `muster discover --export` wrote
    #[arg(long, value_name = "FILE")]
    observed: Option<PathBuf>,
}

/// What of an exported file is read.
#[derive(Deserialize)]
struct Exported {
    observed: Observed,
}

impl Seen {
    /// Reads all that is remembered of the BMCs.
    pub fn read(&self, hosted: &Hosted) -> Result<Observed, Failure> {
        match &self.observed {
            Some(path) => from_file(path),
            None => from_store(&hosted.reach()?.store),
        }
    }
}

fn from_store(path: &Path) -> Result<Observed, Failure> {
    if !path.exists() {
        let hint = "survey the BMCs first: muster discover; or name --store or --observed";
        return Err(Failure::new(format!("{}: there is no store", path.display())).hint(Some(hint.into())));
    }
    let failed = |error: StoreError| Failure::from_error(&error).hint(error.hint());
    let (store, _) = Store::open_any(path, Timestamp::now().as_second()).map_err(failed)?;
    store.observed().map_err(failed)
}

fn from_file(path: &Path) -> Result<Observed, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: cannot be read: {error}", path.display()));
    let text = std::fs::read(path).map_err(unreadable)?;
    let file: Exported = serde_json::from_slice(&text).map_err(|error| {
        let hint = "write it with `muster discover --export FILE`, by the same version of muster";
        Failure::new(format!("{}: is no file of observations: {error}", path.display())).hint(Some(hint.into()))
    })?;
    Ok(file.observed)
}
