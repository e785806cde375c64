//! Where a value was stated: file, place in it, and the layer it belongs to.

/// The index of a file in the list of files that a load has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u16);

/// The layer that stated a value; the order of the enum is weakest first, as layers win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// A value that muster itself gives where nobody states one.
    BuiltIn,
    /// The boot configuration.
    Boot,
    /// The `[arch.*]` table of the boot configuration.
    BootArch,
    /// `[defaults]` in cluster.toml.
    Defaults,
    /// A group, by its place in `layers` of cluster.toml.
    Group(u16),
    /// A `[[node]]` or `[[bmc]]` table.
    Node,
    /// A row of a facts file.
    Facts,
    /// A `[[set]]` table, by its place among all of them.
    Set(u16),
}

/// Where a value was stated; 12 bytes, so that every value of 100,000 nodes can carry one.
///
/// The line follows from the offset and the file's text, so it is not kept twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub file: FileId,
    /// The byte of the file where the value begins.
    pub at: u32,
    pub layer: Layer,
}

/// A value with the place that stated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stated<T> {
    pub value: T,
    pub origin: Origin,
}

impl<T> Stated<T> {
    /// Joins a value with its origin.
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Applies a function to the value and keeps the origin.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Stated<U> {
        Stated { value: f(self.value), origin: self.origin }
    }
}
