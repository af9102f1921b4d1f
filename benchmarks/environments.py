"""An environment of its own for a peer whose requirements are not ours; made on first use."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["installed"]

_FOLDER = Path(__file__).resolve().parent / ".peers"


def installed(name: str, *requirements: str) -> Path:
    """Return the interpreter of an environment that holds exactly what was asked for.

    Args:
        name: the environment's, a folder under `benchmarks/.peers`.
        requirements: what pip installs, with versions.
    """
    folder = _FOLDER / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready, wanted = folder / "ready", " ".join(requirements)
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return python
    print(f"making an environment for {wanted}", file=sys.stderr)
    _FOLDER.mkdir(exist_ok=True)
    (_FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    venv.create(folder, with_pip=True, clear=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True, capture_output=True)
    ready.write_text(wanted, encoding="utf-8")
    return python
