SUMMARY = "An update of the kiosk's image"
DESCRIPTION = "The signed bundle that sos-ctl update installs into the slot that does not run."
SECTION = "images"
LICENSE = "MIT"

inherit bundle

RAUC_BUNDLE_COMPATIBLE = "${SOS_COMPATIBLE}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}-${SOS_BUNDLE_BUILD}"
RAUC_BUNDLE_DESCRIPTION = "SOS emergency-call kiosk"
# Which build this is; a pipeline puts its own number here.
SOS_BUNDLE_BUILD ?= "${DATETIME}"
SOS_BUNDLE_BUILD[vardepsexclude] = "DATETIME"

# Checked block by block as it is read, so that nothing unsigned reaches a slot.
RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "sos-kiosk-image"
RAUC_SLOT_rootfs[fstype] = "ext4"
RAUC_SLOT_rootfs[adaptive] = "block-hash-index"

# Keys are the owner's: RAUC_KEY_FILE and RAUC_CERT_FILE (README.md). Without them there is no bundle.
python do_owner_has_keys() {
    for name in ('RAUC_KEY_FILE', 'RAUC_CERT_FILE', 'SOS_UPDATE_CA'):
        if not d.getVar(name):
            bb.fatal('%s is not set: the layer brings no keys, the README of the layer says how to make them' % name)
}
addtask owner_has_keys before do_fetch
do_owner_has_keys[doc] = "Refuses to make a bundle that nobody has signed"
