# Camera, its pictures, network cameras' streams, and nothing that draws or speaks HTTP.
PACKAGECONFIG:sos-kiosk = "${GSTREAMER_ORC} gudev jpeg v4l2"
