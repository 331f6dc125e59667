//! Reads TOML layers against a table of keys. Every error names file, line and key.
//!
//! A later layer overrides an earlier one key by key. Unknown keys and sections are refused: a misspelt key
//! that is silently ignored shows on the day of the emergency. All errors are collected, so that one look is enough.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::Scalar;
pub use super::key::Key;
use super::value::{Value, convert};

/// A larger file is a mistake, not a configuration.
const MAX_FILE: u64 = 1024 * 1024;

/// Where a configuration is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// Files, weakest first.
    pub files: Vec<PathBuf>,
    /// Whether each of them must exist.
    pub must_exist: bool,
}

impl Layers {
    /// `/usr/lib/PROGRAM/config.toml` < `/etc/PROGRAM/config.toml` < `/run/PROGRAM/config.toml`, each optional.
    #[must_use]
    pub fn of(program: &str) -> Self {
        let files = ["/usr/lib", "/etc", "/run"].iter().map(|root| Path::new(root).join(program).join("config.toml"));
        Self { files: files.collect(), must_exist: false }
    }

    /// One file and nothing else; it must exist.
    #[must_use]
    pub fn only(file: impl Into<PathBuf>) -> Self {
        Self { files: vec![file.into()], must_exist: true }
    }

    /// The file that people write into: the one below `/etc`, or the only one.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.files.get(1).or_else(|| self.files.last()).map(PathBuf::as_path)
    }
}

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1; none where the fault is that something is absent.
    pub line: Option<usize>,
    /// The key, where there is one.
    pub key: Option<String>,
    /// What was expected and what was found.
    pub detail: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// Everything wrong with a configuration, one line each, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Leaf {
    value: Value,
    /// None: the built-in default.
    origin: Option<(PathBuf, usize)>,
}

/// The merged layers, to be read key by key; [`Reader::finish`] tells what was wrong.
#[derive(Debug)]
pub struct Reader {
    keys: &'static [Key],
    leaves: BTreeMap<String, Leaf>,
    errors: Vec<ConfigError>,
    home: String,
}

impl Reader {
    /// Reads and merges the layers over the defaults of `keys`. Errors are kept for [`Reader::finish`].
    #[must_use]
    pub fn open(keys: &'static [Key], layers: &Layers) -> Self {
        Self::open_with(keys, layers, None)
    }

    /// As [`Reader::open`], with a text taken for what one of the files holds: a change is judged before it is written.
    #[must_use]
    pub fn open_with(keys: &'static [Key], layers: &Layers, instead: Option<(&Path, &str)>) -> Self {
        let home = layers.home().map_or_else(|| "configuration".to_owned(), |path| path.display().to_string());
        let mut reader = Self { keys, leaves: BTreeMap::new(), errors: Vec::new(), home };
        reader.defaults();
        for file in &layers.files {
            let found = match instead {
                Some((path, text)) if path == file => Ok(Some(text.to_owned())),
                Some(_) | None => read(file),
            };
            match found {
                Ok(Some(text)) => reader.layer(file, &text),
                Ok(None) if !layers.must_exist => {}
                Ok(None) => reader.file_error(file, None, None, "cannot be read: no such file".to_owned()),
                Err(why) => reader.file_error(file, None, None, format!("cannot be read: {why}")),
            }
        }
        reader
    }

    fn defaults(&mut self) {
        for key in self.keys {
            let Some(default) = key.default else { continue };
            let value = DeValue::parse(default).expect("each default in the table of keys is TOML: a test reads them");
            self.leaves.insert(key.name.to_owned(), Leaf { value: convert(value.get_ref()), origin: None });
        }
    }

    /// Adds one layer.
    pub fn layer(&mut self, file: &Path, text: &str) {
        match DeTable::parse(text) {
            Ok(table) => self.section(file, text, "", table.get_ref()),
            Err(error) => {
                let line = error.span().map(|span| line_of(text, span.start));
                self.file_error(file, line, None, error.message().replace('\n', ", "));
            }
        }
    }

    fn section(&mut self, file: &Path, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let line = line_of(text, key.span().start);
            let known = self.keys.iter().any(|key| key.name == name);
            let below = format!("{name}.");
            let is_section = self.keys.iter().any(|key| key.name.starts_with(&below));
            match value.get_ref() {
                DeValue::Table(inner) if is_section => self.section(file, text, &below, inner),
                found if known => {
                    let origin = Some((file.to_owned(), line));
                    self.leaves.insert(name, Leaf { value: convert(found), origin });
                }
                found if is_section => {
                    let detail = format!("expected a section, found {}", convert(found));
                    self.file_error(file, Some(line), Some(&name), detail);
                }
                _ => {
                    let detail = self.unknown(prefix);
                    self.file_error(file, Some(line), Some(&name), detail);
                }
            }
        }
    }

    fn unknown(&self, prefix: &str) -> String {
        let mut here: Vec<&str> = self
            .keys
            .iter()
            .filter_map(|key| key.name.strip_prefix(prefix))
            .map(|rest| rest.split('.').next().unwrap_or(rest))
            .collect();
        here.dedup();
        format!("unknown key; expected one of {}", here.join(", "))
    }

    fn file_error(&mut self, file: &Path, line: Option<usize>, key: Option<&str>, detail: String) {
        let key = key.map(str::to_owned);
        self.errors.push(ConfigError { file: file.display().to_string(), line, key, detail });
    }

    /// Notes that `key` is wrong, where it was set.
    pub fn fail(&mut self, key: &str, detail: impl Into<String>) {
        let (file, line) = match self.leaves.get(key).and_then(|leaf| leaf.origin.clone()) {
            Some((file, line)) => (file.display().to_string(), Some(line)),
            None => (self.home.clone(), None),
        };
        self.errors.push(ConfigError { file, line, key: Some(key.to_owned()), detail: detail.into() });
    }

    fn get(&self, name: &str) -> Option<Value> {
        debug_assert!(self.keys.iter().any(|key| key.name == name), "{name} is not in the table of keys");
        self.leaves.get(name).map(|leaf| leaf.value.clone())
    }

    /// Whether the key's value is this very word.
    #[must_use]
    pub fn is_word(&self, name: &str, word: &str) -> bool {
        self.get(name) == Some(Value::Text(word.to_owned()))
    }

    /// Whether the key has a value, right or wrong.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn required(&mut self, name: &str) -> Option<Value> {
        let found = self.get(name);
        // In a file that could not be read it may well be.
        if found.is_none() && !self.errors.iter().any(|error| error.key.is_none()) {
            let example = self.keys.iter().find(|key| key.name == name).map_or("", |key| key.example);
            self.fail(name, format!("missing; for example {example}"));
        }
        found
    }

    fn wrong(&mut self, name: &str, expected: &str, found: &Value) {
        self.fail(name, format!("expected {expected}, found {found}"));
    }

    /// Text that is not empty; if it is absent, an error.
    pub fn text(&mut self, name: &str) -> String {
        self.parsed(name, "text", |text| (!text.is_empty()).then(|| text.to_owned())).unwrap_or_default()
    }

    /// Text that may be absent.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.get(name)?;
        self.parsed(name, "text", |text| (!text.is_empty()).then(|| text.to_owned()))
    }

    /// Text that `parse` understands; `None` only together with an error.
    pub fn parsed<T>(&mut self, name: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.required(name)?;
        let parsed = if let Value::Text(text) = &value { parse(text) } else { None };
        if parsed.is_none() {
            self.wrong(name, expected, &value);
        }
        parsed
    }

    /// A list of texts, each of which `parse` understands; `None` only together with an error.
    pub fn list<T>(&mut self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        let value = self.required(name)?;
        let item = |value: &Value| if let Value::Text(text) = value { parse(text) } else { None };
        let parsed = if let Value::List(values) = &value { values.iter().map(item).collect() } else { None };
        if parsed.is_none() {
            self.wrong(name, expected, &value);
        }
        parsed
    }

    /// A path; a relative one is taken from the directory of the file that sets it.
    pub fn path(&mut self, name: &str) -> PathBuf {
        let path = PathBuf::from(self.text(name));
        let base = self.leaves.get(name).and_then(|leaf| leaf.origin.as_ref()).and_then(|(file, _)| file.parent());
        match base {
            Some(base) if path.is_relative() => base.join(path),
            _ => path,
        }
    }

    /// A path that may be absent.
    pub fn optional_path(&mut self, name: &str) -> Option<PathBuf> {
        self.get(name)?;
        Some(self.path(name))
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<u32>) -> u32 {
        let Some(value) = self.required(name) else { return *range.start() };
        if let Value::Integer(number) = value
            && let Ok(number) = u32::try_from(number)
            && range.contains(&number)
        {
            return number;
        }
        self.wrong(name, &format!("{} to {}", range.start(), range.end()), &value);
        *range.start()
    }

    /// A whole number within `range`, or text; it may be absent.
    pub fn optional_scalar(&mut self, name: &str, range: RangeInclusive<u32>, expected: &str) -> Option<Scalar> {
        let value = self.get(name)?;
        let found = match &value {
            Value::Integer(n) => u32::try_from(*n).ok().filter(|n| range.contains(n)).map(Scalar::Number),
            Value::Text(text) if !text.is_empty() => Some(Scalar::Text(text.clone())),
            Value::Text(_) | Value::Float(_) | Value::Flag(_) | Value::List(_) | Value::Other(_) => None,
        };
        if found.is_none() {
            self.wrong(name, expected, &value);
        }
        found
    }

    /// A number within `range` that may be absent.
    pub fn optional_float(&mut self, name: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.get(name)?;
        let number = match value {
            Value::Float(number) => Some(number),
            // Every integer a range of ours can hold is exact as f64.
            Value::Integer(number) => i32::try_from(number).ok().map(f64::from),
            Value::Text(_) | Value::Flag(_) | Value::List(_) | Value::Other(_) => None,
        };
        let fits = number.filter(|number| range.contains(number));
        if fits.is_none() {
            self.wrong(name, &format!("a number from {} to {}", range.start(), range.end()), &value);
        }
        fits
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.required(name) else { return false };
        if let Value::Flag(flag) = value {
            return flag;
        }
        self.wrong(name, "true or false", &value);
        false
    }

    /// One of a few words; `None` only together with an error.
    pub fn choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let list: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.parsed(name, &list.join(" or "), |text| words.iter().find(|(word, _)| *word == text).map(|(_, t)| *t))
    }

    /// Each key that has a value, with it as TOML and where it was set.
    pub fn effective(&self) -> impl Iterator<Item = (&'static Key, Option<String>, String)> + '_ {
        self.keys.iter().map(|key| {
            let leaf = self.leaves.get(key.name);
            let origin = match leaf.map(|leaf| &leaf.origin) {
                Some(Some((file, line))) => format!("{}:{line}", file.display()),
                Some(None) => "default".to_owned(),
                None => "not set".to_owned(),
            };
            (key, leaf.map(|leaf| leaf.value.to_string()), origin)
        })
    }

    /// Ends reading.
    ///
    /// # Errors
    /// Everything that was wrong, each with file, line and key.
    pub fn finish(self) -> Result<(), ConfigErrors> {
        if self.errors.is_empty() { Ok(()) } else { Err(ConfigErrors(self.errors)) }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The file's text; `None` if there is no such file.
fn read(file: &Path) -> Result<Option<String>, String> {
    match std::fs::metadata(file) {
        Ok(found) if found.len() > MAX_FILE => {
            return Err(format!("expected at most {MAX_FILE} bytes, found {}", found.len()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    std::fs::read_to_string(file).map(Some).map_err(|error| error.to_string())
}
