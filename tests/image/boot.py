"""The boot script in U-Boot itself (Debian's, for QEMU's arm64 board), on a disk as the layer's wic file lays it out.

    boot.py TREE VALUES U-BOOT    the starts of a kiosk that never proves itself, and of one whose slot is broken

The kernel in each slot is a stand-in of a few instructions that says a line and resets the board, which is what a kernel
that panics does. Everything else is real: the script, the counters in U-Boot's saved environment, the resets. The environment
is kept in a file of the boot partition, as the layer configures it for virtual boards; Debian's U-Boot would keep it in a
flash that QEMU 7.2 does not emulate well enough to be written ("Write to buffer emulation is flawed"), so that `saveenv`
is replaced by the commands that write the same bytes.
"""

import json
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import disk

# Longest time for one start, seconds: QEMU translates every instruction.
STARTS_WITHIN = 60
# The environment, with its checksum in front, as U-Boot and fw_setenv have it.
ENVIRONMENT = 0x10000
SAVE = f"env export -c -s {ENVIRONMENT:#x} ${{loadaddr}} && fatwrite ${{devtype}} ${{devnum}}:1 ${{loadaddr}} uboot.env {ENVIRONMENT:#x}"
LOAD = f"load ${{devtype}} ${{devnum}}:1 ${{loadaddr}} uboot.env && env import -c ${{loadaddr}} {ENVIRONMENT:#x}"


def kernel():
    """An arm64 kernel: header, then "sos: kernel" on the board's first serial port, then a reset by the firmware."""
    said = b"sos: kernel\r\n"
    code = [
        0xD2A12001,  # movz x1, #0x900, lsl #16: the port
        0x100000C2,  # adr x2, text
        0x38401443,  # next: ldrb w3, [x2], #1
        0x34000063,  # cbz w3, reset
        0xB9000023,  # str w3, [x1]
        0x17FFFFFD,  # b next
        0x52B08000,  # reset: movz w0, #0x8400, lsl #16
        0x72800120,  # movk w0, #9: SYSTEM_RESET
        0xD4000002,  # hvc #0
        0x14000000,  # b .
    ]
    # `adr` reaches the text behind the code; the first word jumps over the header.
    code[1] = 0x10000002 | (((len(code) - 1) * 4) // 4) << 5
    body = b"".join(struct.pack("<I", word) for word in code) + said + b"\0"
    body += b"\0" * (-len(body) % 8)
    header = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, 0, 64 + len(body), 0xA, 0, 0, 0, b"ARM\x64", 0)
    return header + body


def script(tree, values):
    """The boot script as the recipe makes it for the board."""
    text = (tree / "yocto-layer/recipes-bsp/u-boot/files/boot.cmd.in").read_text()
    filled = {"BOARD": "qemu", "KERNEL": values["kernel"], "KERNEL_ARGS": values["arguments"], "START": values["start"]}
    for name, value in filled.items():
        text = text.replace(f"@@{name}@@", value)
    left = re.findall(r"@@\w+@@", text)
    assert not left, f"the boot script keeps {left}"
    text, saves = re.subn(r"^( *)saveenv$", lambda found: found[1] + SAVE, text, flags=re.M)
    assert saves == 2, f"expected the script to save twice, found {saves}"
    return LOAD + "\n" + text


class Board:
    """A virtual board with a disk."""

    def __init__(self, home, tree, values, uboot, broken=()):
        self.uboot = uboot
        self.disk = home / "disk"
        command = home / "boot.cmd"
        command.write_text(script(tree, values))
        subprocess.run(
            ["mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-d", command, home / "boot.scr"],
            check=True, stdout=subprocess.DEVNULL,
        )
        boot = {"boot.scr": (home / "boot.scr").read_bytes()}
        slots = {}
        for slot in ("root-a", "root-b"):
            image = b"" if slot in broken else kernel()
            slots[slot] = {"boot/" + values["kernel"]: image}
        disk.make(self.disk, disk.layout(tree, values), {"boot": boot, **slots}, home)

    def command(self):
        """QEMU with this board."""
        return [
            "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "256", "-nographic", "-nic", "none",
            "-bios", self.uboot, "-drive", f"if=none,id=disk,format=raw,file={self.disk}", "-device", "virtio-blk-pci,drive=disk",
        ]

    def starts(self, wanted):
        """The lines that the script and the kernels say, until `wanted` slots were chosen."""
        said = []
        with subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
            try:
                until = time.monotonic() + STARTS_WITHIN * wanted
                for line in qemu.stdout:
                    line = line.decode(errors="replace").strip()
                    if line.startswith("sos: "):
                        said.append(line)
                    if time.monotonic() > until or sum(each.startswith("sos: slot") for each in said) >= wanted:
                        break
            finally:
                qemu.kill()
        return said

    def choice(self):
        """The slot that the next start takes."""
        chosen = [line for line in self.starts(1) if line.startswith("sos: slot")]
        return chosen[0].split()[2].rstrip(",") if chosen else None


def main():
    """The two sequences."""
    tree, values, uboot = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())["qemuarm64"], sys.argv[3]
    wrong = []
    with tempfile.TemporaryDirectory() as home:
        said = Board(Path(home), tree, values, uboot).starts(7)
        chosen = [line.split()[2].rstrip(",") for line in said if line.startswith("sos: slot")]
        if chosen != ["A", "A", "A", "B", "B", "B", "A"]:
            wrong.append(f"starts: expected A A A B B B, then anew with A, found {' '.join(chosen)}\n" + "\n".join(said))
        if said.count("sos: kernel") < 6:
            wrong.append("the kernel did not run each time:\n" + "\n".join(said))
        if said.count("sos: no slot has a start left; all get three") != 1:
            wrong.append("the counters were not given back:\n" + "\n".join(said))
    with tempfile.TemporaryDirectory() as home:
        said = Board(Path(home), tree, values, uboot, broken=["root-a"]).starts(8)
        chosen = [line.split()[2].rstrip(",") for line in said if line.startswith("sos: slot") and "starts left" in line]
        if chosen[:4] != ["A", "A", "A", "B"] or "sos: kernel" not in said:
            wrong.append("a slot without a kernel: the other one does not come:\n" + "\n".join(said))
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
