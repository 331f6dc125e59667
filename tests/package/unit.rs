//! What the service manager does for a unit, where none can run: directories, credentials, user, command.

use super::root::{Root, Running};

/// A unit as it is installed.
pub struct Unit {
    name: String,
    lines: Vec<(String, String)>,
}

impl Unit {
    pub fn installed(root: &Root, name: &str) -> Self {
        let path = root.path(&format!("usr/lib/systemd/system/{name}.service"));
        let text = std::fs::read_to_string(path).expect("a unit");
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        let lines = lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { name: name.to_owned(), lines }
    }

    pub fn all(&self, key: &str) -> Vec<&str> {
        self.lines.iter().filter(|(found, _)| found == key).map(|(_, value)| value.as_str()).collect()
    }

    pub fn one(&self, key: &str) -> &str {
        self.all(key).first().copied().unwrap_or_else(|| panic!("{}: no {key}=", self.name))
    }

    /// The files without which it is not started, that are not there.
    pub fn lacks(&self, root: &Root) -> Vec<&str> {
        self.all("ConditionPathExists").into_iter().filter(|path| !root.path(path).exists()).collect()
    }

    /// Starts its command as the service manager would.
    pub fn start(&self, root: &Root) -> Running {
        assert_eq!(self.lacks(root), [""; 0], "{}: the service manager would not start it", self.name);
        let (user, credentials) = (self.one("User"), format!("/run/credentials/{}.service", self.name));
        for (key, place) in
            [("StateDirectory", "/var/lib"), ("CacheDirectory", "/var/cache"), ("RuntimeDirectory", "/run")]
        {
            for name in self.all(key) {
                let mode = self.all(&format!("{key}Mode")).first().copied().unwrap_or("0755");
                root.must(&format!("install -d -o {user} -g {user} -m {mode} {place}/{name}"));
            }
        }
        root.must(&format!("install -d -m 755 {credentials}"));
        for (name, file) in self.all("LoadCredential").into_iter().filter_map(|value| value.split_once(':')) {
            root.must(&format!("install -o {user} -m 400 {file} {credentials}/{name}"));
        }
        let credentials = format!("CREDENTIALS_DIRECTORY={credentials}");
        let mut words = vec!["env", &credentials];
        words.extend(self.all("Environment"));
        words.extend(["setpriv", "--reuid", user, "--regid", user, "--init-groups"]);
        words.extend(self.one("ExecStart").split(' '));
        root.start(&words, &format!("tmp/{}.log", self.name))
    }
}
