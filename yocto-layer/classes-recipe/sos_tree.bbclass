# Source and crate list from the repository that the layer lies in. The crate list is made at each parse from Cargo.lock
# and is nowhere else, so that it cannot drift; a source whose lock differs from it is not built.

SOS_CARGO_LOCK ?= "${SOS_TREE}/Cargo.lock"
# Another place and revision of the source, for who builds from a mirror: both, or neither.
SOS_REPOSITORY ?= "git://${SOS_TREE};protocol=file;nobranch=1"
SOS_REVISION ?= ""

python () {
    lock = d.getVar('SOS_CARGO_LOCK')
    bb.parse.mark_dependency(d, lock)
    try:
        crates = sos.crates.read(lock)
    except (OSError, sos.crates.LockError) as error:
        raise bb.parse.SkipRecipe('no crate list: %s' % error)
    d.appendVar('SRC_URI', ' ' + ' '.join(sos.crates.uris(crates)))
    for flag, sha256 in sos.crates.checksums(crates).items():
        d.setVarFlag('SRC_URI', flag, sha256)
    if not d.getVar('SOS_REVISION'):
        tree = d.getVar('SOS_TREE')
        revision = sos.tree.revision(tree)
        if not revision:
            raise bb.parse.SkipRecipe('%s is no clone: set SOS_REPOSITORY and SOS_REVISION' % tree)
        trace = sos.tree.trace(tree)
        if os.path.exists(trace):
            bb.parse.mark_dependency(d, trace)
        d.setVar('SOS_REVISION', revision)
}

# What was fetched is what the list was made for.
python do_lock_is_listed() {
    listed = sos.crates.read(d.getVar('SOS_CARGO_LOCK'))
    found = sos.crates.read(os.path.join(d.getVar('S'), 'Cargo.lock'))
    if listed != found:
        bb.fatal('The Cargo.lock of the source is not %s: build the layer of the same commit.' % d.getVar('SOS_CARGO_LOCK'))
}
addtask lock_is_listed after do_unpack before do_configure
do_lock_is_listed[doc] = "Compares the crate list with the Cargo.lock of the source that was fetched"
