# The call's voice.
PACKAGECONFIG:append:sos-kiosk = " opus"
