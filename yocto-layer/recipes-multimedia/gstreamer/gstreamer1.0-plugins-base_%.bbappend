# The call's voice.
PACKAGECONFIG:append:sos-distro = " opus"
