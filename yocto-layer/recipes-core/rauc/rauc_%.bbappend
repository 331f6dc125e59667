# Nothing is fetched from the network by the board itself: a technician brings the bundle.
PACKAGECONFIG:sos-kiosk = "service json nocreate gpt"
RDEPENDS:${PN}:append:sos-kiosk:class-target = " libubootenv-bin"
