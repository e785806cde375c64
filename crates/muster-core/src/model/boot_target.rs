//! What a boot override can boot from.

/// The boot targets of the schema (DSP0268, ComputerSystem v1.22, BootSource).
pub const BOOT_TARGETS: [&str; 16] = [
    "None",
    "Pxe",
    "Floppy",
    "Cd",
    "Usb",
    "Hdd",
    "BiosSetup",
    "Utilities",
    "Diags",
    "UefiShell",
    "UefiTarget",
    "SDCard",
    "UefiHttp",
    "RemoteDrive",
    "UefiBootNext",
    "Recovery",
];
