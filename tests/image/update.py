"""Bundles and updates by RAUC itself, on a disk as the layer's wic file lays it out. Needs root, in a mount namespace.

    update.py TREE VALUES U-BOOT SOS-CTL [CUTS]

A bundle is made with throw-away keys and read back; one of a stranger's keys, a torn one and one for another board are
refused. `sos-ctl update` installs one. Then an update is cut CUTS times at a random instant (every process of it is
killed), and U-Boot's own choice in QEMU must be a slot that is whole.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boot
import disk

VERSION = "0.1.0-test"
# A slot of the test, MiB: small enough to be written twenty times, large enough to be cut within.
SLOT_MB = "48"


def run(*command, **more):
    """A command's output; what it said, where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def loop_device(path, offset, size):
    """A part of a file as a block device. Its node is made where it is missing, as in a container."""
    free = run("losetup", "--find").strip()
    if not os.path.exists(free):
        os.mknod(free, 0o600 | stat.S_IFBLK, os.makedev(7, int(free.removeprefix("/dev/loop"))))
    run("losetup", "--offset", offset, "--sizelimit", size, free, path)
    return free


class World:
    """A board whose disk is a file here, with the real RAUC as its service."""

    def __init__(self, home, tree, values, uboot):
        self.home, self.tree, self.uboot = home, tree, uboot
        self.values = {**values, "slot_mb": SLOT_MB}
        self.service = []
        self.system = (tree / "yocto-layer/recipes-core/rauc/files/system.conf").read_text()
        self.system = self.system.replace("@@COMPATIBLE@@", values["compatible"]).replace("@@KEYRING@@", "ca.pem")
        for owner in ("owner", "stranger"):
            run(tree / "yocto-layer/scripts/update-keys", home / owner)
        self.board = boot.Board(home, tree, self.values, uboot)
        self.pristine = home / "pristine"
        shutil.copy(self.board.disk, self.pristine)
        self.root()

    def root(self):
        """What the board's programs find at their usual places."""
        top = self.home / "root"
        for name in ("upper", "work", "slots", "boot", "rauc"):
            (top / name).mkdir(parents=True)
        run("mount", "-t", "tmpfs", "none", top / "rauc")
        for name in ("upper", "work"):
            (top / "rauc" / name).mkdir()
        run("mount", "-t", "overlay", "none", "-o", f"lowerdir=/etc,upperdir={top}/rauc/upper,workdir={top}/rauc/work", "/etc")
        Path("/etc/rauc").mkdir(exist_ok=True)
        shutil.copy(self.home / "owner/ca.pem", "/etc/rauc/ca.pem")
        (top / "cmdline").write_text("root=PARTLABEL=root-a ro rauc.slot=A\n")
        run("mount", "--bind", top / "cmdline", "/proc/cmdline")
        Path("/etc/fw_env.config").write_text(f"{top}/boot/uboot.env 0x0 {boot.ENVIRONMENT:#x}\n")
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={top}/bus"}

    def configure(self, formats):
        """RAUC's configuration: the layer's, with this disk's devices, and without what needs a device mapper."""
        text = self.system
        for label in ("root-a", "root-b"):
            text = text.replace(f"/dev/disk/by-partlabel/{label}", str(self.home / "root/slots" / label))
        text = text.replace("data-directory=/var/lib/rauc", f"data-directory={self.home}/root")
        text = text.replace("bundle-formats=-plain", formats).replace("max-bundle-download-size", "# max")
        Path("/etc/rauc/system.conf").write_text(text)

    def attach(self):
        """The disk's partitions as devices, an environment in which both slots are good."""
        self.loops = []
        for part in disk.layout(self.tree, self.values):
            if part["name"].startswith("root-"):
                loop = loop_device(self.board.disk, part["offset"], part["size"])
                self.loops.append(loop)
                link = self.home / "root/slots" / part["name"]
                link.unlink(missing_ok=True)
                link.symlink_to(loop)
        variables = self.home / "variables"
        variables.write_text("BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n")
        run("mkenvimage", "-s", hex(boot.ENVIRONMENT), "-o", self.home / "root/boot/uboot.env", variables)

    def detach(self):
        """As after the power went: nothing runs, the disk is what is on it."""
        for process in self.service:
            process.kill()
            process.wait()
        self.service = []
        # Not every kernel that runs this test knows FAT: the file goes into the boot partition now.
        offset = disk.layout(self.tree, self.values)[0]["offset"]
        run("mcopy", "-o", "-i", f"{self.board.disk}@@{offset}", self.home / "root/boot/uboot.env", "::/")
        run("losetup", "--detach", *self.loops)
        self.loops = []

    def serve(self):
        """RAUC's service on a bus of its own."""
        bus = self.home / "bus.conf"
        bus.write_text(
            "<busconfig><type>session</type>"
            f"<listen>unix:path={self.home}/root/bus</listen><policy context='default'><allow own='*'/>"
            "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow receive_sender='*'/><allow user='*'/></policy></busconfig>"
        )
        socket = self.home / "root/bus"
        socket.unlink(missing_ok=True)
        log = (self.home / "service.log").open("w")
        self.service.append(subprocess.Popen(["dbus-daemon", f"--config-file={bus}", "--nofork"], stderr=log))
        until = time.monotonic() + 10
        while not socket.exists() and time.monotonic() < until:
            time.sleep(0.01)
        self.service.append(
            subprocess.Popen(["rauc", "service"], env=self.environment, stdout=log, stderr=log, start_new_session=True)
        )
        while time.monotonic() < until:
            asked = subprocess.run(["rauc", "status"], env=self.environment, capture_output=True, check=False)
            if asked.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("RAUC's service does not answer:\n" + (self.home / "service.log").read_text())

    def bundle(self, name, image, owner="owner", form="verity", compatible=None):
        """A bundle of an image, as the layer's recipe makes it."""
        source = self.home / f"{name}.source"
        source.mkdir()
        shutil.copy(image, source / "sos-kiosk-image.ext4")
        kind = "" if form == "plain" else f"[bundle]\nformat={form}\n\n"
        (source / "manifest.raucm").write_text(
            f"[update]\ncompatible={compatible or self.values['compatible']}\nversion={VERSION}\n\n{kind}"
            "[image.rootfs]\nfilename=sos-kiosk-image.ext4\n"
        )
        path = self.home / f"{name}.raucb"
        keys = self.home / owner
        run("rauc", "bundle", f"--cert={keys}/update.pem", f"--key={keys}/update.key", source, path)
        shutil.rmtree(source)
        return path

    def image(self, name, seed):
        """A root file system with a kernel and something to fill it."""
        root = self.home / f"{name}.root"
        (root / "boot").mkdir(parents=True)
        (root / "boot" / self.values["kernel"]).write_bytes(boot.kernel())
        (root / "filling").write_bytes(random.Random(seed).randbytes(36 << 20))
        path = self.home / f"{name}.ext4"
        with path.open("wb") as file:
            file.truncate(int(SLOT_MB) << 20)
        run("mke2fs", "-q", "-t", "ext4", "-d", root, path)
        shutil.rmtree(root)
        return path

    def holds(self, slot):
        """The hash of what a slot of the disk holds."""
        part = {each["name"]: each for each in disk.layout(self.tree, self.values)}[slot]
        with self.board.disk.open("rb") as file:
            file.seek(part["offset"])
            return hashlib.sha256(file.read(part["size"])).hexdigest()


def bundles(world, image, ctl):
    """What is read back, and what is refused, by RAUC and by sos-ctl alike."""
    wrong = []
    world.configure("bundle-formats=-plain")
    good = world.bundle("good", image)
    told = json.loads(run("rauc", "info", "--output-format=json", good))
    if (told["compatible"], told["version"]) != (world.values["compatible"], VERSION):
        wrong.append(f"a bundle says of itself {told}")
    torn = world.home / "torn.raucb"
    data = bytearray(good.read_bytes())
    data[-200] ^= 1
    torn.write_bytes(data)
    refused = {
        "a stranger's": world.bundle("foreign", image, owner="stranger"),
        "a torn one": torn,
        "one of the old format": world.bundle("plain", image, form="plain"),
        "one for another board": world.bundle("other", image, compatible="sos-kiosk-other"),
    }
    world.attach()
    world.serve()
    for what, path in refused.items():
        done = subprocess.run([ctl, "update", path], env=world.environment, capture_output=True, text=True, check=False)
        if done.returncode != 16:
            wrong.append(f"{what} is not refused: exit {done.returncode}\n{done.stdout}{done.stderr}")
    world.detach()
    return wrong


def updates(world, old, new, ctl, cuts, dice):
    """An update that is let through, and ones that are cut."""
    wrong = []
    # This machine's kernel has no device mapper, without which a verity bundle cannot be mounted.
    world.configure("bundle-formats=+plain")
    bundle = world.bundle("update", new, form="plain")
    expected = {hashlib.sha256(path.read_bytes()).hexdigest(): name for path, name in ((old, "old"), (new, "new"))}
    seen = []
    took = None
    for cut in range(cuts + 1):
        shutil.copy(world.pristine, world.board.disk)
        world.attach()
        for slot in ("root-a", "root-b"):
            run("dd", f"if={old}", f"of={world.home}/root/slots/{slot}", "bs=4M", "conv=fsync", "status=none")
        world.serve()
        began = time.monotonic()
        command = [ctl, "update", bundle]
        client = subprocess.Popen(command, env=world.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        if cut == 0:
            said = client.communicate()[0].decode()
            took = time.monotonic() - began
            if client.returncode != 0:
                return [f"sos-ctl update: exit {client.returncode}\n{said}\n{(world.home / 'service.log').read_text()}"]
        else:
            # Now and then after its end.
            time.sleep(dice.uniform(0, 1.2 * took))
            for process in [*world.service[::-1], client]:
                try:
                    os.killpg(process.pid, signal.SIGKILL) if process is not world.service[0] else process.kill()
                except ProcessLookupError:
                    pass
            client.communicate()
        world.detach()
        slot = world.board.choice()
        slots = {name: expected.get(world.holds(f"root-{name.lower()}"), "TORN") for name in ("A", "B")}
        print(f"  {f'cut {cut}' if cut else 'not cut'}: slot B {slots['B'].lower()}, the next start takes {slot}, {slots[slot]}")
        if slots[slot] == "TORN" or (cut == 0 and (slot, slots[slot]) != ("B", "new")):
            wrong.append(f"cut {cut}: the next start takes slot {slot}, which is {slots[slot]}")
        if cut:
            seen.append(("torn" if slots["B"] == "TORN" else "whole", slots[slot]))
    print(f"  {cuts} cuts of {took:.1f} s: {seen.count(('torn', 'old'))} in the middle of writing, {len(wrong)} starts of a slot that is not whole")
    if cuts >= 20 and ("torn", "old") not in seen:
        wrong.append("no cut came in the middle of writing: nothing was shown")
    return wrong


def main():
    """As the arguments say."""
    tree, values = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())["qemuarm64"]
    uboot, ctl, cuts = sys.argv[3], Path(sys.argv[4]).resolve(), int(sys.argv[5]) if sys.argv[5:] else 0
    seed = int(os.environ.get("SOS_SEED", time.time_ns() % 1_000_000))
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home), tree, values, uboot)
        old, new = world.image("old", 1), world.image("new", 2)
        try:
            wrong = bundles(world, new, ctl)
            print(f"  seed {seed}")
            wrong += updates(world, old, new, ctl, cuts, random.Random(seed))
        finally:
            for process in world.service:
                process.kill()
            subprocess.run(["umount", "--lazy", "/proc/cmdline", "/etc", Path(home) / "root/rauc"], check=False)
            if getattr(world, "loops", None):
                subprocess.run(["losetup", "--detach", *world.loops], check=False, stderr=subprocess.DEVNULL)
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
