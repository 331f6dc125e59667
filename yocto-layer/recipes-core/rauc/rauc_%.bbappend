# Nothing is fetched from the network by the board itself: a technician brings the bundle.
PACKAGECONFIG:sos-distro = "service json nocreate gpt"
RDEPENDS:${PN}:append:sos-distro:class-target = " libubootenv-bin"
