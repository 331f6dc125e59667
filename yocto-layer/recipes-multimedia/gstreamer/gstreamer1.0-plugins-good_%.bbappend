# Camera, its pictures, network cameras' streams, and nothing that draws or speaks HTTP.
PACKAGECONFIG:sos-distro = "${GSTREAMER_ORC} gudev jpeg v4l2"
