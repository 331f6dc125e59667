# One key, of a kind whose making needs no luck with primes, and on the data partition: the kiosk stays the one that its
# technician knows.
PACKAGECONFIG:remove:sos-kiosk = "hostkey-ecdsa hostkey-rsa"
PACKAGECONFIG:append:sos-kiosk = " hostkey-ed25519"
OPENSSH_HOST_KEY_DIR_READONLY_CONFIG:sos-kiosk = "${localstatedir}/lib/ssh"
