require sos-kiosk.inc

inherit sos_tree

PV = "0.1.0+git"
SRC_URI = "${SOS_REPOSITORY}"
SRCREV = "${SOS_REVISION}"
