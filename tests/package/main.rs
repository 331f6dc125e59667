//! The packages in a throw-away Debian 12 that has what they depend on and nothing else: what is in them, what they
//! leave at every stage of their life, and a kiosk and a centre set up from them until a press would bring an officer.
//!
//! `scripts/package-test` makes packages and root, and runs this in a mount and network namespace of its own.
#![cfg(all(feature = "kiosk", feature = "centre"))]

mod root;
mod unit;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use root::{Root, deb, until};
use tempfile::TempDir;
use unit::Unit;

/// Loopback is fast; a loaded machine is not.
const BOUND: Duration = Duration::from_secs(60);

/// Every file of the kiosk's package but man pages and spoken sentences.
const KIOSK_FILES: [&str; 16] = [
    "/usr/bin/sos-ctl",
    "/usr/bin/sos-kiosk",
    "/usr/lib/sos-kiosk/config.toml",
    "/usr/lib/systemd/system-preset/80-sos-kiosk.preset",
    "/usr/lib/systemd/system.conf.d/50-sos-kiosk.conf",
    "/usr/lib/systemd/system/sos-kiosk.service",
    "/usr/lib/sysusers.d/sos-kiosk.conf",
    "/usr/lib/tmpfiles.d/sos-kiosk.conf",
    "/usr/lib/udev/rules.d/60-sos-kiosk.rules",
    "/usr/share/bash-completion/completions/sos-ctl",
    "/usr/share/doc/sos-kiosk/changelog.Debian.gz",
    "/usr/share/doc/sos-kiosk/copyright",
    "/usr/share/doc/sos-kiosk/examples/journald-volatile.conf",
    "/usr/share/fish/vendor_completions.d/sos-ctl.fish",
    "/usr/share/lintian/overrides/sos-kiosk",
    "/usr/share/zsh/vendor-completions/_sos-ctl",
];

/// Every file of the centre's package.
const CENTRE_FILES: [&str; 12] = [
    "/etc/sos-centre/centre.toml",
    "/etc/sos-centre/mosquitto.conf",
    "/usr/bin/sos-centre",
    "/usr/lib/systemd/system-preset/80-sos-centre.preset",
    "/usr/lib/systemd/system/sos-broker.service",
    "/usr/lib/systemd/system/sos-centre.service",
    "/usr/lib/sysusers.d/sos-centre.conf",
    "/usr/lib/tmpfiles.d/sos-centre.conf",
    "/usr/share/doc/sos-centre/changelog.Debian.gz",
    "/usr/share/doc/sos-centre/copyright",
    "/usr/share/lintian/overrides/sos-centre",
    "/usr/share/sos-centre/acl",
];

/// The files of an installed package.
fn files(root: &Root, package: &str) -> Vec<String> {
    let listed =
        root.must(&format!("dpkg -L {package} | while read -r f; do [ -d \"$f\" ] || echo \"$f\"; done | sort"));
    listed.lines().map(str::to_owned).collect()
}

/// What is there now and was not before.
fn added(root: &Root, before: &[String]) -> Vec<String> {
    let before: BTreeSet<&String> = before.iter().collect();
    root.paths().into_iter().filter(|path| !before.contains(path)).collect()
}

fn owners(root: &Root, paths: &str) -> String {
    root.must(&format!("stat -c '%n %U:%G %a' {paths}"))
}

/// The service manager takes the units as they are installed, and starts them at the next boot.
fn takes(root: &Root, units: &[&str]) {
    for unit in units {
        assert_eq!(root.must(&format!("systemd-analyze verify --man=no {unit}.service")), "", "{unit}");
        assert_eq!(root.must(&format!("systemctl is-enabled {unit}")), "enabled\n");
    }
}

#[test]
fn the_kiosks_package_comes_is_upgraded_and_goes() {
    let root = Root::new();
    let before = root.paths();
    root.install("sos-kiosk", 1);
    let found = files(&root, "sos-kiosk");
    let (pages, rest): (Vec<String>, Vec<String>) =
        found.into_iter().partition(|file| file.starts_with("/usr/share/man/man1/sos-"));
    for page in ["sos-ctl.1.gz", "sos-ctl-config-set.1.gz", "sos-kiosk.1.gz"] {
        assert!(pages.contains(&format!("/usr/share/man/man1/{page}")), "{page} is not in {pages:?}");
    }
    let rest: Vec<String> =
        rest.into_iter().filter(|file| !file.starts_with("/usr/share/sos-kiosk/prompts/")).collect();
    assert_eq!(rest, KIOSK_FILES);
    let odd =
        root.must("dpkg -L sos-kiosk | xargs -d '\\n' -I{} find {} -maxdepth 0 ! -user root -o -maxdepth 0 -perm /022");
    assert_eq!(odd, "", "a shipped file that somebody else may write");
    takes(&root, &["sos-kiosk"]);

    let user = root.must("getent passwd sos-kiosk");
    assert!(user.contains(":Street emergency-call kiosk:/var/lib/sos-kiosk:/usr/sbin/nologin"), "{user}");
    let uid: u32 = user.split(':').nth(2).and_then(|uid| uid.parse().ok()).expect("a number");
    assert!(uid < 1000, "a system user: {user}");
    root.must("getent group gpio audio video");
    assert_eq!(owners(&root, "/etc/sos-kiosk"), "/etc/sos-kiosk root:sos-kiosk 775\n");
    assert!(root.must("sos-kiosk --version; sos-ctl --version").starts_with("sos-kiosk "));
    // The library of each plug-in that the package names is there, and so is each that a program was linked with.
    assert!(!root.must("ldd /usr/bin/sos-kiosk /usr/bin/sos-ctl").contains("not found"));

    // What a kiosk has after a year on the street.
    root.must("echo 'id = \"park\"' > /etc/sos-kiosk/config.toml; echo key > /etc/sos-kiosk/kiosk.key");
    root.must("install -d -o sos-kiosk -m 750 /var/lib/sos-kiosk /var/lib/sos-kiosk/recordings/1");
    root.must("echo evidence > /var/lib/sos-kiosk/recordings/1/000000.mp4");
    let kept = "cd / && md5sum etc/sos-kiosk/* var/lib/sos-kiosk/recordings/*/*";
    let there = root.must(kept);
    let said = root.install("sos-kiosk", 2);
    assert!(said.contains("sos-kiosk (0.1.0-2) over (0.1.0-1)"), "{said}");
    assert_eq!(root.must(kept), there, "an upgrade touches nothing of it");
    assert_eq!(owners(&root, "/etc/sos-kiosk/kiosk.key"), "/etc/sos-kiosk/kiosk.key root:root 600\n");
    takes(&root, &["sos-kiosk"]);

    root.must("dpkg -r sos-kiosk");
    let left = added(&root, &before);
    assert!(!left.iter().any(|path| path.starts_with("/usr/")), "left by the removal: {left:?}");
    assert_eq!(root.must(kept), there, "a removal touches nothing of it");
    let said = root.must("dpkg -P sos-kiosk");
    assert!(said.contains("/var/lib/sos-kiosk (recordings) is left there"), "{said}");
    let evidence = ["/var/lib/sos-kiosk", "/var/lib/sos-kiosk/recordings", "/var/lib/sos-kiosk/recordings/1"];
    assert_eq!(added(&root, &before), [&evidence[..], &["/var/lib/sos-kiosk/recordings/1/000000.mp4"]].concat());

    // Without evidence, nothing; twice is as good as once.
    root.must("rm -r /var/lib/sos-kiosk/recordings");
    root.install("sos-kiosk", 1);
    assert!(!root.must("dpkg -P sos-kiosk").contains("is left there"));
    assert_eq!(added(&root, &before), [""; 0]);
    assert_eq!(root.must("dpkg --get-selections | grep -c sos-kiosk || true"), "0\n");
}

#[test]
fn the_centres_package_comes_is_upgraded_and_goes() {
    let root = Root::new();
    let before = root.paths();
    root.install("sos-centre", 1);
    let found =
        files(&root, "sos-centre").into_iter().filter(|file| !file.starts_with("/usr/share/man/man1/sos-centre"));
    assert_eq!(found.collect::<Vec<_>>(), CENTRE_FILES);
    assert!(root.path("usr/share/man/man1/sos-centre-officer-add.1.gz").exists());
    takes(&root, &["sos-centre", "sos-broker"]);
    root.must("getent passwd sos-centre sos-broker");
    let wanted = "/etc/sos-centre root:root 755\n/etc/sos-centre/keys root:root 700\n\
                  /var/lib/sos-centre sos-centre:sos-centre 700\n";
    assert_eq!(owners(&root, "/etc/sos-centre /etc/sos-centre/keys /var/lib/sos-centre"), wanted);
    let conffiles = root.must("dpkg-query -W -f '${Conffiles}\\n' sos-centre | awk '{ print $1 }' | sort");
    assert_eq!(conffiles.trim(), "/etc/sos-centre/centre.toml\n/etc/sos-centre/mosquitto.conf");
    assert!(root.must("sos-centre --version").starts_with("sos-centre "));
    let (code, _, err) = root.run("sos-centre check");
    assert_eq!(code, Some(78), "without keys: {err}");
    assert!(err.contains("ca.pem: cannot be read"), "{err}");

    root.must("sed -i 's/centre-1/astana-1/' /etc/sos-centre/centre.toml");
    root.must("echo key > /etc/sos-centre/keys/server.key; echo evidence > /var/lib/sos-centre/centre.sqlite");
    root.install("sos-centre", 2);
    assert!(
        root.must("grep instance /etc/sos-centre/centre.toml").contains("astana-1"),
        "an upgrade keeps the changes"
    );
    takes(&root, &["sos-centre", "sos-broker"]);

    root.must("dpkg -r sos-centre");
    let left = added(&root, &before);
    assert!(!left.iter().any(|path| path.starts_with("/usr/")), "left by the removal: {left:?}");
    assert!(left.contains(&"/etc/sos-centre/centre.toml".to_owned()), "a removal keeps the configuration: {left:?}");
    let said = root.must("dpkg -P sos-centre");
    for place in ["/var/lib/sos-centre (incidents, recordings)", "/etc/sos-centre/keys"] {
        assert!(said.contains(&format!("{place} is left there")), "{said}");
    }
    let wanted = [
        "/etc/sos-centre",
        "/etc/sos-centre/keys",
        "/etc/sos-centre/keys/server.key",
        "/var/lib/sos-centre",
        "/var/lib/sos-centre/centre.sqlite",
    ];
    assert_eq!(added(&root, &before), wanted, "keys and evidence are left, and nothing else");
    root.must("rm -r /etc/sos-centre /var/lib/sos-centre");
    root.install("sos-centre", 1);
    assert!(!root.must("dpkg -P sos-centre").contains("is left there"));
    assert_eq!(added(&root, &before), [""; 0]);
}

#[test]
fn lintian_has_nothing_to_say() {
    for package in ["sos-kiosk", "sos-centre"] {
        let mut command = Command::new("lintian");
        command.args(["--allow-root", "--no-cfg", "--display-info", "--pedantic", "--tag-display-limit", "0"]);
        let done = command.arg(deb(package, 1)).output().expect("lintian is there");
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.trim().is_empty(), "{package}:\n{said}");
    }
}

/// Throw-away keys of the centre's side, made on the host.
struct Owner {
    dir: TempDir,
}

impl Owner {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let keys = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/keys");
        let made = Command::new(keys).arg(dir.path()).output().expect("it runs");
        assert!(made.status.success(), "{made:?}");
        Self { dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn fingerprint(&self) -> String {
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(self.file("ca.pem"));
        let said = String::from_utf8(command.output().expect("it runs").stdout).expect("UTF-8");
        said.trim().rsplit('=').next().expect("a fingerprint").to_owned()
    }
}

fn put(root: &Root, from: &Path, to: &str) {
    std::fs::copy(from, root.path(to)).expect("a copy");
}

#[tokio::test]
async fn a_fresh_kiosk_says_what_comes_next_until_a_press_would_bring_an_officer() {
    let (root, owner) = (Root::new(), Owner::new());
    root.install("sos-centre", 1);
    for name in ["ca.pem", "server.pem", "server.key", "centre.pem", "centre.key"] {
        put(&root, &owner.file(name), &format!("etc/sos-centre/keys/{name}"));
    }
    // There is no address in this namespace but loopback.
    root.must("sed -i 's/^listen = \"any\"/listen = [\"127.0.0.1\"]/' /etc/sos-centre/centre.toml");
    let broker = Unit::installed(&root, "sos-broker").start(&root);
    let centre = Unit::installed(&root, "sos-centre").start(&root);
    let as_centre = "setpriv --reuid sos-centre --regid sos-centre --init-groups";
    root.must(&format!("echo longer than eight | {as_centre} sos-centre officer add ana --password-stdin"));

    root.install("sos-kiosk", 1);
    let kiosk = Unit::installed(&root, "sos-kiosk");
    let (code, out, err) = root.run("sos-ctl status");
    assert_eq!((code, out.as_str()), (Some(4), ""), "{err}");
    let wanted = "error: this kiosk is not set up yet: id, place.name, centre.broker and centre.delivery are not set\n";
    assert!(err.starts_with(wanted), "{err}");
    root.must(
        "sos-ctl config set id park place.name 'Central Park' centre.broker localhost:8883 \
         centre.delivery https://localhost:8444",
    );
    let (code, _, err) = root.run("sos-ctl status");
    assert_eq!(code, Some(12), "{err}");
    assert!(
        err.starts_with("error: park is not enrolled: there is no key yet\nhint: sos-ctl enrol --ca FILE"),
        "{err}"
    );
    assert_eq!(kiosk.lacks(&root).len(), 3, "and it would not be started");

    put(&root, &owner.file("ca.pem"), "tmp/ca.pem");
    put(&root, &owner.file("ca.key"), "tmp/ca.key");
    let enrol = format!("sos-ctl enrol --ca /tmp/ca.pem --fingerprint {} > /tmp/request", owner.fingerprint());
    root.must(&enrol);
    let (code, _, err) = root.run("sos-ctl status");
    assert_eq!(code, Some(12), "{err}");
    assert!(err.starts_with("error: park is not enrolled: the key is there, its certificate is not\n"), "{err}");
    assert_eq!(kiosk.lacks(&root), ["/etc/sos-kiosk/kiosk.pem"], "nor at a boot in between");
    root.must("sos-centre sign-kiosk /tmp/request --id park --ca /tmp/ca.pem --ca-key /tmp/ca.key > /tmp/kiosk.pem");
    let said = root.must("sos-ctl enrol --install /tmp/kiosk.pem");
    assert!(said.contains("now: systemctl restart sos-kiosk, then sos-ctl status"), "{said}");
    let (code, _, err) = root.run("sos-ctl status");
    assert_eq!(code, Some(3), "enrolled, and not started: {err}");
    assert!(err.contains("hint: is it running? systemctl status sos-kiosk"), "{err}");

    let daemon = kiosk.start(&root);
    let verdict = "park: works, a press now would bring an officer";
    let status = until("a kiosk that works", BOUND, || match root.run("sos-ctl status") {
        (Some(0), out, _) => Ok(out),
        (code, out, err) => Err(format!("{code:?} {out}{err}\n{}\n{}\n{}", daemon.log(), centre.log(), broker.log())),
    })
    .await;
    assert!(status.starts_with(verdict), "{status}");
    root.must("sos-ctl press");
    let sealed = until("a recording at the centre", BOUND, || {
        let found = root.must("find /var/lib/sos-centre/archive -type f | wc -l");
        if found.trim() == "0" { Err(daemon.log()) } else { Ok(found) }
    })
    .await;
    assert_ne!(sealed.trim(), "0");
}
