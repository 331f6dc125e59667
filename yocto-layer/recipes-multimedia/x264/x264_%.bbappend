# Its command line's reader of films, which the kiosk has no use for and whose licence would have to be accepted too.
PACKAGECONFIG:remove:sos-distro = "ffmpeg"
