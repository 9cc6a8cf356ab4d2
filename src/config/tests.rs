//! What people set wrong, and what they read then.

use super::*;
use crate::platforms::{Deletable, Entry, Recovery, Renewal};

const KEY: &str = "base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn load(pairs: &[(&str, &str)]) -> Result<Config, Vec<ConfigProblem>> {
    Config::load(&|name| {
        let found = pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        found.or_else(|| (name == "HOME").then(|| "/home/ada".to_owned()))
    })
}

fn loaded(pairs: &[(&str, &str)]) -> Config {
    load(pairs).expect("it can run")
}

fn descriptor(needed: &'static [&'static str]) -> Descriptor {
    Descriptor {
        id: "some-vendor",
        name: "Some vendor",
        noun: "channel",
        entry: Entry::Bot,
        app: AppSource::Settings(needed),
        bot: None,
        renewal: Renewal::Never,
        recovery: Recovery::Ask,
        needs_place: false,
        visibility: &[],
        content_warning: false,
        language: false,
        silent: false,
        deletable: Deletable::Always,
        hint: "",
        setup: &[],
        sources: &[],
    }
}

#[test]
fn nothing_set_runs() {
    let config = loaded(&[]);
    assert_eq!(config.data_dir, Path::new("/home/ada/.local/share/trypost"));
    assert_eq!(config.database, Database::Sqlite("/home/ada/.local/share/trypost/trypost.db".into()));
    assert_eq!(config.app_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!((config.app_url_given, config.app_key.is_none()), (false, true));
    assert_eq!((config.lease, config.image_max_bytes), (Duration::from_secs(15), 10 * 1024 * 1024));
    assert_eq!((config.log.as_str(), config.log_format), ("info", LogFormat::Text));
    assert_eq!(config.problems, vec![]);
}

#[test]
fn the_data_directory_follows_systemd_then_xdg() {
    let xdg = ("XDG_DATA_HOME", "/data");
    assert_eq!(loaded(&[xdg]).data_dir, Path::new("/data/trypost"));
    let systemd = ("STATE_DIRECTORY", "/var/lib/trypost:/var/lib/other");
    assert_eq!(loaded(&[xdg, systemd]).data_dir, Path::new("/var/lib/trypost"));
    assert_eq!(loaded(&[xdg, systemd, ("DATA_DIR", "/mine")]).data_dir, Path::new("/mine"));
}

#[test]
fn what_nothing_can_run_with_is_told_all_at_once() {
    let problems = load(&[
        ("DATABASE_URL", "mysql://root:hunter2@db/x"),
        ("APP_KEY", "hunter2"),
        ("LISTEN_ADDR", "8080"),
        ("VENDOR_GATEWAY", "http://10.0.0.1:9000"),
        ("DISCORD_CLIENT_ID", "hunter2"),
    ])
    .expect_err("it can't run");
    let names: Vec<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
    assert_eq!(names, ["DATABASE_URL", "APP_KEY", "LISTEN_ADDR", "VENDOR_GATEWAY", "DISCORD_CLIENT_ID"]);
    assert!(!format!("{problems:?}").contains("hunter2"));
    let said = problems[1].to_string();
    assert_eq!(
        said,
        "APP_KEY: It can't be used. It must be base64 of 32 bytes: make one with `trypost keys generate`."
    );
}

#[test]
fn postgres_wants_a_key() {
    let url = ("DATABASE_URL", "postgres://trypost:pw@127.0.0.1/trypost");
    let problems = load(&[url]).expect_err("no key");
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].name.as_str(), problems[0].what.as_str()), ("APP_KEY", "It is required with PostgreSQL."));
    let config = loaded(&[url, ("APP_KEY", KEY), ("APP_PREVIOUS_KEYS", &format!("{KEY}, {KEY}"))]);
    assert_eq!(config.database, Database::Postgres(Secret::new(url.1)));
    assert_eq!(config.app_key.expect("set").expose()[31], 31);
    assert_eq!(config.previous_keys.len(), 2);
}

#[test]
fn a_wrong_setting_of_one_part_stops_that_part_alone() {
    let config = loaded(&[
        ("DISCORD_CLIENT_ID", "my app"),
        ("DISCORD_BOT_TOKEN", "abc.def"),
        ("TELEGRAM_BOT_TOKEN", "1:abc"),
        ("TELEGRAM_BOT_USERNAME", "@acme_bot"),
        ("LEASE_SECONDS", "soon"),
    ]);
    let parts: Vec<_> = config.problems.iter().map(|problem| (problem.part.as_str(), problem.name.as_str())).collect();
    assert_eq!(parts, [("DISCORD", "DISCORD_CLIENT_ID"), ("REPLICAS", "LEASE_SECONDS")]);
    assert_eq!(config.lease, Duration::from_secs(15));
    let discord = descriptor(&["DISCORD_CLIENT_ID", "DISCORD_BOT_TOKEN"]);
    assert!(matches!(config.readiness(&discord), Readiness::Wrong(problems) if problems.len() == 1));
    let telegram = descriptor(&["TELEGRAM_BOT_TOKEN", "TELEGRAM_BOT_USERNAME"]);
    let Readiness::Ready(app) = config.readiness(&telegram) else { panic!("ready") };
    assert_eq!((app.bot_token, app.bot_name.as_deref()), (Some(Secret::new("1:abc")), Some("acme_bot")));
    assert!(!format!("{:?}", app.settings).contains("abc"));
}

#[test]
fn an_app_is_whole_or_names_what_is_missing() {
    let vendor = descriptor(&["DISCORD_CLIENT_ID", "DISCORD_CLIENT_SECRET", "DISCORD_BOT_TOKEN"]);
    let config = loaded(&[("DISCORD_CLIENT_ID", "42"), ("DISCORD_CLIENT_SECRET", "")]);
    let Readiness::Missing(missing) = config.readiness(&vendor) else { panic!("missing") };
    assert_eq!(missing, ["DISCORD_CLIENT_SECRET", "DISCORD_BOT_TOKEN"]);
    let config = loaded(&[
        ("DISCORD_CLIENT_ID", "42"),
        ("DISCORD_CLIENT_SECRET", "s"),
        ("DISCORD_BOT_TOKEN", "t"),
        ("DISCORD_SCOPES", "bot,identify"),
    ]);
    let Readiness::Ready(app) = config.readiness(&vendor) else { panic!("ready") };
    assert_eq!((app.id.as_str(), app.secret), ("42", Some(Secret::new("s"))));
    assert_eq!(app.settings.get("DISCORD_SCOPES").map(String::as_str), Some("bot,identify"));
    assert_eq!(app.settings.get("DISCORD_PERMISSIONS").map(String::as_str), Some("248832"));
}

#[test]
fn redirects_begin_with_our_address_unless_the_app_has_another_on_file() {
    let vendor = descriptor(&["DISCORD_CLIENT_ID"]);
    let config = loaded(&[("APP_URL", "https://example.com/social/")]);
    assert_eq!(config.redirect_uri(&vendor).as_str(), "https://example.com/social/accounts/some-vendor/callback");
    let config = loaded(&[("DISCORD_CLIENT_REDIRECT", "https://old.example.com/cb")]);
    assert_eq!(config.redirect_uri(&vendor).as_str(), "https://old.example.com/cb");
}

#[test]
fn telegram_delivers_only_to_an_address_it_can_reach() {
    let secret = ("TELEGRAM_WEBHOOK_SECRET", "abc_DEF-1");
    let config = loaded(&[secret, ("APP_URL", "https://example.com")]);
    let webhook = config.telegram_webhook().expect("an address");
    assert_eq!(webhook.url.as_str(), "https://example.com/telegram/webhook");
    let config = loaded(&[secret, ("APP_URL", "https://example.com"), ("WEBHOOK_URL", "https://in.example.com:8443/")]);
    assert_eq!(config.telegram_webhook().expect("set").url.as_str(), "https://in.example.com:8443/telegram/webhook");
    let config = loaded(&[secret, ("APP_URL", "http://10.0.0.2:8080")]);
    assert_eq!(config.telegram_webhook(), None);
    assert_eq!(config.problems[0].name, "TELEGRAM_WEBHOOK_SECRET");
}

#[test]
fn the_environment_wins_over_the_file_and_slips_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join(".env");
    let text =
        "# mine\nLOG=debug\nAPP_URL='https://file.example.com'\nhunter2 is no setting\nTELEGRAM_BOT_TOKN=1:hunter2\n";
    std::fs::write(&file, text).expect("written");
    let variables = [("HOME", "/home/ada"), ("LOG", "warn"), ("DISCORD_API", "x"), ("APP_ENV", "x"), ("PATH", "/bin")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_variables(variables, &file).expect("it can run");
    assert_eq!((config.log.as_str(), config.app_url.as_str()), ("warn", "https://file.example.com/"));
    let said: Vec<String> =
        config.problems.iter().map(|problem| format!("{} {}", problem.what, problem.cure)).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("Line 4 can't be understood."));
    assert_eq!(said[1], "There is no such setting. Remove it, or see `trypost export config` for the names.");
    assert_eq!(said[2], "There is no such setting. Did you mean TELEGRAM_BOT_TOKEN?");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn secrets_are_dots() {
    let token = "1:canary";
    let config = loaded(&[("TELEGRAM_BOT_TOKEN", token), ("APP_KEY", KEY), ("LOG", "debug")]);
    let shown = format!("{config:?}");
    assert!(shown.contains("debug") && shown.contains("TELEGRAM_BOT_TOKEN"));
    assert!(!shown.contains("canary") && !shown.contains(&KEY[8..]));
    assert_eq!(config.setting("TELEGRAM_BOT_TOKEN"), None);
    assert_eq!(config.secret("TELEGRAM_BOT_TOKEN"), Some(Secret::new(token)));
}

#[test]
fn the_data_directory_is_made_for_one_user() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a folder");
    let inner = dir.path().join("a/b");
    loaded(&[("DATA_DIR", inner.to_str().expect("text"))]).prepare_data_dir().expect("made");
    assert_eq!(std::fs::metadata(&inner).expect("there").permissions().mode() & 0o777, 0o700);
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    let problem = loaded(&[("DATA_DIR", file.to_str().expect("text"))]).prepare_data_dir().expect_err("a file");
    assert_eq!(problem.name, "DATA_DIR");
}

#[test]
fn every_row_is_whole() {
    for setting in SETTINGS {
        // An example key would be a key that everybody has.
        let key = ["APP_KEY", "APP_PREVIOUS_KEYS"].contains(&setting.name);
        assert_eq!((setting.check)(setting.example).is_err(), key, "the example of {}", setting.name);
        assert_eq!(setting.default.map_or(Ok(()), setting.check), Ok(()), "the default of {}", setting.name);
        assert!(settings::PARTS.iter().any(|(part, _)| *part == setting.part), "{}", setting.name);
        assert!(setting.help.ends_with('.'), "{}", setting.name);
    }
}

#[test]
fn the_committed_example_is_the_exported_one() {
    let committed = include_str!("../../deploy/trypost.env.example");
    assert_eq!(committed, export_config(), "run `trypost export config > deploy/trypost.env.example`");
}

#[test]
fn the_example_can_be_used_but_for_its_keys() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join(".env");
    let example = export_config();
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    });
    std::fs::write(&file, lines.collect::<String>()).expect("written");
    let problems = Config::from_variables([], &file).expect_err("its keys are no keys");
    let names: Vec<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
    assert_eq!(names, ["APP_KEY", "APP_PREVIOUS_KEYS"]);
}
