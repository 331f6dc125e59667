# The picture, where the board's hardware has no encoder.
PACKAGECONFIG:append:sos-kiosk = " x264"
