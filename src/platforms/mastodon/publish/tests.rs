//! Telling our own post among others by its words.

use super::{same_words, without_tags};

#[test]
fn servers_show_the_same_words_in_html() {
    for (html, ours) in [
        ("<p>Hello</p>", "Hello"),
        ("<p>one<br />two</p><p>three</p>", "one\ntwo\n\nthree"),
        ("<p>one<br>two</p>", "one\r\ntwo"),
        ("<p>a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; &#x27;e&#x27;</p>", "a <b> & \"c\" 'd' 'e'"),
        (
            r#"<p>See <a href="https://example.com/a/long/path" rel="nofollow"><span class="invisible">https://</span><span class="ellipsis">example.com/a/lo</span><span class="invisible">ng/path</span></a> now</p>"#,
            "See https://example.com/a/long/path now",
        ),
        (
            r#"<p><span class="h-card"><a href="https://b.example/@bob" class="u-url mention">@<span>bob</span></a></span> and #<a href="x"><span>tag</span></a></p>"#,
            "@bob@b.example and #tag",
        ),
        (r#"<p>(<span class="h-card"><a href="x">@<span>bob</span></a></span>).</p>"#, "(@bob@b.example)."),
        ("<p>fish & chips &unknown; 1 < 2</p>", "fish & chips &unknown; 1"),
        ("", "  "),
    ] {
        assert!(same_words(&without_tags(html), ours), "{html}: {:?}", without_tags(html));
    }
}

#[test]
fn other_words_are_others() {
    for (html, ours) in [
        ("<p>Hello!</p>", "Hello"),
        ("<p>@bob hi</p>", "@alice@b.example hi"),
        ("<p></p>", "x"),
        ("<p>a@b.example</p>", "a"),
    ] {
        assert!(!same_words(&without_tags(html), ours), "{html}");
    }
}

#[test]
fn broken_html_is_no_trouble() {
    for html in ["<", "&", "<p", "&#xzzzz;", "&#99999999;", "é<é&é", "&#x1F600;", "<p>&é;"] {
        let _ = without_tags(html);
    }
    assert_eq!(without_tags("&#x1F600;"), "😀");
}
