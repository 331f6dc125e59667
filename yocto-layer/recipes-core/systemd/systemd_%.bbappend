# The data partition grows into the card (systemd-repart, which needs OpenSSL).
PACKAGECONFIG:append:sos-distro:class-target = " repart openssl"
# A kiosk has no use for these.
PACKAGECONFIG:remove:sos-distro:class-target = "backlight binfmt hibernate machined nss-mymachines quotacheck vconsole"
