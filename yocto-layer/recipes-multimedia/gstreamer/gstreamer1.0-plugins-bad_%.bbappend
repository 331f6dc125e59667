# Only the parser of H.264, which needs none of these. The kiosk has its own echo canceller and its own WebRTC: the dsp
# and webrtc elements stay off.
PACKAGECONFIG:sos-distro = "${GSTREAMER_ORC}"
