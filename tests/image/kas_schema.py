"""A kas file with all it includes, against kas's own schema, and what comes of it: the machine, the distribution, the layer,
every foreign layer at a revision.

    kas_schema.py FILE MACHINE
"""

import re
import sys
from pathlib import Path

import yaml
from kas.includehandler import ConfigFile


def merged(path):
    """The file over what it includes."""
    config = ConfigFile.load(path)
    result = {}
    for name in config.config.get("header", {}).get("includes", []):
        merge(result, merged(path.parent / name))
    return merge(result, {key: value for key, value in config.config.items() if key != "header"})


def merge(one, other):
    """`other` over `one`."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(one.get(key), dict):
            merge(one[key], value)
        else:
            one[key] = value
    return one


def main():
    """What is wrong with it."""
    path, machine = Path(sys.argv[1]).resolve(), sys.argv[2]
    wrong = []
    config = merged(path)
    if (config.get("machine"), config.get("distro")) != (machine, "sos-kiosk"):
        wrong.append(f"builds {config.get('distro')} for {config.get('machine')}")
    for name, repo in config["repos"].items():
        if "url" in (repo or {}) and not re.fullmatch("[0-9a-f]{40}", repo.get("commit", "")):
            wrong.append(f"{name} is of no fixed revision")
    layer = yaml.safe_load((path.parent / "common.yml").read_text())["repos"]["sos"]["layers"]
    if "yocto-layer" not in layer or not (path.parents[2] / "yocto-layer/conf/layer.conf").exists():
        wrong.append("the kiosk's layer is not in it")
    raspberry = "meta-raspberrypi" in config["repos"]
    if raspberry != machine.startswith("raspberrypi"):
        wrong.append("a Raspberry Pi needs its layer, and no other board does")
    for each in wrong:
        print(f"{path.name}: {each}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
