"""The crate list of the daemon, read from Cargo.lock: the lock is the only list there is.

Run as a program, it prints the list as a recipe would hold it: python3 crates.py Cargo.lock
"""

import sys
import tomllib


class LockError(ValueError):
    """What a lock holds that an image must not be built from."""


def read(path):
    """The crates of a lock as (name, version, sha256, registry), in its order; the package itself is none of them.

    Raises LockError where a crate comes from anywhere but a registry, or has no checksum.
    """
    with open(path, "rb") as file:
        lock = tomllib.load(file)
    crates = []
    for package in lock["package"]:
        source = package.get("source")
        if source is None:
            continue
        name, version = package["name"], package["version"]
        if not source.startswith("registry+"):
            raise LockError(f"{path}: {name} {version}: expected a crate of a registry, found {source}")
        if "checksum" not in package:
            raise LockError(f"{path}: {name} {version}: no checksum")
        # The index is named after the registry: HOST-index.
        registry = source.rsplit("/", 1)[1].removesuffix("-index")
        crates.append((name, version, package["checksum"], registry))
    return crates


def uris(crates):
    """As the fetcher takes them."""
    return [f"crate://{registry}/{name}/{version}" for name, version, _, registry in crates]


def checksums(crates):
    """Flag of SRC_URI -> sha256."""
    return {f"{name}-{version}.sha256sum": sha256 for name, version, sha256, _ in crates}


def main(path):
    """Prints the list of a lock."""
    crates = read(path)
    print('SRC_URI += " \\')
    for uri in uris(crates):
        print(f"    {uri} \\")
    print('"')
    for flag, sha256 in checksums(crates).items():
        print(f'SRC_URI[{flag}] = "{sha256}"')


if __name__ == "__main__":
    main(sys.argv[1])
