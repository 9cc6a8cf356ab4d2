//! trypost against servers that others wrote, each under its own folder with its packages' manifest and its script.

mod oidc;
mod pds;
