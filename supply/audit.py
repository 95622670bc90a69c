"""This module asks the network whether what constraints.txt pins has known vulnerabilities, by pip-audit.

python -m supply.audit      # exit 0: none, 1: some, 2: not everything could be asked for
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from supply.closure import pins


def main() -> int:
    """Ask; the exit status."""
    # Those of this system and this Python: a name may stand twice in the file.
    here = [f"{pin.name}{pin.specifier}" for pin in pins() if pin.marker is None or pin.marker.evaluate()]
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "pins.txt"
        listed.write_text("\n".join(here) + "\n", "utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        # Strict, because without it what the index does not know counts as sound.
        done = subprocess.run([*command, "--strict"], capture_output=True, text=True)
    print(done.stdout, done.stderr, sep="", end="")
    if done.returncode != 0 and "known vulnerabilit" not in done.stderr:
        print("This is no audit: the index that knows of vulnerabilities did not answer for everything; see above.")
        return 2
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
