"""The disk that the layer's wic file lays out: read, made, and compared with everything that finds its way by it.

    disk.py TREE VALUES    checks layout, RAUC's configuration, mounts, U-Boot's environment; makes it and reads it back
"""

import configparser
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MIB = 1 << 20
DATA_TYPE = re.compile(r"^Type=(\S+)$", re.M)


def size(text):
    """Bytes of `768M`, `4096K`."""
    number, unit = re.fullmatch(r"(\d+)([KM])", text).groups()
    return int(number) * (1024 if unit == "K" else MIB)


def layout(tree, values):
    """The partitions of the wic file, in order: name, offset, size, type, file system (bytes; offsets as wic sets them)."""
    text = (tree / "yocto-layer/files/wic/sos-kiosk.wks.in").read_text()
    text = text.replace("${SOS_SLOT_MB}", values["slot_mb"]).replace("${SOS_DISK}", values["disk"])
    assert "${" not in text, "a variable of the wic file is not known here"
    parts, end = [], MIB
    for line in text.splitlines():
        if not line.startswith("part "):
            continue
        words = dict(re.findall(r"--([a-z-]+)[= ](\S+)", line))
        align = int(words.get("align", 0)) * 1024 or MIB
        start = size(words["offset"]) if "offset" in words else -(-end // align) * align
        part = {
            "name": words["part-name"], "offset": start, "size": size(words["fixed-size"]),
            "type": words.get("part-type"), "fs": words.get("fstype"), "label": words.get("label"),
        }
        assert start >= end, f"{part['name']} begins at {start}, within the partition before it ({end})"
        parts.append(part)
        end = start + part["size"]
    assert "--ptable gpt" in text, "labels need a GPT"
    return parts


def make(path, parts, files, home):
    """Makes the disk at `path`; `files` are the contents of partitions, by name: path -> bytes."""
    last = parts[-1]
    with path.open("wb") as disk:
        disk.truncate(last["offset"] + last["size"] + MIB)
    table = ["label: gpt"]
    for part in parts:
        kind = part["type"] or ("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" if part["fs"] == "vfat" else "L")
        table.append(f"start={part['offset'] // 512}, size={part['size'] // 512}, type={kind}, name={part['name']}")
    subprocess.run(["sfdisk", "--quiet", path], input="\n".join(table).encode(), check=True)
    for part in parts:
        if part["name"] in files:
            _fill(path, part, files[part["name"]], home)


def _fill(path, part, contents, home):
    image = home / (part["name"] + ".image")
    with image.open("wb") as file:
        file.truncate(part["size"])
    root = home / part["name"]
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    if part["fs"] == "vfat":
        subprocess.run(["mkfs.vfat", "-n", "BOOT", image], check=True, stdout=subprocess.DEVNULL)
        for each in root.iterdir():
            subprocess.run(["mcopy", "-i", image, each, "::/"], check=True)
    else:
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, image], check=True)
    subprocess.run(
        ["dd", f"if={image}", f"of={path}", "bs=1M", f"seek={part['offset'] // MIB}", "conv=notrunc,sparse", "status=none"],
        check=True,
    )
    image.unlink()


def check(tree, values):
    """What does not fit together, as sentences."""
    wrong = []
    for machine, of in values.items():
        parts = {part["name"]: part for part in layout(tree, of)}
        wrong += [f"{machine}: {each}" for each in _rauc(tree, parts) + _mounts(tree, parts) + _environment(tree, parts)]
        if list(parts)[0] != "boot" or list(parts)[-1] != "data":
            wrong.append(f"{machine}: boot must be the first partition and data the last, which grows")
    return wrong


def _rauc(tree, parts):
    config = configparser.ConfigParser()
    config.read(tree / "yocto-layer/recipes-core/rauc/files/system.conf")
    wrong, names = [], {}
    for section in config.sections():
        if section.startswith("slot.rootfs."):
            slot = config[section]
            label = slot["device"].removeprefix("/dev/disk/by-partlabel/")
            if label not in parts:
                wrong.append(f"{section}: no partition {label}")
            elif parts[label]["fs"] != slot["type"]:
                wrong.append(f"{section}: {slot['type']}, the partition is {parts[label]['fs']}")
            names[slot["bootname"]] = label
    script = (tree / "yocto-layer/recipes-bsp/u-boot/files/boot.cmd.in").read_text()
    chosen = dict(re.findall(r"setenv slot (\w)\s+setenv label (\S+)", script))
    if names != chosen:
        wrong.append(f"RAUC's slots are {names}, the boot script's {chosen}")
    if len({parts[label]["size"] for label in names.values() if label in parts}) != 1:
        wrong.append("the slots are not of one size")
    if config["system"]["bootloader"] != "uboot":
        wrong.append("RAUC writes for another boot loader")
    return wrong


def _mounts(tree, parts):
    wrong = []
    for unit in (tree / "systemd/image").glob("*.mount"):
        found = re.search(r"^What=/dev/disk/by-partlabel/(\S+)$", unit.read_text(), re.M)
        if found and found[1] not in parts:
            wrong.append(f"{unit.name}: no partition {found[1]}")
    grown = DATA_TYPE.search((tree / "systemd/image/repart.d/50-data.conf").read_text())[1]
    if grown.lower() != (parts["data"]["type"] or "").lower():
        wrong.append(f"what grows has type {grown}, the data partition {parts['data']['type']}")
    if sum(part["type"] == parts["data"]["type"] for part in parts.values()) != 1:
        wrong.append("another partition has the data partition's type and would grow instead")
    return wrong


def _environment(tree, parts):
    files = tree / "yocto-layer/recipes-bsp/u-boot/files"
    def of(name):
        return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", (files / name).read_text(), re.M))
    def copies(board):
        lines = [line.split() for line in (files / board / "fw_env.config").read_text().splitlines() if line[:1] == "/"]
        return [(device, int(offset, 16), int(length, 16)) for device, offset, length in lines]
    common, rpi, qemu = of("sos.cfg"), of("rpi.cfg"), of("qemuall.cfg")
    length, start = int(common["CONFIG_ENV_SIZE"], 16), parts["uboot-env"]["offset"]
    expected = [
        ("/dev/disk/by-partlabel/uboot-env", int(rpi[key], 16) - start, length)
        for key in ("CONFIG_ENV_OFFSET", "CONFIG_ENV_OFFSET_REDUND")
    ]
    wrong = []
    if copies("rpi") != expected:
        wrong.append(f"Raspberry Pi: U-Boot's environment is at {expected}, fw_env.config says {copies('rpi')}")
    if any(offset < 0 or offset + length > parts["uboot-env"]["size"] for _, offset, _ in expected):
        wrong.append("Raspberry Pi: U-Boot's environment does not fit its partition")
    expected = [("/boot/" + qemu[f"CONFIG_ENV_FAT_FILE{which}"].strip('"'), 0, length) for which in ("", "_REDUND")]
    if copies("qemuall") != expected:
        wrong.append(f"virtual boards: U-Boot's environment is {expected}, fw_env.config says {copies('qemuall')}")
    return wrong


def made(tree, values):
    """What a disk that is made so says of itself."""
    wrong = []
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "disk"
        parts = layout(tree, values)
        make(path, parts, {}, Path(home))
        table = json.loads(subprocess.run(["sfdisk", "--json", path], check=True, capture_output=True).stdout)["partitiontable"]
        found = [(each["name"], each["start"] * 512, each["size"] * 512) for each in table["partitions"]]
        if table["label"] != "gpt" or found != [(part["name"], part["offset"], part["size"]) for part in parts]:
            wrong.append(f"the disk is not as laid out: {found}")
    return wrong


def main():
    """As the arguments say."""
    tree, values = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())
    wrong = check(tree, values) + made(tree, values["qemuarm64"])
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
