//! Converts `boot/NAME.toml` to [`BootConfiguration`].

use super::at::At;
use super::file::{BootArch, BootFile, BootKind};
use super::sources::{Findings, Here};
use super::{BootConfiguration, BootImage, limits};
use crate::model::{Code, Diagnostic, FileId, Place};

/// Checks one boot file.
pub fn lower(here: &Here<'_>, name: &str, mut file: BootFile, findings: &mut Findings) -> BootConfiguration {
    let mut arches = file.arch.take().map(|arch| arch.value).unwrap_or_default();
    let by_arch = [&mut arches.x86_64, &mut arches.aarch64].into_iter().flatten();
    let lists = by_arch.map(|arch| (&mut arch.value.initrd, &mut arch.value.params));
    for (initrd, params) in lists.chain([(&mut file.initrd, &mut file.params)]) {
        initrd.iter_mut().for_each(|list| limits::initrd(here, list, findings));
        params.iter_mut().for_each(|list| limits::params(here, list, findings));
    }

    let whole = || Place::file(here.path);
    let kind = match &file.kind {
        Some(kind) => kind.value,
        None => {
            let finding = Diagnostic::new(Code::MissingKey, whole(), "a boot configuration needs `kind`");
            findings.push(finding.hint("kind is `live` (fetch a kernel) or `local` (exit to the disk)"));
            BootKind::Live
        }
    };

    if let Some(kind) = file.kind.as_ref().filter(|kind| kind.value == BootKind::Install) {
        let finding = Diagnostic::new(
            Code::InstallNotArmed,
            here.place(kind.span),
            "`install` wipes disks, and nodes cannot be armed for it yet",
        );
        findings
            .push(finding.hint("boot an installer as `live` on nodes that a group selects, and move them back after"));
    }

    let base = BootImage {
        kernel: file.kernel,
        initrd: file.initrd.map(|items| items.0),
        params: file.params.unwrap_or_default(),
    };

    let by_arch = [arches.x86_64, arches.aarch64].map(|arch| arch.map(image));
    match kind {
        BootKind::Live | BootKind::Install => {
            let covered = base.kernel.is_some() || by_arch.iter().flatten().any(|image| image.kernel.is_some());
            if !covered {
                findings.push(Diagnostic::new(Code::MissingKey, whole(), "a live boot configuration needs `kernel`"));
            }
        }
        BootKind::Local => {
            let fetched = by_arch.iter().flatten().chain([&base]).find_map(|image| image.kernel.as_ref());
            if let Some(kernel) = fetched {
                let message = "`local` exits to the disk and fetches no kernel";
                findings.push(Diagnostic::new(Code::BadValue, here.place(kernel.span), message));
            }
        }
    }

    let sealed = file.sealed.is_some_and(|sealed| sealed.value);
    BootConfiguration { name: name.into(), file: here.file, kind, sealed, base, by_arch }
}

/// Returns the placeholder for a boot configuration whose file could not be read.
pub fn unread(name: &str) -> BootConfiguration {
    let (kind, base) = (BootKind::Local, BootImage::default());
    BootConfiguration { name: name.into(), file: FileId(0), kind, sealed: false, base, by_arch: [None, None] }
}

fn image(arch: At<BootArch>) -> BootImage {
    let BootArch { kernel, initrd, params } = arch.value;
    BootImage { kernel, initrd: initrd.map(|items| items.0), params: params.unwrap_or_default() }
}
