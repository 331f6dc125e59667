# The same boot script as on every board.
FILESEXTRAPATHS:prepend:sos-distro := "${SOS_LAYER}/recipes-bsp/u-boot/files:"

do_compile:prepend:sos-distro() {
    sed -i -e 's/@@BOARD@@/rpi/' -e 's/@@KERNEL@@/${KERNEL_IMAGETYPE}/' \
        -e 's/@@START@@/@@KERNEL_BOOTCMD@@ ${kernel_addr_r} - ${fdt_addr}/' ${UNPACKDIR}/boot.cmd.in
}
