//! Opens a web page with the desktop's own opener, without a shell. It must not know what the page is for.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::Opener;

/// The desktop's openers, the first that starts is used.
const OPENERS: &[&str] = if cfg!(target_os = "macos") { &["open"] } else { &["xdg-open", "gio"] };

/// An opener that starts the system browser, and shows the address where that does not work (no desktop, no opener).
pub fn system_browser() -> Opener {
    Arc::new(|url: String| {
        async move {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return format!("This is not a web page: {url}");
            }
            for opener in OPENERS {
                if start(opener, &url).await {
                    return format!("Opened in your browser: {url}");
                }
            }
            format!("Open this page in a browser: {url}")
        }
        .boxed()
    })
}

/// An opener that only shows the address.
pub fn show_address() -> Opener {
    Arc::new(|url: String| async move { format!("Open this page in a browser: {url}") }.boxed())
}

/// Whether it started and did not fail within two seconds; some openers stay until the browser is closed.
async fn start(opener: &str, url: &str) -> bool {
    let mut command = tokio::process::Command::new(opener);
    if opener == "gio" {
        command.arg("open");
    }
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    match tokio::time::timeout(Duration::from_secs(2), child.wait()).await {
        Ok(status) => status.is_ok_and(|status| status.success()),
        Err(_) => true,
    }
}
