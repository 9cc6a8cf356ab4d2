//! The sandbox: the emulators and the daemon in one process, to try everything without credentials.

fn main() {}
