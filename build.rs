//! Tells cargo that the migrations are part of the program; the macro alone does not notice new files.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
