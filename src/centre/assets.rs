//! The officers' console as `build.rs` built it, embedded in the binary.

use std::borrow::Cow;

use rust_embed::RustEmbed;

/// Everything Vite left in `dist`. Files under `assets/` carry a hash of their content in their name.
#[derive(RustEmbed)]
#[folder = "src/centre/console/dist"]
struct Dist;

/// A file of the console and its media type. `path` is a URL's path, with or without its leading slash; the empty
/// path is the page itself. None: there is no such file.
#[must_use]
pub fn asset(path: &str) -> Option<(Cow<'static, [u8]>, String)> {
    let path = path.trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let file = Dist::get(path)?;
    let guessed = mime_guess::from_path(path).first_or_octet_stream();
    let mut kind = guessed.essence_str().to_owned();
    if guessed.type_() == "text" {
        kind.push_str("; charset=utf-8");
    }
    Some((file.data, kind))
}

/// Whether a file never changes under its name, so that browsers may keep it for ever.
#[must_use]
pub fn is_immutable(path: &str) -> bool {
    path.trim_start_matches('/').starts_with("assets/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let (bytes, kind) = asset("/").expect("the page is embedded");
        assert_eq!(kind, "text/html; charset=utf-8");
        String::from_utf8(bytes.into_owned()).expect("the page is UTF-8")
    }

    /// The paths the page names in `src` and `href`.
    fn named(page: &str) -> Vec<&str> {
        let after = page.split(['"']).collect::<Vec<_>>();
        after.windows(2).filter(|w| w[0].ends_with("src=") || w[0].ends_with("href=")).map(|w| w[1]).collect()
    }

    #[test]
    fn the_page_and_all_it_names_are_embedded() {
        let page = page();
        let named = named(&page);
        assert!(named.len() >= 3, "a script, a style sheet and an icon in {page}");
        for path in named {
            let (bytes, kind) = asset(path).unwrap_or_else(|| panic!("{path} is embedded"));
            assert!(!bytes.is_empty(), "{path}");
            let wanted = match path.rsplit('.').next() {
                Some("js") => "text/javascript; charset=utf-8",
                Some("css") => "text/css; charset=utf-8",
                Some("svg") => "image/svg+xml",
                other => panic!("{path}: unexpected kind of file {other:?}"),
            };
            assert_eq!(kind, wanted, "{path}");
            assert_eq!(is_immutable(path), !path.ends_with(".svg"), "{path}");
        }
    }

    /// The centre's content security policy is `default-src 'self'`: nothing inline, nothing from elsewhere.
    #[test]
    fn the_page_needs_nothing_but_the_centre() {
        let page = page();
        assert!(!page.contains("http:") && !page.contains("https:"), "{page}");
        assert!(!page.contains("<style") && !page.contains("<script>"), "{page}");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in ["nowhere.js", "../package.json", "/../../page.rs", "assets", "assets/", "dist/index.html"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }
}
