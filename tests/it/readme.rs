//! README.md against what the program says of itself.

use trypost::chat::catalogue;
use trypost::platforms::registry;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// What stands between `<!-- NAME -->` and `<!-- /NAME -->`.
fn between(text: &str, name: &str) -> String {
    let from = text.split_once(&format!("<!-- {name} -->\n")).unwrap_or_else(|| panic!("no mark {name}")).1;
    from.split_once(&format!("<!-- /{name} -->")).unwrap_or_else(|| panic!("no end of {name}")).0.trim().to_owned()
}

#[test]
fn the_table_of_commands_is_the_catalogues() {
    let table = catalogue::table();
    assert_eq!(
        between(&readme(), "commands"),
        table.trim(),
        "put the output of `trypost export commands` between the marks"
    );
}

#[test]
fn every_platform_has_its_row() {
    let text = readme();
    let platforms = text.split_once("## Platforms").unwrap().1.split_once("\n## ").unwrap().0;
    for descriptor in registry::descriptors() {
        let row = format!("\n| {}", descriptor.name);
        assert!(platforms.contains(&row), "{} works and has no row", descriptor.name);
    }
}

#[test]
fn what_the_readme_links_to_is_there() {
    let text = readme();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !link.starts_with("http") && !link.starts_with('#') {
            assert!(root.join(link).exists(), "{link}");
            found += 1;
        }
    }
    // Files that are named as code, as in `src/chat/talk.rs`.
    for name in text.split('`').skip(1).step_by(2) {
        let is_ours = ["src/", "bots/", "tests/", "deploy/"].iter().any(|folder| name.starts_with(folder));
        if is_ours && !name.contains(' ') {
            assert!(root.join(name).exists(), "{name}");
            found += 1;
        }
    }
    assert!(found > 10, "the README names its files");
}

#[test]
fn ci_finds_one_test_command() {
    assert_eq!(between(&readme(), "test"), "cargo test --workspace");
}
