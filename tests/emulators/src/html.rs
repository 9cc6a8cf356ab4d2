//! Reads what a person can see and press in a page: forms with their fields and buttons, and plain text. Enough for
//! server-rendered pages of the emulators and the daemon; it runs no script and knows no vendor.

use std::sync::LazyLock;

use regex::Regex;

/// One `<form>` of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// `get` or `post`, lower case.
    pub method: String,
    /// The `action` attribute; empty means the page's own address.
    pub action: String,
    /// Everything that is submitted, in order, without the buttons.
    pub fields: Vec<Field>,
    /// What can be pressed.
    pub buttons: Vec<Button>,
}

/// One named control of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its `name`.
    pub name: String,
    /// What it is.
    pub kind: FieldKind,
}

/// The kinds of controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A hidden input with its value: sent as it is, a person can't change it.
    Hidden(String),
    /// A text, password, e-mail, … input or a textarea, with its present value.
    Text(String),
    /// One of the options of a select or of a group of radio buttons.
    Choice(Vec<Choice>),
    /// Check boxes of one name: any number of them.
    Boxes(Vec<Choice>),
}

/// One option of a select, radio group or group of check boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What a person reads; for radio buttons and check boxes the value again.
    pub label: String,
    /// Whether it is chosen when the page opens.
    pub chosen: bool,
}

/// One submit button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// Its `name`; empty when it sends nothing.
    pub name: String,
    /// Its `value`.
    pub value: String,
    /// What a person reads on it.
    pub label: String,
}

impl Form {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The button with this value, label or name, tried in that order.
    pub fn button(&self, which: &str) -> Option<&Button> {
        let by = |key: fn(&Button) -> &str| self.buttons.iter().find(move |button| key(button) == which);
        by(|button| &button.value).or_else(|| by(|button| &button.label)).or_else(|| by(|button| &button.name))
    }
}

fn regex(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are literals of this file, all of them built by its tests")]
    Regex::new(pattern).expect("a literal pattern")
}

static FORM: LazyLock<Regex> = LazyLock::new(|| regex(r"(?is)<form\b([^>]*)>(.*?)</form>"));
static CONTROL: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?is)<input\b([^>]*)>|<select\b([^>]*)>(.*?)</select>|<textarea\b([^>]*)>(.*?)</textarea>|<button\b([^>]*)>(.*?)</button>",
    )
});
static OPTION: LazyLock<Regex> = LazyLock::new(|| regex(r"(?is)<option\b([^>]*)>([^<]*)"));
static ATTRIBUTE: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?s)([A-Za-z_:][-A-Za-z0-9_:.]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?"#));
static TAG: LazyLock<Regex> = LazyLock::new(|| regex(r"(?s)<[^>]*>"));
static UNSEEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?is)<script\b.*?</script>|<style\b.*?</style>|<head\b.*?</head>|<!--.*?-->"));
static LINK: LazyLock<Regex> = LazyLock::new(|| regex(r"(?is)<a\b([^>]*)>(.*?)</a>"));

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&")
}

fn attribute(attributes: &str, name: &str) -> Option<String> {
    ATTRIBUTE.captures_iter(attributes).find(|found| found[1].eq_ignore_ascii_case(name)).map(|found| {
        let value = found.get(2).or_else(|| found.get(3)).or_else(|| found.get(4));
        unescape(value.map_or("", |value| value.as_str()))
    })
}

/// What a person reads: the text without tags, runs of white space as one space.
pub(crate) fn text(html: &str) -> String {
    let seen = UNSEEN.replace_all(html, " ");
    unescape(&TAG.replace_all(&seen, " ")).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The links of a page, as (address as written, text).
pub(crate) fn links(html: &str) -> Vec<(String, String)> {
    LINK.captures_iter(html).filter_map(|found| Some((attribute(&found[1], "href")?, text(&found[2])))).collect()
}

/// Every form of a page.
pub(crate) fn forms(html: &str) -> Vec<Form> {
    FORM.captures_iter(html).map(|found| form(&found[1], &found[2])).collect()
}

fn form(attributes: &str, inside: &str) -> Form {
    let mut form = Form {
        method: attribute(attributes, "method").unwrap_or_else(|| "get".to_owned()).to_ascii_lowercase(),
        action: attribute(attributes, "action").unwrap_or_default(),
        ..Form::default()
    };
    for found in CONTROL.captures_iter(inside) {
        let part = |index: usize| found.get(index).map(|part| part.as_str());
        if let Some(attributes) = part(1) {
            input(&mut form, attributes);
        } else if let (Some(attributes), Some(options)) = (part(2), part(3)) {
            select(&mut form, attributes, options);
        } else if let (Some(attributes), Some(value)) = (part(4), part(5)) {
            push(&mut form, attributes, |_| FieldKind::Text(unescape(value)));
        } else if let (Some(attributes), Some(label)) = (part(6), part(7)) {
            let kind = attribute(attributes, "type").unwrap_or_else(|| "submit".to_owned());
            if kind.eq_ignore_ascii_case("submit") {
                button(&mut form, attributes, text(label));
            }
        }
    }
    form
}

fn push(form: &mut Form, attributes: &str, kind: impl FnOnce(&str) -> FieldKind) {
    let disabled = attribute(attributes, "disabled").is_some();
    if let Some(name) = attribute(attributes, "name").filter(|name| !name.is_empty() && !disabled) {
        let kind = kind(&name);
        form.fields.push(Field { name, kind });
    }
}

fn button(form: &mut Form, attributes: &str, label: String) {
    form.buttons.push(Button {
        name: attribute(attributes, "name").unwrap_or_default(),
        value: attribute(attributes, "value").unwrap_or_default(),
        label,
    });
}

fn input(form: &mut Form, attributes: &str) {
    let value = attribute(attributes, "value");
    let kind = attribute(attributes, "type").unwrap_or_default().to_ascii_lowercase();
    match kind.as_str() {
        "submit" => button(form, attributes, value.unwrap_or_default()),
        "button" | "reset" | "image" | "file" => {}
        "hidden" => push(form, attributes, |_| FieldKind::Hidden(value.unwrap_or_default())),
        "radio" | "checkbox" => {
            let value = value.unwrap_or_else(|| "on".to_owned());
            let chosen = attribute(attributes, "checked").is_some();
            let choice = Choice { label: value.clone(), value, chosen };
            let name = attribute(attributes, "name").unwrap_or_default();
            let group = form.fields.iter_mut().find(|field| field.name == name).map(|field| &mut field.kind);
            match group {
                Some(FieldKind::Choice(choices) | FieldKind::Boxes(choices)) => choices.push(choice),
                _ if kind == "radio" => push(form, attributes, |_| FieldKind::Choice(vec![choice])),
                _ => push(form, attributes, |_| FieldKind::Boxes(vec![choice])),
            }
        }
        _ => push(form, attributes, |_| FieldKind::Text(value.unwrap_or_default())),
    }
}

fn select(form: &mut Form, attributes: &str, options: &str) {
    let mut choices: Vec<Choice> = OPTION
        .captures_iter(options)
        .map(|found| {
            let label = text(&found[2]);
            Choice {
                value: attribute(&found[1], "value").unwrap_or_else(|| label.clone()),
                label,
                chosen: attribute(&found[1], "selected").is_some(),
            }
        })
        .collect();
    if attribute(attributes, "multiple").is_some() {
        push(form, attributes, |_| FieldKind::Boxes(choices));
        return;
    }
    // A browser preselects the first option of a drop-down list.
    if !choices.iter().any(|choice| choice.chosen)
        && let Some(first) = choices.first_mut()
    {
        first.chosen = true;
    }
    push(form, attributes, |_| FieldKind::Choice(choices));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_buttons_and_entities() {
        let page = r#"<form method="POST" action="go?a=1&amp;b=2"><input type="hidden" name="h" value="1 &lt; 2">
            <input name='t' value=x><textarea name="long">a &amp; b</textarea>
            <select name="s"><option value="1">One<option value="2" selected>Two</option></select>
            <input type="radio" name="r" value="a"><input type="radio" name="r" value="b" checked>
            <input type="checkbox" name="c" checked><input type="file" name="f">
            <button name="decision" value="approve"><b>Authorize</b></button><button type="button">No</button></form>"#;
        let form = forms(page).remove(0);
        assert_eq!((form.method.as_str(), form.action.as_str()), ("post", "go?a=1&b=2"));
        let kind = |name: &str| form.field(name).map(|field| field.kind.clone());
        assert_eq!(kind("h"), Some(FieldKind::Hidden("1 < 2".into())));
        assert_eq!(kind("t"), Some(FieldKind::Text("x".into())));
        assert_eq!(kind("long"), Some(FieldKind::Text("a & b".into())));
        assert!(matches!(kind("s"), Some(FieldKind::Choice(s)) if s[1].chosen && s[1].label == "Two" && !s[0].chosen));
        assert!(matches!(kind("r"), Some(FieldKind::Choice(r)) if r.len() == 2 && r[1].chosen));
        assert!(matches!(kind("c"), Some(FieldKind::Boxes(c)) if c[0].value == "on" && c[0].chosen));
        assert_eq!(form.buttons.len(), 1);
        assert_eq!(form.button("Authorize").map(|button| button.value.as_str()), Some("approve"));
        assert_eq!(form.button("nothing"), None);
    }

    #[test]
    fn text_leaves_out_what_nobody_sees() {
        assert_eq!(text("<head><title>x</title></head><p>a&amp;b <b>c</b><!-- d --><script>e</script>"), "a&b c");
        assert_eq!(links(r#"<a href="/x?a&amp;b">Go <i>on</i></a>"#), [("/x?a&b".to_owned(), "Go on".to_owned())]);
    }
}
