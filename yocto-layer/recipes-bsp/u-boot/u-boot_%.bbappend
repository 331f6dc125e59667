FILESEXTRAPATHS:prepend:sos-distro := "${THISDIR}/files:"

SRC_URI:append:sos-distro = " file://sos.cfg file://boot.cmd.in"
SRC_URI:append:sos-distro:rpi = " file://rpi.cfg"
SRC_URI:append:sos-distro:qemuall = " file://qemuall.cfg file://fw_env.config"
SRC_URI:append:sos-distro:qemux86-64 = " file://rom.cfg"

# The boot script. A Raspberry Pi's is made by its layer's own recipe (dynamic-layers/raspberrypi).
UBOOT_ENV:sos-distro:qemuall = "boot"
UBOOT_ENV_SUFFIX:sos-distro:qemuall = "scr"
do_configure:prepend:sos-distro:qemuall() {
    sed -e 's/@@BOARD@@/qemu/' -e 's|@@KERNEL_ARGS@@|${SOS_KERNEL_ARGS}|' -e 's/@@KERNEL@@/${KERNEL_IMAGETYPE}/' \
        -e 's/@@START@@/${SOS_START}/' ${UNPACKDIR}/boot.cmd.in > ${UNPACKDIR}/${UBOOT_ENV_SRC}
}

do_install:append:sos-distro() {
    install -D -m 0644 ${UNPACKDIR}/fw_env.config ${D}${sysconfdir}/fw_env.config
}
