//! How much of what is seen is managed at all.

/// How much of the observed world the wishes say something about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Nodes that can be observed.
    pub nodes: u64,
    /// Of those, nodes of which at least one attribute is managed.
    pub managed_nodes: u64,
    /// The attributes that were observed of the managed nodes.
    pub attributes: u64,
    /// Of those, the attributes that are managed.
    pub managed_attributes: u64,
}

impl Coverage {
    /// Adds one node that can be observed: how many attributes were seen of it, and how many are managed.
    pub fn add(&mut self, attributes: u64, managed: u64) {
        self.nodes += 1;
        if managed > 0 {
            self.managed_nodes += 1;
        }
        // What nobody has seen is covered by nothing.
        if managed > 0 && attributes > 0 {
            self.attributes += attributes.max(managed);
            self.managed_attributes += managed;
        }
    }

    /// Returns the part of the nodes that is managed, in percent, rounded down; none where there are no nodes.
    #[must_use]
    pub const fn node_percent(&self) -> Option<u64> {
        (self.managed_nodes * 100).checked_div(self.nodes)
    }

    /// Returns the part of the managed nodes' attributes that is managed, in percent, rounded down.
    #[must_use]
    pub const fn attribute_percent(&self) -> Option<u64> {
        (self.managed_attributes * 100).checked_div(self.attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_without_wishes_do_not_water_down_the_others() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.node_percent(), None);
        coverage.add(100, 61);
        coverage.add(400, 0);
        assert_eq!((coverage.node_percent(), coverage.attribute_percent()), (Some(50), Some(61)));
        coverage.add(0, 1);
        assert_eq!((coverage.node_percent(), coverage.attribute_percent()), (Some(66), Some(61)));
    }
}
