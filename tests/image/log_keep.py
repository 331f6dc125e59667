"""What keeps the journal's warnings, run against a journal that this test plays (the real one needs a running system).

    log_keep.py SCRIPT
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Answers as journalctl does: the lines behind the cursor, and the cursor of the last of them.
JOURNAL = """#!/bin/sh
after=0
for word in "$@"; do case $word in --after-cursor=*) after=${word#--after-cursor=c} ;; esac; done
last=$(wc -l < "$LINES_OF")
tail -n +$((after + 1)) "$LINES_OF"
[ "$last" -le "$after" ] || echo "-- cursor: c$last"
"""


def main():
    """Three runs and a full file."""
    script = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as home:
        top, keep = Path(home), Path(home) / "log"
        keep.mkdir()
        (top / "journalctl").write_text(JOURNAL)
        (top / "journalctl").chmod(0o755)
        lines = top / "lines"
        environment = {**os.environ, "PATH": f"{top}:{os.environ['PATH']}", "LINES_OF": str(lines)}

        def run():
            subprocess.run([script, keep], env=environment, check=True)
            path = keep / "warnings"
            return path.read_text().splitlines() if path.exists() else []

        lines.write_text("")
        assert run() == [], "nothing to keep"
        lines.write_text("one\ntwo\n")
        assert run() == ["one", "two"]
        before = (keep / "warnings").stat().st_mtime_ns, (keep / "cursor").stat().st_mtime_ns
        assert run() == ["one", "two"], "each is kept once"
        assert before == ((keep / "warnings").stat().st_mtime_ns, (keep / "cursor").stat().st_mtime_ns), "nothing new, nothing written"
        lines.write_text("one\ntwo\nthree\n")
        assert run() == ["one", "two", "three"]
        lines.write_text("one\ntwo\nthree\n" + "x" * 600_000 + "\n")
        run()
        size = (keep / "warnings").stat().st_size
        assert size <= 2 * 262144, f"a flood fills the card: {size}"
        lines.write_text("one\ntwo\nthree\nx\nfour\n")
        assert run() == ["four"] and (keep / "warnings.old").exists(), "two generations"
    return 0


if __name__ == "__main__":
    sys.exit(main())
