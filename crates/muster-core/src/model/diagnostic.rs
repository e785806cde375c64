//! What is wrong with the wishes: a stable code, a place, a message and a hint, as values.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::clear_secret::SecretMask;
use super::text::bounded;

/// Whether a finding refuses the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The commit is refused.
    Error,
    /// The commit is taken; somebody should look.
    Warning,
}

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A file, and the bytes in it that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The path from the cluster's root.
    pub file: Box<str>,
    /// The bytes, or nothing where the finding is about the file as a whole.
    pub span: Option<Span>,
}

impl Place {
    /// Points at bytes of a file.
    pub fn at(file: impl Into<Box<str>>, span: impl Into<Span>) -> Self {
        Self { file: file.into(), span: Some(span.into()) }
    }

    /// Points at a file as a whole.
    pub fn file(file: impl Into<Box<str>>) -> Self {
        Self { file: file.into(), span: None }
    }
}

/// One finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub place: Place,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do next, in one sentence without a full stop.
    pub hint: Option<String>,
    /// Other places that belong to the finding, each with a word on why.
    pub related: Vec<(Place, String)>,
}

impl Diagnostic {
    /// Makes a finding without hint or related places.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self { code, place, message: bounded(message.into()), hint: None, related: Vec::new() }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(bounded(hint.into()));
        self
    }

    /// Adds what to do next, where there is something to say.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.map(bounded).or(self.hint);
        self
    }

    /// Adds another place that belongs to the finding.
    #[must_use]
    pub fn related(mut self, place: Place, why: impl Into<String>) -> Self {
        self.related.push((place, bounded(why.into())));
        self
    }

    /// Takes secrets out of the words, which may quote a value. Those about a secret name only its kind.
    pub fn cover(&mut self, mask: &SecretMask) {
        if self.code == Code::ClearSecret || mask.is_empty() {
            return;
        }
        let words = [&mut self.message].into_iter().chain(&mut self.hint);
        for text in words.chain(self.related.iter_mut().map(|(_, why)| why)) {
            if let Cow::Owned(covered) = mask.cover(text) {
                *text = covered;
            }
        }
    }

    /// Returns whether the finding refuses the commit.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $severity:ident;)+) => {
        /// The stable name of a kind of finding. Each has a case in `tests/bad/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Returns whether a finding of this kind refuses the commit.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    /// The commit or folder has no cluster.toml at its root.
    NoCluster = "no-cluster", Error;
    /// A file is not UTF-8.
    NotUtf8 = "not-utf8", Error;
    /// A pointer of Git LFS stands where a file of the wishes should.
    LfsPointer = "lfs-pointer", Error;
    /// A file is over 8 MB.
    FileTooLarge = "file-too-large", Error;
    /// A symbolic link stands where a file of the wishes should.
    Symlink = "symlink", Error;
    /// A submodule stands where files of the wishes should.
    Submodule = "submodule", Error;
    /// The path of a file is not UTF-8.
    BadFileName = "bad-file-name", Error;
    /// A file is not TOML.
    TomlSyntax = "toml-syntax", Error;
    /// An exception excuses nothing that is seen.
    UnusedException = "unused-exception", Warning;
    /// A key that no table of this kind has.
    UnknownKey = "unknown-key", Error;
    /// A value has another type than its key wants.
    WrongType = "wrong-type", Error;
    /// A key that must be there is missing.
    MissingKey = "missing-key", Error;
    /// A BMC's certificate is judged by a pin that is not stated.
    MissingPin = "missing-pin", Error;
    /// A value is outside what its key takes.
    BadValue = "bad-value", Error;
    /// The commit needs another version of muster.
    Version = "version", Error;
    /// A name holds characters that names do not have.
    BadName = "bad-name", Error;
    /// A pattern does not parse or expands to too much.
    BadPattern = "bad-pattern", Error;
    /// A pattern does not expand to as many items as the table's name.
    PatternLength = "pattern-length", Error;
    /// A node set does not parse or expands to too much.
    BadNodeSet = "bad-node-set", Error;
    /// A text is no MAC address or GUID.
    BadAddress = "bad-address", Error;
    /// A text is no xname, or names another kind of place.
    BadXname = "bad-xname", Error;
    /// A text is no IP address, network or URL.
    BadIp = "bad-ip", Error;
    /// A text is no URL that a machine can use.
    BadUrl = "bad-url", Error;
    /// A facts file breaks the grammar of its kind.
    FactsSyntax = "facts-syntax", Error;
    /// A facts file has a column that facts do not have.
    FactsColumn = "facts-column", Error;
    /// A facts row names no declared machine.
    FactsUnknownName = "facts-unknown-name", Error;
    /// A value is stated twice: by two rows, or by a row and a TOML file.
    FactsDuplicate = "facts-duplicate", Error;
    /// Two machines have one name.
    DuplicateName = "duplicate-name", Error;
    /// Two machines have one xname.
    DuplicateXname = "duplicate-xname", Error;
    /// Two nodes have one nid.
    DuplicateNid = "duplicate-nid", Error;
    /// Two interfaces have one MAC address or GUID.
    DuplicateMac = "duplicate-mac", Error;
    /// Two interfaces have one IP address in one network.
    DuplicateIp = "duplicate-ip", Error;
    /// Two BMCs are reached at one URL.
    DuplicateUrl = "duplicate-url", Error;
    /// An entry stands twice in a list or table that holds each once.
    DuplicateEntry = "duplicate-entry", Error;
    /// A group that is not defined.
    NoSuchGroup = "no-such-group", Error;
    /// Groups select each other in a circle.
    GroupCycle = "group-cycle", Error;
    /// A boot configuration that is not defined.
    NoSuchBoot = "no-such-boot", Error;
    /// A network that is not defined.
    NoSuchNetwork = "no-such-network", Error;
    /// A cloud-init template that is not there.
    NoSuchTemplate = "no-such-template", Error;
    /// A BMC that is not declared.
    NoSuchBmc = "no-such-bmc", Error;
    /// A credential name that cluster.toml does not list.
    NoSuchCredential = "no-such-credential", Error;
    /// A node that is not declared.
    NoSuchNode = "no-such-node", Error;
    /// A NIC that the node does not have.
    NoSuchNic = "no-such-nic", Error;
    /// An address lies outside its network.
    IpOutsideNetwork = "ip-outside-network", Error;
    /// A machine has the address of its network's gateway, or one that the network keeps for itself.
    ReservedIp = "reserved-ip", Error;
    /// A group sets something but does not stand in `layers`.
    GroupNotLayered = "group-not-layered", Error;
    /// An active node can boot nothing.
    BootsNothing = "boots-nothing", Error;
    /// Nodes share a BMC and do not say which System each is.
    SharedBmcSystem = "shared-bmc-system", Error;
    /// Two `[[set]]` tables set one key of a node to different values.
    SetConflict = "set-conflict", Error;
    /// `unset` names something that no weaker layer sets.
    UnsetNothing = "unset-nothing", Error;
    /// A kernel parameter has blanks, odd quotes or characters that would end its line.
    BadParam = "bad-param", Error;
    /// A kernel parameter replaces several weaker ones without saying which.
    AmbiguousParam = "ambiguous-param", Error;
    /// A kernel parameter removes or replaces what no weaker layer has.
    ParamNothing = "param-nothing", Error;
    /// A kernel command line is over 2,047 bytes.
    LineTooLong = "line-too-long", Error;
    /// A template does not parse or fails for a node.
    Template = "template", Error;
    /// A document that is rendered for a node is too large or is not what cloud-init reads.
    CloudInit = "cloud-init", Error;
    /// A template asks for a secret, and nodes have no tokens yet.
    SecretHole = "secret-hole", Error;
    /// `kind = "install"` is refused until nodes can be armed for it.
    InstallNotArmed = "install-not-armed", Error;
    /// The commit declares more machines, files or parameters than muster takes.
    TooMany = "too-many", Error;
    /// A change breaks a guard rail, and nobody allowed it.
    GuardRail = "guard-rail", Error;
    /// A change is allowed that needs it no more, or is another by now.
    StaleAllow = "stale-allow", Warning;
    /// A TOML file that nothing reads.
    FileNotRead = "file-not-read", Warning;
    /// A group that has no node.
    UnusedGroup = "unused-group", Warning;
    /// A `[[set]]` table that selects no node.
    UnusedSet = "unused-set", Warning;
    /// A `[[set]]` table is there after its last day.
    SetOverdue = "set-overdue", Warning;
    /// An active node declares nothing by which a machine could be matched to it.
    UnfindableNode = "unfindable-node", Warning;
    /// A boot configuration that no node and no rule uses.
    UnusedBoot = "unused-boot", Warning;
    /// A cloud-init file that nobody names.
    UnusedTemplate = "unused-template", Warning;
    /// Something that looks like a secret stands in clear.
    ClearSecret = "clear-secret", Warning;
    /// A list of a cloud-init document reaches no node, since a list of another document takes its place.
    HiddenList = "hidden-list", Warning;
    /// Two exceptions for one value of one attribute of one node.
    DuplicateException = "duplicate-exception", Warning;
    /// A serial number or UUID is one that firmware reports where nobody gave it any.
    PlaceholderIdentity = "placeholder-identity", Warning;
    /// Two nodes have one serial number or UUID.
    SharedIdentity = "shared-identity", Warning;
}

impl Code {
    /// Tells whether the line that a finding is about may be shown; that of a secret may not.
    #[must_use]
    pub const fn shows_line(self) -> bool {
        !matches!(self, Self::ClearSecret)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
