# One key, of a kind whose making needs no luck with primes, and on the data partition: the kiosk stays the one that its
# technician knows.
PACKAGECONFIG:remove:sos-distro = "hostkey-ecdsa hostkey-rsa"
PACKAGECONFIG:append:sos-distro = " hostkey-ed25519"
OPENSSH_HOST_KEY_DIR_READONLY_CONFIG:sos-distro = "${localstatedir}/lib/ssh"
