SUMMARY = "The kiosk's image"
DESCRIPTION = "A read-only root in two slots, a data partition, the daemon, SSH by key, and updates by signed bundles."
SECTION = "images"
LICENSE = "MIT"

inherit core-image features_check

REQUIRED_DISTRO_FEATURES = "rauc systemd usrmerge"

IMAGE_FEATURES = "read-only-rootfs ssh-server-openssh"
IMAGE_LINGUAS = ""

IMAGE_INSTALL = "\
    packagegroup-core-boot \
    alsa-utils-amixer \
    alsa-utils-aplay \
    kernel-image \
    kernel-modules \
    sos-kiosk \
    sos-kiosk-config \
    tzdata-core \
    u-boot-env \
"
# Our own unit marks a slot good, after the kiosk's self-test.
BAD_RECOMMENDATIONS += "rauc-mark-good"

# A slot is written whole: the root must fit it, with what its file system needs for itself.
IMAGE_ROOTFS_SIZE = "${@int(d.getVar('SOS_SLOT_MB')) * 1024}"
IMAGE_OVERHEAD_FACTOR = "1.0"
IMAGE_ROOTFS_EXTRA_SPACE = "0"
IMAGE_ROOTFS_MAXSIZE = "${@int(d.getVar('SOS_SLOT_MB')) * 1024}"

do_image_wic[depends] += "virtual/bootloader:do_deploy"

# The owner's public keys, into the image itself: they survive a lost data partition.
ROOTFS_POSTPROCESS_COMMAND += "sos_authorized_keys sos_no_password"
sos_authorized_keys() {
    if [ -n "${SOS_AUTHORIZED_KEYS}" ]; then
        install -D -m 0644 ${SOS_AUTHORIZED_KEYS} ${IMAGE_ROOTFS}${sysconfdir}/ssh/authorized_keys.d/root
    fi
}
# Whatever the build's other layers did: nobody logs in with a password.
sos_no_password() {
    if grep -Ev '^[^:]+:[*!]' ${IMAGE_ROOTFS}${sysconfdir}/shadow; then
        bbfatal "the image has an account with a password, or with an empty one"
    fi
}

TEST_SUITES = "ping ssh systemd sos_kiosk"
