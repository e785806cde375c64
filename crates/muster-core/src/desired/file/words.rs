//! The enumerations that are values of some keys.

use schemars::JsonSchema;
use serde::Deserialize;

/// Defines enumerations of plain words.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
        #[schemars(inline)]
        pub enum $name { $(#[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value, in the order of the list.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Returns the word that the files use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    )+};
}

words! {
    /// A processor architecture, as the Linux kernel names it.
    ArchName { X86_64 = "x86_64", Aarch64 = "aarch64" }
    /// The source of MAC addresses: git only, or the first trusted survey of the BMC.
    MacSource { Declared = "declared", FromBmc = "from-bmc" }
    /// The state of a node.
    NodeState { Active = "active", Maintenance = "maintenance", Spare = "spare", Retired = "retired" }
    /// The kind of device that a BMC controls.
    BmcKind { Node = "node", Chassis = "chassis", Switch = "switch", Pdu = "pdu" }
    /// The protocol of a BMC.
    Protocol { Redfish = "redfish", None = "none" }
    /// How the certificate of a BMC is verified.
    Tls { Verify = "verify", Pin = "pin", Insecure = "insecure" }
    /// The kind of an interface.
    NicKind { Ethernet = "ethernet", Infiniband = "infiniband", Bond = "bond", Vlan = "vlan", Bridge = "bridge" }
    /// The mode of a bond.
    BondMode {
        BalanceRr = "balance-rr",
        ActiveBackup = "active-backup",
        BalanceXor = "balance-xor",
        Broadcast = "broadcast",
        Lacp = "802.3ad",
        BalanceTlb = "balance-tlb",
        BalanceAlb = "balance-alb",
    }
    /// The LACP rate of a bond.
    LacpRate { Slow = "slow", Fast = "fast" }
    /// The fields of a packet that select the member of a bond.
    HashPolicy {
        Layer2 = "layer2",
        Layer23 = "layer2+3",
        Layer34 = "layer3+4",
        Encap23 = "encap2+3",
        Encap34 = "encap3+4",
    }
    /// The member whose MAC address a bond has after a failover.
    FailOverMac { None = "none", Active = "active", Follow = "follow" }
    /// How a bond selects one of several link aggregation groups.
    AdSelect { Stable = "stable", Bandwidth = "bandwidth", Count = "count" }
    /// The IPoIB mode.
    IpoibMode { Datagram = "datagram", Connected = "connected" }
    /// The kind of a boot configuration.
    BootKind { Live = "live", Local = "local", Install = "install" }
    /// A power state.
    Power { On = "on", Off = "off" }
    /// The duration of a boot override (DSP0268, BootSourceOverrideEnabled).
    BootOverride { Disabled = "Disabled", Once = "Once", Continuous = "Continuous" }
    /// The target of a boot override (DSP0268, BootSource).
    BootTarget {
        None = "None",
        Pxe = "Pxe",
        Floppy = "Floppy",
        Cd = "Cd",
        Usb = "Usb",
        Hdd = "Hdd",
        BiosSetup = "BiosSetup",
        Utilities = "Utilities",
        Diags = "Diags",
        UefiShell = "UefiShell",
        UefiTarget = "UefiTarget",
        SdCard = "SDCard",
        UefiHttp = "UefiHttp",
        RemoteDrive = "RemoteDrive",
        UefiBootNext = "UefiBootNext",
        Recovery = "Recovery",
    }
    /// The mode of a boot override (DSP0268, BootSourceOverrideMode).
    BootMode { Uefi = "UEFI", Legacy = "Legacy" }
}

impl NicKind {
    /// Tells whether an interface of this kind is made of others, and has no MAC address of its own.
    #[must_use]
    pub const fn is_made_of_others(self) -> bool {
        match self {
            Self::Bond | Self::Vlan | Self::Bridge => true,
            Self::Ethernet | Self::Infiniband => false,
        }
    }
}
