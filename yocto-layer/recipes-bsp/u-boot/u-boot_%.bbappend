FILESEXTRAPATHS:prepend:sos-kiosk := "${THISDIR}/files:"

SRC_URI:append:sos-kiosk = " file://sos.cfg file://fw_env.config file://boot.cmd.in"
SRC_URI:append:sos-kiosk:rpi = " file://rpi.cfg"
SRC_URI:append:sos-kiosk:qemuall = " file://qemuall.cfg"

# The boot script. A Raspberry Pi's is made by its layer's own recipe (dynamic-layers/raspberrypi).
UBOOT_ENV:sos-kiosk:qemuall = "boot"
UBOOT_ENV_SUFFIX:sos-kiosk:qemuall = "scr"
SOS_START = ""
SOS_START:qemuarm64 = "booti ${kernel_addr_r} - ${fdtcontroladdr}"
SOS_START:qemux86-64 = "zboot ${kernel_addr_r} ${filesize}"
# U-Boot's own variables, which are none of BitBake's.
SOS_START[vardepsexclude] = "kernel_addr_r fdtcontroladdr filesize"

do_configure:prepend:sos-kiosk:qemuall() {
    sed -e 's/@@BOARD@@/qemu/' -e 's|@@KERNEL_ARGS@@|${SOS_KERNEL_ARGS}|' -e 's/@@KERNEL@@/${KERNEL_IMAGETYPE}/' \
        -e 's/@@START@@/${SOS_START}/' ${UNPACKDIR}/boot.cmd.in > ${UNPACKDIR}/${UBOOT_ENV_SRC}
}

do_install:append:sos-kiosk() {
    install -D -m 0644 ${UNPACKDIR}/fw_env.config ${D}${sysconfdir}/fw_env.config
}
