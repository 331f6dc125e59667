FILESEXTRAPATHS:prepend:sos-distro := "${THISDIR}/files:"

# The owner's certificate, and no example's: without it there is no image.
RAUC_KEYRING_FILE:sos-distro = "${@os.path.basename(d.getVar('SOS_UPDATE_CA')) or 'none.pem'}"
RAUC_KEYRING_URI:sos-distro = "${@'file://' + d.getVar('SOS_UPDATE_CA') if d.getVar('SOS_UPDATE_CA') else ''}"

PACKAGE_ARCH:sos-distro = "${MACHINE_ARCH}"

do_configure:append:sos-distro() {
    if [ -z "${SOS_UPDATE_CA}" ]; then
        bbfatal "SOS_UPDATE_CA is not set: a kiosk must know whose updates to take; the README of the layer says how"
    fi
    find ${UNPACKDIR} -name "${RAUC_KEYRING_FILE}" -not -path "${UNPACKDIR}/${RAUC_KEYRING_FILE}" \
        -exec cp {} ${UNPACKDIR}/${RAUC_KEYRING_FILE} \;
    sed -i -e 's/@@COMPATIBLE@@/${SOS_COMPATIBLE}/' -e 's/@@KEYRING@@/${RAUC_KEYRING_FILE}/' \
        ${UNPACKDIR}/system.conf
}
