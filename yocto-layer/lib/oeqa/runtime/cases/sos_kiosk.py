#
# SPDX-License-Identifier: MIT
#
"""The kiosk's image on a board: what a person in danger, its technician and its owner rely on.

Run by `bitbake -c testimage sos-kiosk-image`. An update and its roll-back need a bundle: SOS_TEST_BUNDLE in the
configuration of the test names one, signed by the image's own authority; without it those cases are skipped.
"""

import os
import time

from oeqa.core.decorator.data import skipIfNotDataVar
from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase

# Longest time from a restart to SSH, seconds: a slow virtual machine without acceleration.
BOOTS_WITHIN = 300


class KioskTest(OERuntimeTestCase):
    """What the cases share."""

    def on_board(self, command, expected=0):
        """The output of a command on the board, which ends as expected."""
        status, output = self.target.run(command)
        self.assertEqual(status, expected, msg=f"{command}: {output}")
        return output.strip()

    def slot(self):
        """The slot that runs."""
        return self.on_board("sed 's/.*rauc.slot=\\([AB]\\).*/\\1/' /proc/cmdline")

    def restart(self):
        """Restarts the board and waits until it answers as another boot."""
        before = self.on_board("cat /proc/sys/kernel/random/boot_id")
        self.target.run("systemctl reboot")
        until = time.monotonic() + BOOTS_WITHIN
        while time.monotonic() < until:
            status, now = self.target.run("cat /proc/sys/kernel/random/boot_id", timeout=10)
            if status == 0 and now.strip() and now.strip() != before:
                return
            time.sleep(2)
        self.fail(f"the board did not come back within {BOOTS_WITHIN} s")


class SosSystemTest(KioskTest):
    """The system."""

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_nothing_failed(self):
        """No unit failed."""
        self.assertEqual(self.on_board("systemctl --failed --no-legend --plain"), "")

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_root_is_read_only(self):
        """The slot cannot be written by what runs from it."""
        self.assertIn("ro", self.on_board("findmnt --noheadings --output OPTIONS /").split(","))
        self.on_board("touch /usr/written", expected=1)

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_data_is_a_partition_of_its_own(self):
        """What survives is on the data partition, which has grown into the disk."""
        for path in ("/data", "/var/lib", "/var/cache", "/etc/sos-kiosk"):
            source = self.on_board(f"findmnt --noheadings --nofsroot --output SOURCE --target {path}")
            label = self.on_board(f"lsblk --noheadings --output PARTLABEL {source}")
            self.assertEqual(label, "data", msg=path)
        rest = "sfdisk --list-free --quiet $(lsblk --noheadings --paths --output PKNAME {source}) | awk '{print $3}' | tail -n 1"
        self.assertLess(int(self.on_board(rest.format(source=source)) or 0), 8192, msg="sectors left behind the data partition")

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_watchdog_is_fed_by_the_first_process(self):
        """The board resets itself when its first process freezes."""
        self.assertEqual(self.on_board("systemctl show --property RuntimeWatchdogUSec --value"), "10s")
        self.on_board("ls /dev/watchdog0")

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_only_ssh_is_open(self):
        """Nothing listens to the network but SSH, and the packet filter drops the rest."""
        listening = self.on_board("ss --no-header --listening --tcp --udp --numeric | awk '{print $5}'").split()
        outside = {address.rsplit(":", 1)[1] for address in listening if not address.startswith(("127.", "[::1]"))}
        # 68 and 546: answers to the kiosk's own question for an address.
        self.assertLessEqual(outside, {"22", "68", "546"})
        self.assertIn("policy drop", self.on_board("nft list chain inet kiosk input"))

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_nobody_has_a_password(self):
        """Every account is locked, and SSH takes keys alone."""
        self.on_board("grep -Ev '^[^:]+:[*!]' /etc/shadow", expected=1)
        self.assertIn("passwordauthentication no", self.on_board("sshd -T").lower())


class SosKioskTest(KioskTest):
    """The kiosk."""

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @skipIfNotDataVar("MACHINEOVERRIDES", "qemuall", "buttons and lamps are simulated on virtual boards alone")
    def test_button_is_armed_on_simulated_lines(self):
        """On a kernel's simulated button the daemon is ready, and a press is an alarm."""
        sim = "/sys/kernel/config/gpio-sim/kiosk"
        self.on_board(f"mkdir -p {sim}/bank && echo 8 > {sim}/bank/num_lines && echo 1 > {sim}/live")
        chip = self.on_board(f"cat {sim}/bank/chip_name")
        device = self.on_board(f"cat {sim}/dev_name")
        self.on_board(
            f"sos-ctl config set --keep id oeqa centre.broker localhost:8883 panel.driver gpiocdev panel.chip {chip} "
            "media.camera.source test media.sound.card test"
        )
        self.on_board("systemctl restart sos-kiosk && systemctl is-active sos-kiosk")
        pull = f"/sys/devices/platform/{device}/{chip}/sim_gpio0/pull"
        self.on_board(f"echo pull-up > {pull}; sleep 1; echo pull-down > {pull}")
        self.assertIn("sending the alarm", self.on_board("sos-ctl status", expected=6))

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_the_programs_are_of_this_image(self):
        """Daemon and command line start, and say which they are."""
        self.assertEqual(self.on_board("sos-kiosk --version").split()[0], "sos-kiosk")
        self.assertEqual(self.on_board("sos-ctl --version").split()[0], "sos-ctl")

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_every_element_is_there(self):
        """What the daemon makes its pipelines of is in the image."""
        for plugin in ("app", "audioconvert", "opus", "rtpmanager", "video4linux2", "videoconvertscale", "videoparsersbad"):
            self.on_board(f"ls /usr/lib*/gstreamer-1.0/libgst{plugin}.so")


class SosUpdateTest(KioskTest):
    """Updates."""

    def bundle(self):
        """The bundle, on the board."""
        path = self.td.get("SOS_TEST_BUNDLE")
        if not path:
            self.skipTest("SOS_TEST_BUNDLE is not set")
        self.target.copyTo(path, "/data/update.raucb")
        return "/data/" + os.path.basename("update.raucb")

    @OETestDepends(["sos_kiosk.SosSystemTest.test_data_is_a_partition_of_its_own"])
    def test_update_starts_the_other_slot_and_data_survives(self):
        """An update goes into the other slot, which starts and counts as good; what was kept is still there."""
        before = self.slot()
        bundle = self.bundle()
        self.on_board("echo kept > /var/lib/oeqa-kept; sync")
        self.on_board(f"sos-ctl update {bundle}")
        self.restart()
        self.assertNotEqual(self.slot(), before)
        self.assertEqual(self.on_board("cat /var/lib/oeqa-kept"), "kept")
        self.on_board("systemctl start sos-mark-good; systemctl is-active sos-mark-good")

    @OETestDepends(["sos_kiosk.SosUpdateTest.test_update_starts_the_other_slot_and_data_survives"])
    def test_update_that_cannot_start_is_taken_back(self):
        """An update whose kernel is broken spends its three starts, and the slot before it is back."""
        before = self.slot()
        self.on_board(f"sos-ctl update {self.bundle()}")
        other = "/dev/disk/by-partlabel/" + ("root-b" if before == "A" else "root-a")
        self.on_board(f"mount {other} /mnt && : > /mnt/boot/$(basename $(readlink -f /mnt/boot/*mage | head -n 1)) && umount /mnt")
        self.restart()
        self.assertEqual(self.slot(), before)
