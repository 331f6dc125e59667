"""Every GStreamer element that the daemon's sources name is of a plug-in that the layer requires, and the layer requires no
plug-in that this machine's GStreamer has not (packages are made of plug-ins by name).

    plugins.py TREE VALUES
"""

import json
import re
import subprocess
import sys
from pathlib import Path

# Not in an image: core elements come with GStreamer itself, and x264 is the encoder that the image has.
APART = {"coreelements", "openh264"}
# What others need from within: rtspsrc its sockets, decodebin to know what it decodes.
WITHIN = {"udp", "typefindfunctions"}


def known():
    """Element -> plug-in, and every plug-in, as GStreamer here says."""
    said = subprocess.run(["gst-inspect-1.0"], check=True, capture_output=True, text=True).stdout
    elements = {found[2]: found[1] for line in said.splitlines() if (found := re.match(r"(\w+):  (\w+): ", line))}
    return elements, set(re.findall(r"^(\w+):\s", said, re.M))


def used(tree, elements):
    """Plug-in -> where an element of it is named: in a description of a pipeline, or alone in quotes."""
    found = {}
    for path in (tree / "src/adapter").rglob("*.rs"):
        code = "\n".join(line.split("//")[0] for line in path.read_text().splitlines())
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', code, re.S):
            words = re.split(r"[\s!{}\\]+", text) if "!" in text or re.fullmatch(r"\w+", text) else []
            for word in words:
                if word in elements:
                    found.setdefault(elements[word], f"{word} in {path.name}")
    return found


def main():
    """Both ways."""
    tree, values = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())["qemuarm64"]
    elements, plugins = known()
    required = set(re.findall(r"gstreamer1\.0-plugins-\w+-(\w+)", values["requires"]))
    needed = used(tree, elements)
    wrong = [f"nothing requires the plug-in {name} ({where})" for name, where in sorted(needed.items()) if name not in required | APART]
    wrong += [f"{name} is required, and no source names an element of it" for name in sorted(required - set(needed) - WITHIN)]
    wrong += [f"{name} is required, and is no plug-in" for name in sorted(required - plugins)]
    print(f"  {len(required)} plug-ins")
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong or not needed else 0


if __name__ == "__main__":
    sys.exit(main())
