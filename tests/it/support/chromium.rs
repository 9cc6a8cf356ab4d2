//! Headless Chromium on loopback pages: what a person would see (a picture) and what the page became (its DOM).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use url::Url;

/// Starting a browser on a busy machine takes a while.
const LIMIT: Duration = Duration::from_secs(90);

/// Writes a PNG of the page, `size` in CSS pixels; `None` (told in one line) where there is no Chromium.
pub async fn screenshot(url: &Url, file: &Path, size: (u32, u32)) -> Option<()> {
    let picture = format!("--screenshot={}", file.display());
    run(url, &[&picture, &format!("--window-size={},{}", size.0, size.1), "--hide-scrollbars"]).await?;
    assert!(file.is_file(), "Chromium made no picture of {url}");
    Some(())
}

/// The page's DOM after its scripts ran, as HTML; `None` (told in one line) where there is no Chromium.
pub async fn dom(url: &Url) -> Option<String> {
    run(url, &["--dump-dom"]).await
}

async fn run(url: &Url, arguments: &[&str]) -> Option<String> {
    let Some(chromium) = super::program(&["chromium", "chromium-browser", "google-chrome"]) else {
        super::missing("Chromium", "apt-get install chromium");
        return None;
    };
    let profile = tempfile::tempdir().expect("a folder");
    let mut command = tokio::process::Command::new(chromium);
    // Root has no sandbox; the other flags keep it from calling home, which a closed network refuses many times over.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).args(arguments).arg(url.as_str());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("Chromium answers in time");
    let output = output.expect("Chromium starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Chromium on {url}: {}\n{said}", output.status);
    Some(String::from_utf8(output.stdout).expect("HTML is text"))
}

#[tokio::test]
async fn a_page_is_seen_after_its_scripts() {
    let page = "<!doctype html><p id=a>before</p><script>document.getElementById('a').textContent = 'after'</script>";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = Url::parse(&format!("http://{}/", listener.local_addr().expect("bound"))).expect("an address");
    let routes = axum::Router::new().fallback(move || async move { axum::response::Html(page) });
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let Some(dom) = dom(&url).await else { return };
    assert!(dom.contains(r#"<p id="a">after</p>"#), "{dom}");
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("page.png");
    screenshot(&url, &file, (390, 844)).await.expect("it was there a moment ago");
    assert_eq!(imagesize::size(&file).map(|size| (size.width, size.height)).ok(), Some((390, 844)));
    server.abort();
}
