//! The OAuth client against a loopback vendor.
