"""oelint-adv over the layer: every finding is explained in the layer's own file, and every explanation explains one.

    lint.py TREE
"""

import re
import subprocess
import sys
from pathlib import Path

KINDS = ("*.bb", "*.bbappend", "*.inc", "*.bbclass", "*.conf")


def main():
    """Compares findings with explanations."""
    layer = Path(sys.argv[1]).resolve() / "yocto-layer"
    files = sorted(str(path.relative_to(layer)) for kind in KINDS for path in layer.rglob(kind))
    explained = {}
    for line in (layer / "oelint/explained").read_text().splitlines():
        if line and not line.startswith("#"):
            explained[tuple(line.split())] = 0
    command = ["oelint-adv", "--release", "wrynose", "--mode", "all", "--quiet", "--relpaths", "--extra-layer",
               "meta-openembedded", "--constantmods", "+oelint/names.json", "--", *files]
    done = subprocess.run(command, cwd=layer, capture_output=True, text=True, check=False)
    wrong, findings = [], 0
    for line in (done.stdout + done.stderr).splitlines():
        found = re.match(r"(?P<file>[^:]+):(?P<line>\d+):(?P<level>\w+):(?P<rule>[\w.]+):", line)
        if not found:
            wrong.append(f"oelint-adv says: {line}")
            continue
        findings += 1
        key = (found["file"].removeprefix(str(layer) + "/"), found["rule"])
        if key in explained:
            explained[key] += 1
        else:
            wrong.append(line)
    wrong += [f"oelint/explained: nothing finds {' '.join(key)}" for key, count in explained.items() if count == 0]
    print(f"  {len(files)} files, {findings} findings, {findings - sum(explained.values())} of them not explained")
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main())
