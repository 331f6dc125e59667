SUMMARY = "What the kiosk says"
DESCRIPTION = "The kiosk's sentences in each of its languages, as sound. Spoken before the build by scripts/prompts of \
the repository, or recorded by the owner: LANGUAGE/SENTENCE.wav."
HOMEPAGE = "https://sos.invalid/"
BUGTRACKER = "https://sos.invalid/issues"
SECTION = "sound"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=94b0c43afc9680a0407cfdceef647a9f"
CVE_PRODUCT = ""

# A directory of LANGUAGE/SENTENCE.wav; scripts/prompts DIR makes one.
SOS_PROMPTS ?= "${SOS_TREE}/target/prompts"
SOS_LANGUAGES ?= "kk ru en"

FILESEXTRAPATHS:prepend := "${SOS_TREE}:${SOS_PROMPTS}:"
SRC_URI = "file://LICENSE-MIT"

S = "${UNPACKDIR}"

inherit allarch

python () {
    prompts = d.getVar('SOS_PROMPTS')
    missing = [each for each in d.getVar('SOS_LANGUAGES').split() if not os.path.isdir(os.path.join(prompts, each))]
    if missing:
        raise bb.parse.SkipRecipe('no %s below %s: scripts/prompts DIR makes them, SOS_PROMPTS names DIR' % (missing, prompts))
    for each in d.getVar('SOS_LANGUAGES').split():
        d.appendVar('SRC_URI', ' file://%s' % each)
}

do_install() {
    for language in ${SOS_LANGUAGES}; do
        install -d ${D}${datadir}/sos-kiosk/prompts/$language
        install -m 0644 ${UNPACKDIR}/$language/*.wav ${D}${datadir}/sos-kiosk/prompts/$language/
    done
}

FILES:${PN} += "${datadir}/sos-kiosk/prompts"
