"""The units of a kiosk and of its image: right in the service manager's eyes, and the same in systemd/, the Debian package
and the layer.

    units.py TREE VALUES
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path



def installed(root, tree):
    """Everything of systemd/kiosk and systemd/image as it lies on a board, its programs empty."""
    place = root / "usr/lib/systemd/system"
    place.mkdir(parents=True)
    for unit in units(tree):
        (place / unit.name).write_text(unit.read_text())
        for program in re.findall(r"^Exec\w+=[-+!:@]*(/\S+)", unit.read_text(), re.M):
            path = root / program.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)


def units(tree):
    """The unit files."""
    kinds = ("service", "mount", "automount", "timer")
    return sorted(path for kind in kinds for folder in ("kiosk", "image") for path in (tree / "systemd" / folder).glob(f"*.{kind}"))


def verify(tree):
    """What systemd-analyze says."""
    wrong = []
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        installed(root, tree)
        # What other packages bring, as far as ours lean on it.
        for name in ("rauc.service", "systemd-growfs@.service", "systemd-fsck@.service", "systemd-repart.service"):
            (root / "usr/lib/systemd/system" / name).write_text("[Unit]\nDescription=stub\n[Service]\nType=oneshot\nExecStart=/usr/bin/true\n")
        (root / "usr/bin").mkdir(parents=True, exist_ok=True)
        (root / "usr/bin/true").write_text("#!/bin/sh\n")
        (root / "usr/bin/true").chmod(0o755)
        for unit in units(tree):
            done = subprocess.run(
                ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", unit.name],
                capture_output=True, text=True, check=False,
            )
            if done.returncode or done.stderr.strip():
                wrong.append(f"{unit.name}: {done.stdout}{done.stderr}")
    return wrong


def presets(tree, values):
    """Each unit that can be enabled is enabled by a preset, and is known to the layer; and the other way round."""
    wrong = []
    enabled = set()
    for preset in tree.glob("systemd/*/system-preset/*sos-[ki]*.preset"):
        enabled.update(line.split()[1] for line in preset.read_text().splitlines() if line.startswith("enable "))
    ours = {unit.name for unit in units(tree)}
    can = {unit.name for unit in units(tree) if "[Install]" in unit.read_text()}
    wrong += [f"{name} can be enabled, and no preset does" for name in sorted(can - enabled)]
    foreign = ("systemd-", "rauc", "sshd")
    wrong += [f"a preset enables {name}, which is not there" for name in sorted(enabled - can) if not name.startswith(foreign)]
    listed = {name.replace("\\\\", "\\") for name in values["units"]}
    wrong += [f"the layer's list of units has not {name}" for name in sorted(ours - listed)]
    wrong += [f"the layer's list of units has {name}, which is not there" for name in sorted(listed - ours)]
    return wrong


def users(tree, values):
    """One user and its groups, with the numbers of the layer's tables."""
    wrong = []
    unit = (tree / "systemd/kiosk/sos-kiosk.service").read_text()
    user = re.search(r"^User=(\S+)$", unit, re.M)[1]
    groups = re.search(r"^SupplementaryGroups=(.+)$", unit, re.M)[1].split()
    sysusers = (tree / "systemd/kiosk/sysusers.d/sos-kiosk.conf").read_text()
    if not re.search(rf"^u {user} ", sysusers, re.M):
        wrong.append(f"sysusers.d makes no user {user}")
    wrong += [f"sysusers.d makes no group {group}" for group in groups if not re.search(rf"^g {group} ", sysusers, re.M)]
    words = values["useradd"].split()
    if words[-1] != user or words[words.index("--groups") + 1].split(",") != groups:
        wrong.append(f"the layer's user is {values['useradd']}, the unit's {user} with {groups}")
    if words[words.index("--home-dir") + 1] != re.search(r'^u \S+ - "[^"]+" (\S+)$', sysusers, re.M)[1]:
        wrong.append("the user's home is another in the layer than in sysusers.d")
    tables = {
        kind: dict(line.split(":")[::2][:2] for line in (tree / f"yocto-layer/files/sos-{kind}").read_text().splitlines())
        for kind in ("passwd", "group")
    }
    if user not in tables["passwd"] or user not in tables["group"] or "gpio" not in tables["group"]:
        wrong.append(f"no static numbers for {user} and gpio")
    for kind, table in tables.items():
        numbers = list(table.values())
        wrong += [f"sos-{kind}: number {each} twice" for each in sorted({n for n in numbers if numbers.count(n) > 1})]
    return wrong


def paths(tree, values):
    """What the Debian package installs of systemd/kiosk, the layer installs at the same places; what units name is there."""
    wrong = []
    manifest = tomllib.loads((tree / "Cargo.toml").read_text())["package"]["metadata"]["deb"]
    lines = [re.sub(r"\s+", " ", line) for line in values["install"].splitlines()]
    for source, target, _ in manifest["assets"]:
        if not source.startswith("systemd/kiosk/") or "lintian" in source:
            continue
        name = "/" + target.rstrip("/") + ("/" + source.rsplit("/", 1)[1] if target.endswith("/") else "")
        short = source.removeprefix("systemd/kiosk/")
        if not any(f"/{short} " in line and line.endswith(name) for line in lines):
            wrong.append(f"the Debian package puts {source} at {name}, the layer does not")
    every = "\n".join(values["install"].splitlines())
    for path in sorted((tree / "systemd/image").rglob("*")):
        if path.is_file() and path.suffix not in (".mount", ".automount", ".service", ".timer"):
            if str(path.relative_to(tree / "systemd/image")) not in every:
                wrong.append(f"the layer does not install systemd/image/{path.relative_to(tree / 'systemd/image')}")
    for unit in units(tree):
        for name in re.findall(r"/usr/(?:share|libexec)/sos-kiosk/\S+", unit.read_text()):
            if name.rsplit("/", 1)[1] not in every:
                wrong.append(f"{unit.name} names {name}, which nobody installs")
    mounts = {re.search(r"^Where=(\S+)$", unit.read_text(), re.M)[1]: unit.name for unit in units(tree) if unit.suffix == ".mount"}
    for where, name in mounts.items():
        expected = subprocess.run(
            ["systemd-escape", "--path", "--suffix=mount", where], check=True, capture_output=True, text=True
        ).stdout.strip()
        if expected != name:
            wrong.append(f"{name} mounts {where}, for which it must be called {expected}")
    made = (tree / "systemd/image/data-dirs.conf").read_text()
    for unit in units(tree):
        source = re.search(r"^What=(/data/\S+)$", unit.read_text(), re.M)
        if source and f"d {source[1]} " not in made:
            wrong.append(f"{unit.name} mounts {source[1]}, which nobody makes")
    return wrong


def main():
    """Every check."""
    tree, values = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())["qemuarm64"]
    wrong = verify(tree) + presets(tree, values) + users(tree, values) + paths(tree, values)
    print(f"  {len(units(tree))} units")
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
