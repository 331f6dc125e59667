//! One key of a TOML text changed, with every comment and the order left as they are.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::super::load::Key;

/// Why a text cannot be changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EditError {
    /// There is no such key.
    #[error("{0}: unknown key{1}")]
    UnknownKey(String, String),
    /// The text is not TOML.
    #[error("not TOML: {0}")]
    NotToml(String),
    /// Something else is where a section should be.
    #[error("{0}: expected a section, found a value")]
    NotASection(String),
}

/// The row of `name` in the table of keys.
///
/// # Errors
/// [`EditError::UnknownKey`] with the keys that look like it.
pub fn find<'k>(keys: &'k [Key], name: &str) -> Result<&'k Key, EditError> {
    let found = keys.iter().find(|key| key.name == name);
    found.ok_or_else(|| {
        let last = name.rsplit('.').next().unwrap_or(name);
        let like = |key: &&Key| !last.is_empty() && (key.name.contains(last) || key.name.starts_with(name));
        let near: Vec<&str> = keys.iter().filter(like).map(|key| key.name).collect();
        let near = if near.is_empty() { String::new() } else { format!("; is it {}?", near.join(" or ")) };
        EditError::UnknownKey(name.to_owned(), near)
    })
}

/// What a person typed as a value of `key`: text need not be quoted, anything else is TOML.
#[must_use]
pub fn typed(key: &Key, raw: &str) -> Value {
    let parsed = raw.trim().parse::<Value>();
    let wants_text = key.example.starts_with(['"', '\'']);
    match parsed {
        Ok(value) if !wants_text || value.is_str() || value.is_array() => value,
        Ok(_) | Err(_) => Value::from(raw),
    }
}

/// `text` with `key` set to `value`.
///
/// # Errors
/// [`EditError`]: not TOML, or a value where a section should be.
pub fn set(text: &str, key: &Key, value: Value) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let (sections, last) = split(key.name);
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for section in sections {
        let mut fresh = Table::new();
        // Its header is printed once there is a key in it, and not before.
        fresh.set_implicit(true);
        let found = table.entry(section).or_insert(Item::Table(fresh));
        table = found.as_table_like_mut().ok_or_else(|| EditError::NotASection(section.to_owned()))?;
    }
    match table.get_mut(last).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => _ = table.insert(last, Item::Value(value)),
    }
    Ok(document.to_string())
}

/// `text` without `key`: the default, or a weaker layer, counts again.
///
/// # Errors
/// [`EditError`]: not TOML.
pub fn unset(text: &str, key: &Key) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let (sections, last) = split(key.name);
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for section in sections {
        match table.get_mut(section).and_then(Item::as_table_like_mut) {
            Some(inner) => table = inner,
            None => return Ok(text.to_owned()),
        }
    }
    if table.remove(last).is_none() {
        return Ok(text.to_owned());
    }
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| EditError::NotToml(error.message().replace('\n', ", ")))
}

fn split(name: &str) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = name.split('.').collect();
    let last = parts.pop().unwrap_or(name);
    (parts, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kiosk::KEYS;

    const TEXT: &str = "# the kiosk at the gate\nid = \"a\"\nplace.name = \"Park\" # as on the map\n\n\
                        [media] # picture\n# a slow board\nfps = 15\n\n[rtc]\nudp = true\n";

    fn change(name: &str, raw: &str) -> String {
        let key = find(KEYS, name).expect("a key");
        set(TEXT, key, typed(key, raw)).expect("it can be set")
    }

    #[test]
    fn a_value_is_replaced_and_nothing_else() {
        assert_eq!(change("media.fps", "30"), TEXT.replace("fps = 15", "fps = 30"));
        assert_eq!(change("place.name", "Old Park"), TEXT.replace("\"Park\"", "\"Old Park\""));
        assert_eq!(change("place.name", "\"42\""), TEXT.replace("\"Park\"", "\"42\""));
        assert_eq!(change("place.name", "42"), TEXT.replace("\"Park\"", "\"42\""));
        assert_eq!(change("rtc.udp", "false"), TEXT.replace("true", "false"));
    }

    #[test]
    fn a_new_key_goes_into_its_section_and_a_new_section_to_the_end() {
        assert_eq!(change("media.width", "640"), TEXT.replace("fps = 15\n", "fps = 15\nwidth = 640\n"));
        let added = change("media.camera.driver", "file");
        assert!(added.contains("[media.camera]\ndriver = \"file\"\n"), "{added}");
        let added = change("store.dir", "/srv/sos");
        assert!(added.starts_with(TEXT) && added.ends_with("[store]\ndir = \"/srv/sos\"\n"), "{added}");
        let key = find(KEYS, "centre.broker").expect("a key");
        assert_eq!(set("", key, typed(key, "c:1")).expect("set"), "[centre]\nbroker = \"c:1\"\n");
    }

    #[test]
    fn a_key_is_taken_out_with_its_comment_and_one_that_is_not_there_changes_nothing() {
        let out = |name| unset(TEXT, find(KEYS, name).expect("a key")).expect("unset");
        assert_eq!(out("media.fps"), TEXT.replace("# a slow board\nfps = 15\n", ""));
        assert_eq!(out("store.dir"), TEXT);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let unknown = find(KEYS, "fps").expect_err("no such key").to_string();
        assert_eq!(unknown, "fps: unknown key; is it media.fps?");
        let key = find(KEYS, "media.fps").expect("a key");
        assert!(matches!(set("media = 3\n", key, typed(key, "30")), Err(EditError::NotASection(_))));
        assert!(matches!(set("= =", key, typed(key, "30")), Err(EditError::NotToml(_))));
    }
}
