"""As much of OpenEmbedded's core, and of the layers beside it, as the kiosk's layer leans on: variables, classes, and the
recipes that it appends to. None of it can build anything."""

CONF = """
BBPATH ?= "{top}"
TOPDIR = "{top}"
TMPDIR = "{top}/tmp"
COREBASE = "{top}"
MACHINE = "{machine}"
DISTRO = "{distro}"
MACHINEOVERRIDES = "{overrides}:{machine}"
DISTROOVERRIDES ?= "${{DISTRO}}"
OVERRIDES = "linux:pn-${{PN}}:class-target:${{MACHINEOVERRIDES}}:${{DISTROOVERRIDES}}:forcevariable"
FILESOVERRIDES = "${{MACHINEOVERRIDES}}:${{DISTROOVERRIDES}}"
PN = "${{@bb.parse.vars_from_file(d.getVar('FILE', False), d)[0] or 'none'}}"
PV = "${{@bb.parse.vars_from_file(d.getVar('FILE', False), d)[1] or '1.0'}}"
BPN = "${{PN}}"
BP = "${{BPN}}-${{PV}}"
P = "${{PN}}-${{PV}}"
EXTENDPKGV = "${{PV}}"
WORKDIR = "${{TMPDIR}}/work/${{PN}}"
UNPACKDIR = "${{WORKDIR}}/sources"
S = "${{UNPACKDIR}}/${{BP}}"
B = "${{S}}"
D = "${{WORKDIR}}/image"
T = "${{WORKDIR}}/temp"
PERSISTENT_DIR = "{top}/cache"
CACHE = "{top}/cache"
DEPLOY_DIR_IMAGE = "{top}/deploy"
COMMON_LICENSE_DIR = "{top}/licences"
FILESPATH = "${{FILE_DIRNAME}}/files"
FILE_DIRNAME = "${{@os.path.dirname(d.getVar('FILE', False))}}"
THISDIR = "${{@os.path.dirname(d.getVar('FILE', False))}}"
PACKAGES = "${{PN}}"
bindir = "/usr/bin"
sbindir = "/usr/sbin"
base_sbindir = "/usr/sbin"
libexecdir = "/usr/libexec"
libdir = "/usr/lib"
nonarch_libdir = "/usr/lib"
nonarch_base_libdir = "/usr/lib"
datadir = "/usr/share"
sysconfdir = "/etc"
localstatedir = "/var"
systemd_unitdir = "/usr/lib/systemd"
systemd_system_unitdir = "/usr/lib/systemd/system"
KERNEL_IMAGETYPE = "{kernel}"
KERNEL_PACKAGE_NAME = "kernel"
SDIMG_KERNELIMAGE = "kernel8.img"
DATETIME = "20260101000000"
USER = "nobody"
require conf/distro/${{DISTRO}}.conf
"""

BASE = """
addtask do_fetch
addtask do_unpack after do_fetch
addtask do_configure after do_unpack
addtask do_compile after do_configure
addtask do_install after do_compile
addtask do_build after do_install
do_fetch() {
    :
}
do_unpack() {
    :
}
do_configure() {
    :
}
do_compile() {
    :
}
do_install() {
    :
}
do_build() {
    :
}
"""

# What the layer inherits, with what it appends to in each.
CLASSES = {
    "allarch": "",
    "bundle": 'RAUC_BUNDLE_FORMAT ??= ""\n',
    "cargo": 'CARGO_BUILD_FLAGS = "--frozen"\n',
    "core-image": 'IMAGE_FEATURES ?= ""\nROOTFS_POSTPROCESS_COMMAND ?= ""\naddtask do_image_wic\ndo_image_wic() {\n    :\n}\n',
    "features_check": "",
    "image-buildinfo": "",
    "pkgconfig": "",
    "systemd": "",
    "useradd": "",
}

# Recipes of other layers that the layer appends to.
RECIPES = {
    "gstreamer1.0-plugins-bad_1.28.2": 'PACKAGECONFIG ??= "dtls"\n',
    "gstreamer1.0-plugins-base_1.28.2": 'PACKAGECONFIG ??= "alsa"\n',
    "gstreamer1.0-plugins-good_1.28.2": 'PACKAGECONFIG ??= "v4l2"\n',
    "gstreamer1.0-plugins-ugly_1.28.2": 'PACKAGECONFIG ??= ""\n',
    "linux-raspberrypi_6.12": 'SRC_URI = "file://none.cfg"\nRDEPENDS:${KERNEL_PACKAGE_NAME}-base = ""\n',
    "linux-yocto_6.18": 'SRC_URI = "file://none.cfg"\n',
    "openssh_10.2": 'PACKAGECONFIG ??= "hostkey-ecdsa"\nOPENSSH_HOST_KEY_DIR_READONLY_CONFIG ?= "/run/ssh"\n',
    "rauc-conf": 'RAUC_KEYRING_FILE ??= "ca.cert.pem"\nRAUC_KEYRING_URI ??= "file://${RAUC_KEYRING_FILE}"\n'
    'SRC_URI = "file://system.conf ${RAUC_KEYRING_URI}"\n',
    "rauc_1.15.2": 'PACKAGECONFIG ??= "service network"\n',
    "rpi-u-boot-scr": 'SRC_URI = "file://boot.cmd.in"\n',
    "systemd_259.5": 'PACKAGECONFIG ??= "networkd"\n',
    "x264_git": 'PACKAGECONFIG ??= "ffmpeg"\n',
    "u-boot_2026.01": 'SRC_URI = "file://none"\nUBOOT_ENV ?= ""\nUBOOT_ENV_SRC ?= "${UBOOT_ENV}.cmd"\n',
}


def write(top, layer, machine, overrides, distro):
    """Writes it below `top`, with the kiosk's layer beside it."""
    conf = top / "conf"
    (conf / "distro").mkdir(parents=True)
    (conf / "distro" / "other.conf").write_text("")
    kernel = "bzImage" if "x86" in machine else "Image"
    (conf / "bitbake.conf").write_text(
        CONF.format(top=top, machine=machine, overrides=overrides, distro=distro, kernel=kernel)
    )
    (conf / "bblayers.conf").write_text(f'BBPATH = "{top}"\nBBLAYERS = "{layer} {top}/stub"\n')
    stub = top / "stub"
    (stub / "conf").mkdir(parents=True)
    collections = "core openembedded-layer networking-layer multimedia-layer meta-python rauc raspberrypi"
    lines = ['BBPATH .= ":${LAYERDIR}"', 'BBFILES += "${LAYERDIR}/recipes/*.bb"']
    for name in collections.split():
        lines.append(f'BBFILE_COLLECTIONS += "{name}"')
        lines.append(f'BBFILE_PATTERN_{name} = "^${{LAYERDIR}}/{name}/"')
        lines.append(f'BBFILE_PRIORITY_{name} = "5"')
        lines.append(f'LAYERSERIES_COMPAT_{name} = "wrynose"')
    lines.append('LAYERSERIES_CORENAMES = "wrynose"')
    (stub / "conf" / "layer.conf").write_text("\n".join(lines) + "\n")
    for kind, classes in (("classes", {"base": BASE}), ("classes-recipe", CLASSES), ("recipes", {})):
        (stub / kind).mkdir()
        for name, text in classes.items():
            (stub / kind / f"{name}.bbclass").write_text(text)
    (stub / "classes" / "image-buildinfo.bbclass").write_text("")
    (stub / "files").mkdir()
    for name, text in RECIPES.items():
        (stub / "recipes" / f"{name}.bb").write_text(f'SUMMARY = "stub"\nLICENSE = "MIT"\n{text}')
    prompts = top / "prompts"
    for language in ("kk", "ru", "en"):
        (prompts / language).mkdir(parents=True)
    (conf / "bitbake.conf").open("a").write(f'SOS_PROMPTS = "{prompts}"\n')
