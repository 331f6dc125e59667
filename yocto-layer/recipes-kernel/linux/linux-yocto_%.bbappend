FILESEXTRAPATHS:prepend:sos-kiosk := "${THISDIR}/files:"

SRC_URI:append:sos-kiosk = " file://sos-kiosk.cfg"
SRC_URI:append:sos-kiosk:qemuall = " file://sos-virtual.cfg"
