//! What the page is made of: files that stand in this binary.
//!
//! Modules as they are written, so that a browser's tools show the source; two libraries, see `page/vendor/README.md`.

use runtime::http::Page;

/// A file's path, what it is, and its bytes.
type Asset = (&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

const ASSETS: &[Asset] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/page.css", STYLE, include_str!("page/page.css")),
    ("/deal.css", STYLE, include_str!("page/deal.css")),
    ("/icon.svg", IMAGE, include_str!("page/icon.svg")),
    ("/app.js", SCRIPT, include_str!("page/app.js")),
    ("/bus.js", SCRIPT, include_str!("page/bus.js")),
    ("/clock.js", SCRIPT, include_str!("page/clock.js")),
    ("/deal.js", SCRIPT, include_str!("page/deal.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/fold.js", SCRIPT, include_str!("page/fold.js")),
    ("/layout.js", SCRIPT, include_str!("page/layout.js")),
    ("/list.js", SCRIPT, include_str!("page/list.js")),
    ("/network.js", SCRIPT, include_str!("page/network.js")),
    ("/past.js", SCRIPT, include_str!("page/past.js")),
    ("/words.js", SCRIPT, include_str!("page/words.js")),
    ("/vendor/msgpack.js", SCRIPT, include_str!("page/vendor/msgpack.js")),
    ("/vendor/nats.js", SCRIPT, include_str!("page/vendor/nats.js")),
];

/// The file of a path.
pub fn find(path: &str) -> Option<Page> {
    let (_, kind, text) = ASSETS.iter().find(|(at, ..)| *at == path)?;
    Some(Page::found(kind, *text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a module imports, relative to where it stands.
    fn imports(text: &str) -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("import ") || line.starts_with("} from "));
        lines.filter_map(|line| line.split('"').nth(1)).map(|from| from.trim_start_matches('.').to_owned()).collect()
    }

    #[test]
    fn all_that_the_page_loads_is_here_and_nothing_comes_from_elsewhere() {
        let mut loaded = 0;
        for (path, kind, text) in ASSETS.iter().filter(|(path, ..)| !path.starts_with("/vendor/")) {
            if *kind == SCRIPT {
                for import in imports(text) {
                    assert!(find(&import).is_some(), "{path} imports {import}");
                    loaded += 1;
                }
                for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                    assert!(!text.contains(way), "{path} has {way}");
                }
            }
            for scheme in ["http://", "https://", "ws://", "wss://"] {
                let mut found =
                    text.match_indices(scheme).filter(|(at, _)| !text[at + scheme.len()..].starts_with("www.w3.org"));
                assert!(found.next().is_none() || *path == "/bus.js", "{path} names {scheme}");
            }
        }
        assert!(loaded > 20, "{loaded} imports");
        let (_, _, page) = ASSETS[0];
        for (at, _) in page.match_indices("=\"/") {
            let named: String = page[at + 2..].chars().take_while(|c| *c != '"').collect();
            assert!(find(&named).is_some(), "the page names {named}");
        }
        assert!(!page.contains("<script>") && !page.contains(" style="), "what is inline is refused");
    }

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/page");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
            assert!(name == "vendor" || find(&path).is_some(), "{name}");
        }
    }
}
