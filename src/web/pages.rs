//! The pages as HTML: one layout, no script, no third-party resource; everything from outside is escaped by the
//! template. It decides nothing.

use maud::{DOCTYPE, Markup, html};
use url::Url;

use crate::platforms::{Descriptor, FormField};

/// The whole style; served as a file of our own, because the policy allows no inline style.
pub const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--paper:#f6f7f9;--card:#fff;--line:#d9dee6;--do:#1d5fd1;--soft:#5b6676}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--paper:#12161c;--card:#1b2129;--line:#343d4a;--do:#6aa0ff;--soft:#9aa7b8}}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);\
font:17px/1.5 system-ui,sans-serif;padding:1rem}main{background:var(--card);border:1px solid var(--line);border-radius:14px;\
padding:2rem;max-width:30rem;width:100%}h1{font-size:1.35rem;margin:0 0 .75rem}p{margin:.5rem 0}.soft{color:var(--soft);font-size:.92rem}\
label{display:block;margin:1.1rem 0 .25rem;font-weight:600}input{width:100%;padding:.65rem .75rem;border:1px solid var(--line);\
border-radius:8px;background:var(--paper);color:var(--ink);font:inherit}input:focus{outline:2px solid var(--do);outline-offset:1px}\
button,a.button{display:inline-block;margin-top:1.5rem;padding:.7rem 1.2rem;border:0;border-radius:8px;background:var(--do);color:#fff;\
font:inherit;font-weight:600;text-decoration:none;cursor:pointer}@media(prefers-color-scheme:dark){button,a.button{color:#0b1017}}\
.wrong{border-left:4px solid #c8372d;padding:.25rem 0 .25rem .8rem;margin:1rem 0}footer{margin-top:1.5rem;color:var(--soft);font-size:.85rem}";

fn layout(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · trypost" }
                link rel="stylesheet" href="/style.css";
            }
            body { main { (content) footer { "trypost" } } }
        }
    }
}

/// Words as a paragraph that ends like a sentence; nothing for none.
fn paragraph(words: &str) -> Markup {
    let is_open = words.ends_with(|last: char| last.is_alphanumeric());
    html! { @if !words.is_empty() { p { (words) @if is_open && words.contains(' ') { "." } } } }
}

/// A page that says one thing: a heading, sentences, and perhaps the way back.
pub fn notice(title: &str, sentences: &[&str], back: Option<(String, Url)>) -> Markup {
    layout(
        title,
        html! {
            h1 { (title) }
            @for sentence in sentences { (paragraph(sentence)) }
            @match back {
                Some((label, url)) => { a.button href=(url) rel="noreferrer" { (label) } }
                None => { p.soft { "You can close this page." } }
            }
        },
    )
}

/// What went wrong with a form, and what to do.
pub struct Wrong<'a> {
    /// What happened.
    pub why: &'a str,
    /// What to do.
    pub fix: &'a str,
}

/// The private form. What was typed into secret fields is never sent back.
pub fn form(
    descriptor: &Descriptor,
    fields: &[FormField],
    typed: &dyn Fn(&str) -> Option<String>,
    wrong: Option<&Wrong<'_>>,
) -> Markup {
    let title = format!("Connect {}", descriptor.name);
    layout(
        &title,
        html! {
            h1 { (title) }
            @if let Some(wrong) = wrong {
                div.wrong role="alert" { @for words in [wrong.why, wrong.fix] { (paragraph(words)) } }
            }
            form method="post" autocomplete="off" {
                @for field in fields {
                    label for=(field.name) {
                        (field.label) @if field.optional { span.soft { " (optional)" } }
                    }
                    input id=(field.name) name=(field.name) placeholder=(field.placeholder)
                        type=(if field.secret { "password" } else { "text" })
                        autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="256"
                        required[!field.optional]
                        value=[typed(field.name).filter(|_| !field.secret)];
                    @if !field.help.is_empty() { p.soft { (field.help) } }
                }
                button type="submit" { "Continue" }
            }
            p.soft { "This goes to " (descriptor.name) " once, over an encrypted connection, and is stored sealed. After this, the rest is in your chat." }
        },
    )
}
