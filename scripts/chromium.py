"""Print the path of a Chromium; where there is none and this is root on Debian, install it first.

The browser tests use it, on developers' machines and in CI. Nothing is downloaded but the
distribution's own package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
PLACES = ("/usr/bin", "/usr/lib/chromium", "/snap/bin")


def find() -> str | None:
    """Return the path of a Chromium: the one of CONCERTMASTER_CHROMIUM, else what is installed."""
    named = os.environ.get("CONCERTMASTER_CHROMIUM")
    if named:
        return named if _runs(Path(named)) else None
    found = (shutil.which(name) for name in NAMES)
    beside = (str(Path(place) / name) for place in PLACES for name in NAMES)
    return next((path for path in (*found, *beside) if path and _runs(Path(path))), None)


def install() -> bool:
    """Install Debian's package; tell whether that was possible."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run([apt, "-qq", *command], env=quiet, stdout=sys.stderr, check=False)  # noqa: S603
        if done.returncode:
            return False
    return True


def main() -> int:
    """Print the path, or why there is none."""
    path = find()
    if path is None and install():
        path = find()
    if path is None:
        sys.stderr.write(
            "no Chromium was found; install it (apt-get install chromium), or name its file in"
            " CONCERTMASTER_CHROMIUM\n"
        )
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


if __name__ == "__main__":
    sys.exit(main())
