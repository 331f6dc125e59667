FILESEXTRAPATHS:prepend:sos-distro := "${SOS_LAYER}/recipes-kernel/linux/files:"

SRC_URI:append:sos-distro = " file://sos-kiosk.cfg"

# The slot holds its kernel (the board's layer leaves it to the boot partition).
RDEPENDS:${KERNEL_PACKAGE_NAME}-base:sos-distro = "${KERNEL_PACKAGE_NAME}-image (= ${EXTENDPKGV})"
