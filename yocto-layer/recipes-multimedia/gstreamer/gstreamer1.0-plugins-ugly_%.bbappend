# The picture, where the board's hardware has no encoder.
PACKAGECONFIG:append:sos-distro = " x264"
