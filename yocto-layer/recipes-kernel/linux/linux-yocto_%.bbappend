FILESEXTRAPATHS:prepend:sos-distro := "${THISDIR}/files:"

SRC_URI:append:sos-distro = " file://sos-kiosk.cfg"
SRC_URI:append:sos-distro:qemuall = " file://sos-virtual.cfg"
