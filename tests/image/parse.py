"""The layer as BitBake's own parser takes it, with a stub of the core: no OpenEmbedded is needed.

    parse.py TREE            every check; exit 1 with what is wrong
    parse.py TREE --values   what other checks ask of the recipes, as JSON

Needs the package `bb` (PyPI: bitbake-setup) on the Python path.
"""

import json
import logging
import os
import re
import sys
import tempfile
import types
from pathlib import Path

import stub

# The package leaves out the hash server, which nothing here asks.
for absent in ("hashserv", "hashserv.client"):
    sys.modules.setdefault(absent, types.ModuleType(absent))
sys.modules["hashserv"].client = sys.modules["hashserv.client"]

MACHINES = {
    "qemuarm64": "qemuall:qemuarm64",
    "qemux86-64": "qemuall:qemux86-64",
    "raspberrypi4-64": "rpi:raspberrypi4",
    "raspberrypi5": "rpi",
}


class Layer:
    """The layer under one machine and distribution."""

    def __init__(self, tree, machine, distro, appends=True):
        import bb.cookerdata

        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        self.tree = Path(tree)
        self.layer = self.tree / "yocto-layer"
        self.appends = appends
        self.home = tempfile.TemporaryDirectory()
        top = Path(self.home.name)
        stub.write(top, self.layer, machine, MACHINES[machine], distro)
        os.environ["BBPATH"] = str(top)
        os.chdir(top)
        settings = bb.cookerdata.CookerConfiguration()
        settings.env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "BBPATH": str(top)}
        self.builder = bb.cookerdata.CookerDataBuilder(settings, False)
        self.builder.parseBaseConfiguration()

    def recipe(self, path):
        """A recipe with the layer's appends to it, parsed; what it says of itself."""
        import bb.data

        data = self.builder.parseRecipe(str(path), self.appends_of(path), "")
        # Every shell and Python function is read, as for a task's signature.
        bb.data.generate_dependencies(data, set())
        return data

    def appends_of(self, path):
        """The layer's appends to a recipe, as BitBake would find them."""
        if not self.appends:
            return []
        name = Path(path).stem
        found = []
        for each in sorted(self.layer.rglob("*.bbappend")):
            pattern = re.escape(each.stem).replace("%", ".*")
            if re.fullmatch(pattern, name):
                found.append(str(each))
        return found

    def own(self):
        """The layer's own recipes."""
        return sorted(self.layer.rglob("*.bb"))

    def others(self):
        """The stubs that the layer appends to."""
        return sorted((Path(self.home.name) / "stub").rglob("*.bb"))


def values(data, skip=()):
    """Every variable with its flags, unexpanded paths of this run aside."""
    found = {}
    for key in data.keys():
        if key.startswith(("__", "BB_", "BBINCLUDED", "FILE", "OVERRIDES")) or key in skip:
            continue
        found[key] = (data.getVar(key, False), sorted((data.getVarFlags(key) or {}).items(), key=str))
    return found


def check(tree):
    """What is wrong, as sentences."""
    wrong = []
    for machine in MACHINES:
        layer = Layer(tree, machine, "sos-kiosk")
        for path in layer.own():
            try:
                data = layer.recipe(path)
            except Exception as error:  # pylint: disable=broad-exception-caught
                wrong.append(f"{machine}: {path.name}: {error}")
                continue
            skipped = data.getVar("__SKIPPED", False)
            if skipped:
                wrong.append(f"{machine}: {path.name} is skipped: {skipped}")
            if machine == "qemuarm64":
                wrong += licence(path, data, layer)
            if path.name == "sos-kiosk_git.bb":
                wrong += crates(layer, data)
        used = set()
        for path in layer.others():
            used.update(layer.appends_of(path))
            layer.recipe(path)
        unused = {str(each) for each in layer.layer.rglob("*.bbappend")} - used
        wrong += [f"{each} appends to no recipe" for each in sorted(unused)] if machine == "qemuarm64" else []
    wrong += inert(tree)
    return wrong


def licence(path, data, layer):
    """A licence file that is named is there, and is what the recipe says it is."""
    import hashlib

    wrong = []
    if not data.getVar("LICENSE"):
        wrong.append(f"{path.name}: no LICENSE")
    for word in (data.getVar("LIC_FILES_CHKSUM") or "").split():
        name, told = re.fullmatch(r"file://([^;]+);md5=(\w+)", word).groups()
        found = hashlib.md5((layer.tree / name).read_bytes()).hexdigest()
        if found != told:
            wrong.append(f"{path.name}: {name} is {found}, the recipe says {told}")
    return wrong


def crates(layer, data):
    """The list is the lock's, each with its checksum, and the version is the package's."""
    import tomllib

    lock = tomllib.loads((layer.tree / "Cargo.lock").read_text())["package"]
    expected = {(each["name"], each["version"]): each["checksum"] for each in lock if "source" in each}
    found = {}
    for uri in data.getVar("SRC_URI").split():
        if uri.startswith("crate://"):
            _, name, version = uri.removeprefix("crate://").split("/")
            found[name, version] = data.getVarFlag("SRC_URI", f"{name}-{version}.sha256sum")
    wrong = []
    if found != expected:
        wrong.append(f"crate list: {len(found)} of {len(expected)}; differs: {sorted(set(found.items()) ^ set(expected.items()))[:3]}")
    version = tomllib.loads((layer.tree / "Cargo.toml").read_text())["package"]["version"]
    if data.getVar("PV").split("+")[0] != version:
        wrong.append(f"PV is {data.getVar('PV')}, Cargo.toml says {version}")
    return wrong


def inert(tree):
    """Without the distribution, no append changes anything of the recipe it is appended to."""
    wrong = []
    for machine in ("qemuarm64", "raspberrypi4-64"):
        layers = [Layer(tree, machine, "other", appends) for appends in (True, False)]
        for path, plain in zip(layers[0].others(), layers[1].others()):
            # What is set only for the distribution's override is there, and is nobody's.
            with_appends = {k: v for k, v in values(layers[0].recipe(path)).items() if ":sos-distro" not in k}
            without = values(layers[1].recipe(plain))
            for key in sorted(set(with_appends) | set(without)):
                if with_appends.get(key) == without.get(key):
                    continue
                if same_apart_from_place(with_appends.get(key), without.get(key), layers):
                    continue
                wrong.append(f"{path.name}: without the distribution, {key} changes: {without.get(key)} -> {with_appends.get(key)}")
    return wrong


def same_apart_from_place(one, other, layers):
    """Both say the same, the directory of the run apart, and what waits for the distribution's override."""
    def plain(value, layer):
        if value is None:
            value = (None, [])
        text, flags = value
        # Operations kept for an override that is not in force.
        flags = [(name, flag) for name, flag in flags if name not in (":append", ":prepend", ":remove", "filename", "lineno")]
        return str((text, flags)).replace(layer.home.name, "")

    return plain(one, layers[0]) == plain(other, layers[1])


def told(tree):
    """For the other checks, by machine."""
    found = {}
    for machine in MACHINES:
        layer = Layer(tree, machine, "sos-kiosk")
        recipes = {path.stem.split("_")[0]: path for path in layer.others() + layer.own()}
        uboot = layer.recipe(recipes["u-boot"])
        image = layer.recipe(recipes["sos-kiosk-image"])
        kiosk = layer.recipe(recipes["sos-kiosk"])
        found[machine] = {
            "start": uboot.getVar("SOS_START"),
            "kernel": uboot.getVar("KERNEL_IMAGETYPE"),
            "arguments": uboot.getVar("SOS_KERNEL_ARGS"),
            "disk": image.getVar("SOS_DISK"),
            "slot_mb": image.getVar("SOS_SLOT_MB"),
            "compatible": image.getVar("SOS_COMPATIBLE"),
            "units": (kiosk.getVar("SYSTEMD_SERVICE:sos-kiosk") + " " + kiosk.getVar("SYSTEMD_SERVICE:sos-kiosk-config")).split(),
            "requires": kiosk.getVar("RDEPENDS:sos-kiosk"),
            "useradd": kiosk.getVar("USERADD_PARAM:sos-kiosk"),
            "groupadd": kiosk.getVar("GROUPADD_PARAM:sos-kiosk"),
            "install": kiosk.getVar("do_install"),
            "installed": kiosk.getVar("FILES:sos-kiosk-config") + " " + kiosk.getVar("FILES:sos-kiosk"),
            "crates": len([uri for uri in kiosk.getVar("SRC_URI").split() if uri.startswith("crate://")]),
        }
    return found


def main():
    """As the arguments say."""
    tree = os.path.realpath(sys.argv[1])
    if sys.argv[2:] == ["--values"]:
        print(json.dumps(told(tree)))
        return 0
    wrong = check(tree)
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
