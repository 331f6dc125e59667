"""The repository that the layer lies in: its revision, for a build from the clone itself."""

import os
import subprocess


def revision(tree):
    """The commit that is checked out; none where the tree is no clone."""
    asked = subprocess.run(
        ["git", "-C", tree, "rev-parse", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else None


def trace(tree):
    """The file that changes with each commit: who remembers the revision must look at it."""
    asked = subprocess.run(
        ["git", "-C", tree, "rev-parse", "--absolute-git-dir"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
    )
    return os.path.join(asked.stdout.strip(), "logs", "HEAD") if asked.returncode == 0 else None
