//! The plain words that some keys take.

use schemars::JsonSchema;
use serde::Deserialize;

/// Makes enumerations of plain words.
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
    /// Where MAC addresses come from: git alone, or the first trusted survey of the BMC.
    MacSource { Declared = "declared", FromBmc = "from-bmc" }
    /// What is to become of a node.
    NodeState { Active = "active", Maintenance = "maintenance", Spare = "spare", Retired = "retired" }
    /// What a BMC controls.
    BmcKind { Node = "node", Chassis = "chassis", Switch = "switch", Pdu = "pdu" }
    /// What a BMC speaks.
    Protocol { Redfish = "redfish", None = "none" }
    /// How a BMC's certificate is judged.
    Tls { Verify = "verify", Pin = "pin", Insecure = "insecure" }
    /// What an interface is.
    NicKind { Ethernet = "ethernet", Infiniband = "infiniband", Bond = "bond", Vlan = "vlan", Bridge = "bridge" }
    /// How the members of a bond share the work.
    BondMode {
        BalanceRr = "balance-rr",
        ActiveBackup = "active-backup",
        BalanceXor = "balance-xor",
        Broadcast = "broadcast",
        Lacp = "802.3ad",
        BalanceTlb = "balance-tlb",
        BalanceAlb = "balance-alb",
    }
    /// How often the partners of a bond speak by LACP.
    LacpRate { Slow = "slow", Fast = "fast" }
    /// What of a packet chooses the member of a bond that it leaves by.
    HashPolicy {
        Layer2 = "layer2",
        Layer23 = "layer2+3",
        Layer34 = "layer3+4",
        Encap23 = "encap2+3",
        Encap34 = "encap3+4",
    }
    /// Whose MAC address a bond has after a change of members.
    FailOverMac { None = "none", Active = "active", Follow = "follow" }
    /// How a bond chooses one of several groups of links.
    AdSelect { Stable = "stable", Bandwidth = "bandwidth", Count = "count" }
    /// How IP travels over InfiniBand.
    IpoibMode { Datagram = "datagram", Connected = "connected" }
    /// What a boot configuration does.
    BootKind { Live = "live", Local = "local", Install = "install" }
    /// A power state.
    Power { On = "on", Off = "off" }
    /// How long a boot override lasts (DSP0268, BootSourceOverrideEnabled).
    BootOverride { Disabled = "Disabled", Once = "Once", Continuous = "Continuous" }
    /// What a boot override boots from (DSP0268, BootSource).
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
    /// How a boot override boots (DSP0268, BootSourceOverrideMode).
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
