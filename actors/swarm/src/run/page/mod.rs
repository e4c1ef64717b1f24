//! The report as a page: one HTML file that needs nothing else, neither a network nor a server.
//!
//! Markup, style, scripts and the charting library are put around the run as JSON. Everything that is shown is drawn by
//! the scripts from that; so a name can do nothing but be shown. In the JSON no `<` stands as such, so that nothing in it
//! can end the element that it stands in; and the page's policy of content lets nothing be loaded from anywhere.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use super::detail::Detail;
use super::{Report, RunError};

/// The page, with slots.
const MARKUP: &str = include_str!("page.html");
/// How it looks.
const STYLE: &str = include_str!("page.css");
/// Apache ECharts; see `vendor/README.md`.
const LIBRARY: &str = include_str!("vendor/echarts.min.js");
/// What draws it, in the order in which one needs the other.
const SCRIPTS: [&str; 6] = [
    include_str!("words.js"),
    include_str!("run.js"),
    include_str!("table.js"),
    include_str!("charts.js"),
    include_str!("network.js"),
    include_str!("page.js"),
];

/// What the scripts read.
#[derive(Serialize)]
struct Run<'a> {
    report: &'a Report,
    detail: &'a Detail<'a>,
}

/// A page that is to be written.
pub(super) struct Page {
    path: String,
    file: File,
}

impl Page {
    /// Makes the file; what stood in it is gone.
    ///
    /// # Errors
    /// [`RunError::Export`].
    pub(super) fn into(path: &Path) -> Result<Self, RunError> {
        let file = File::create(path);
        let path = path.display().to_string();
        match file {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(RunError::Export { path, source }),
        }
    }

    /// Writes the page of a run.
    ///
    /// # Errors
    /// [`RunError::Export`].
    pub(super) fn finish(mut self, report: &Report, detail: &Detail<'_>) -> Result<(), RunError> {
        let written = json(&Run { report, detail }).and_then(|run| {
            let page = fill(MARKUP, &[("style", STYLE), ("library", LIBRARY), ("run", &run), ("script", &script())]);
            self.file.write_all(page.as_bytes())
        });
        written.map_err(|source| RunError::Export { path: self.path, source })
    }
}

/// The scripts as one.
fn script() -> String {
    format!("\"use strict\";\n(() => {{\n{}}})();\n", SCRIPTS.concat())
}

/// JSON that can stand in a `script` element. A `<` stands in strings only, where its number does as well.
fn json(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

/// Puts each text into its slot, `/*{name}*/`; what looks like a slot in a text is none.
fn fill(markup: &str, texts: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(markup.len() + texts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut rest = markup;
    while let Some((before, after)) = rest.split_once("/*{")
        && let Some((name, after)) = after.split_once("}*/")
    {
        page.push_str(before);
        page.push_str(texts.iter().find(|(slot, _)| *slot == name).map_or("", |(_, text)| text));
        rest = after;
    }
    page.push_str(rest);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_filled_once() {
        for slot in ["style", "library", "run", "script"] {
            assert_eq!(MARKUP.matches(&format!("/*{{{slot}}}*/")).count(), 1, "{slot}");
        }
        assert_eq!(MARKUP.matches("/*{").count(), 4);
    }

    #[test]
    fn what_looks_like_a_slot_in_a_text_is_none() {
        let page = fill("a /*{one}*/ b /*{two}*/ c", &[("one", "/*{two}*/"), ("two", "2")]);
        assert_eq!(page, "a /*{two}*/ b 2 c");
    }

    #[test]
    fn no_name_ends_the_element_that_it_stands_in() {
        let hostile = [
            "</script><script>alert(1)</script>",
            "<!-- <script>",
            "]]>",
            "\u{2028}\u{2029}\u{0}\"'\\",
            "/*{script}*/",
            "{{1+1}} ${1+1} &lt;/script&gt;",
        ];
        let text = json(&hostile).unwrap();
        assert!(!text.contains('<'), "{text}");
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, hostile);
        let page = fill(MARKUP, &[("run", &text)]);
        assert_eq!(page.matches("</script").count(), MARKUP.matches("</script").count());
    }

    #[test]
    fn what_is_ours_does_not_end_its_element_either() {
        for text in [LIBRARY, &script()] {
            assert!(!text.to_lowercase().contains("</script") && !text.contains("<!--"));
        }
        assert!(!STYLE.to_lowercase().contains("</style"));
    }

    #[test]
    fn nothing_of_ours_is_fetched_from_anywhere() {
        for text in [MARKUP, STYLE, &script()] {
            for way in ["src=", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "<link"] {
                assert!(!text.contains(way), "{way}");
            }
        }
        assert!(MARKUP.contains("default-src 'none'"));
    }
}
