"""The commands that mend, as they are typed for one home."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Commands"]


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Writes commands about a home.

    Args:
        home: its folder.
        workspace: the folder of its workspace, None if that is not known.
        default: whether commands find the home without its being named.
    """

    home: Path
    workspace: Path | None = None
    default: bool = False

    def recover(self) -> str:
        """Return what takes up the runs that a vanished process left."""
        return self._line("runs", "recover", self._folder())

    def cancel(self, run: str, who: str) -> str:
        """Return what ends a run."""
        return self._line("runs", "cancel", run, "--as", who)

    def settle(self, run: str, position: int) -> str:
        """Return what notes that a call in doubt took effect; the other way is `--no-effect`."""
        return self._line("runs", "settle", run, str(position), "--as", "WHO", "--took-effect")

    def sweep(self) -> str:
        """Return what has deadlines that are over take effect."""
        return self._line("approvals", "sweep")

    def show(self, approval: str) -> str:
        """Return what shows an approval in full."""
        return self._line("approvals", "show", approval)

    def reject(self, approval: str) -> str:
        """Return what closes an approval without letting its call run."""
        return self._line("approvals", "reject", approval, "--as", "WHO", "--reason", "TEXT")

    def why(self, run: str) -> str:
        """Return what tells a run in sentences."""
        return self._line("audit", "why", run)

    def told(self, run: str) -> str:
        """Return what gives the events of a run whose row is gone."""
        return self._line("audit", "export", "--run", run)

    def verify(self) -> str:
        """Return what names every event of the trail that is not as it was written."""
        return self._line("audit", "verify")

    def rebuild(self) -> str:
        """Return what makes the index anew."""
        return self._line("ingest", self._folder(), "--rebuild")

    def ingest(self) -> str:
        """Return what brings the index up to date."""
        return self._line("ingest", self._folder())

    def examine(self) -> str:
        """Return what examines the home with the workspace named."""
        return self._line("doctor", "WORKSPACE")

    def rotate(self) -> str:
        """Return what has a new key sign the trail."""
        return self._line("audit", "keys", "rotate", "--as", "WHO", "--why", "TEXT")

    def restore(self, path: str = "") -> str:
        """Return what puts a backup in the home's place, once that was moved away.

        Args:
            path: of one file in the home, to restore only that.
        """
        source, target = f"BACKUP/{path}" if path else "BACKUP", self.home / path
        return shlex.join(("cp", "-a", source, str(target)))

    def remove(self, path: str) -> str:
        """Return what removes one file of the home."""
        return f"rm {shlex.quote(str(self.home / path))}"

    def _folder(self) -> str:
        return str(self.workspace) if self.workspace else "WORKSPACE"

    def _line(self, *words: str) -> str:
        where = () if self.default else ("--home", str(self.home))
        return shlex.join(("concertmaster", *words, *where))
