//! A throw-away Debian: what is kept under the cache directory, and above it what this test writes, in memory.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What of its environment a command gets: that of a service.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Exit code, standard output, standard error.
pub type Outcome = (Option<i32>, String, String);

pub struct Root {
    scratch: TempDir,
}

fn must(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().expect("it runs");
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn told(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: scripts/package-test runs this")).into()
}

impl Root {
    pub fn new() -> Self {
        let lower = told("SOS_PACKAGE_ROOT");
        let scratch = TempDir::new().expect("a directory");
        let at = |name: &str| scratch.path().join(name).display().to_string();
        must("mount", &["-t", "tmpfs", "-o", "mode=755", "none", &scratch.path().display().to_string()]);
        for name in ["upper", "work", "root"] {
            std::fs::create_dir(at(name)).expect("a directory");
        }
        let options = format!("lowerdir={},upperdir={},workdir={}", lower.display(), at("upper"), at("work"));
        must("mount", &["-t", "overlay", "-o", &options, "none", &at("root")]);
        let root = Self { scratch };
        must("mount", &["-t", "proc", "none", &root.path("proc").display().to_string()]);
        std::fs::write(root.path("etc/hosts"), "127.0.0.1 localhost\n").expect("a file");
        root
    }

    /// A path inside, as seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.scratch.path().join("root").join(inside.trim_start_matches('/'))
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.path("")).args(["env", "-i", PATH, "LC_ALL=C.UTF-8"]).args(words);
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    /// Runs a line of shell inside.
    pub fn run(&self, script: &str) -> Outcome {
        let done = self.command(&["sh", "-c", script]).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    /// The same, where it must succeed; what it said, on both.
    #[track_caller]
    pub fn must(&self, script: &str) -> String {
        let (code, out, err) = self.run(script);
        assert_eq!(code, Some(0), "{script}:\n{out}{err}");
        out + &err
    }

    /// Installs a package of the ones under test.
    #[track_caller]
    pub fn install(&self, name: &str, revision: u32) -> String {
        let deb = deb(name, revision);
        std::fs::copy(&deb, self.path("tmp/package.deb")).expect("a copy");
        let said = self.must("dpkg -i /tmp/package.deb && rm /tmp/package.deb");
        assert_eq!(self.must("dpkg --audit"), "");
        // Configuration (c) is the owner's to change.
        let changed = self.must(&format!("dpkg --verify {name} | grep -v ' c ' || true"));
        assert_eq!(changed, "", "a file is not as it was shipped");
        said
    }

    /// Everything that is there, but for what dpkg and the account tools note for themselves.
    pub fn paths(&self) -> Vec<String> {
        let found = self.must(
            "find / -xdev -mindepth 1 \\( -path /proc -o -path /tmp -o -path /run -o -path /var/lib/dpkg \
             -o -path /var/log -o -name '.pwd.lock' -o -path '/etc/passwd*' -o -path '/etc/group*' \
             -o -path '/etc/shadow*' -o -path '/etc/gshadow*' \\) -prune -o -print | sort",
        );
        found.lines().map(str::to_owned).collect()
    }

    /// Starts a program inside, which ends with the value.
    pub fn start(&self, words: &[&str], log: &str) -> Running {
        let log = self.path(log);
        let out = std::fs::File::create(&log).expect("a log");
        let mut command = self.command(words);
        command.stdout(out.try_clone().expect("a log")).stderr(out);
        Running { child: command.spawn().expect("it starts"), log }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        for name in ["root/proc", "root", ""] {
            let path = self.scratch.path().join(name);
            // What does not go now goes with the namespace.
            let _ = Command::new("umount").args(["--lazy".as_ref(), path.as_os_str()]).status();
        }
    }
}

/// A program that runs inside.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A package under test.
pub fn deb(name: &str, revision: u32) -> PathBuf {
    let dir = told("SOS_PACKAGES");
    let found = std::fs::read_dir(&dir).expect("the packages").flatten().map(|entry| entry.path());
    let fits = |path: &Path| {
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        file.starts_with(&format!("{name}_")) && file.contains(&format!("-{revision}_")) && file.ends_with(".deb")
    };
    let mut found: Vec<PathBuf> = found.filter(|path| fits(path)).collect();
    assert_eq!(found.len(), 1, "{name}, revision {revision}, in {}: {found:?}", dir.display());
    found.remove(0)
}

/// Looks until there is something, at most `bound`.
pub async fn until<T>(what: &str, bound: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let (began, mut ticks) = (Instant::now(), tokio::time::interval(Duration::from_millis(100)));
    loop {
        ticks.tick().await;
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(began.elapsed() < bound, "{what}: not within {bound:?}: {why}"),
        }
    }
}
