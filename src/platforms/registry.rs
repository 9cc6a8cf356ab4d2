//! The list of all connectors: the one place that names them. It knows nothing else about them.

use std::sync::Arc;

use super::{Platform, bluesky};

/// Every connector, in the order in which people see them.
pub fn all() -> Vec<Arc<dyn Platform>> {
    vec![Arc::new(bluesky::Bluesky)]
}
