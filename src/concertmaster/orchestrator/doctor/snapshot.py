"""A home as it was read once: frozen records, on which the checks work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from concertmaster.audit.checking import Checked
from concertmaster.contracts import Approval, Principal, RunRecord
from concertmaster.orchestrator.epochs import Epoch
from concertmaster.orchestrator.lease import Lease
from concertmaster.tools.effect_records import EffectRecord

__all__ = [
    "Artifact",
    "Bounds",
    "Declared",
    "Disk",
    "Holding",
    "IndexSeen",
    "KeysSeen",
    "Snapshot",
    "Stray",
    "Told",
    "ToolSeen",
    "Unread",
]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """From when on something counts. Times are in seconds, sizes in bytes."""

    stalled: float = 600.0
    """An attended run that has shown nothing for so long is told of."""
    unsigned: float = 300.0
    """Events of the trail that no signed head vouches for after so long are told of."""
    settling: float = 3600.0
    """A half-written file of this age was left behind."""
    disk_low: int = 256 * 2**20
    disk_full: int = 32 * 2**20


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Something that could not be read: a part of the home, or with an `id` one row of it."""

    part: str
    why: str
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the trail tells of one effect last, and of its result when it was done."""

    run: str
    position: int
    status: str
    call: str | None
    time: str
    sealed: object = None


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Who has the home: its lease, whether that process has certainly ended, files beside."""

    lease: Lease | None = None
    gone: bool = False
    epoch: Epoch | None = None
    epoch_file: bool = False
    older: bool = False
    """Whether the database knows less than the file beside it."""
    copied: bool = False
    """Whether the database is another file than the one that was worked in."""
    lock: bool = True


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The disk on which the home lies, and how large the database's file is."""

    free: int
    database: int


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """The file of a large result. `named` tells whether a row names it."""

    reference: str
    there: bool
    whole: bool = True
    named: bool = True
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Stray:
    """Rows of a thread or run that is not there: in which table, how many.

    `forgotten` tells that the thread was erased on purpose.
    """

    place: str
    id: str
    count: int = 1
    forgotten: bool = False


@dataclass(frozen=True, kw_only=True)
class KeysSeen:
    """The private key: whether it is there, can be used, and by whom it can be read."""

    there: bool = False
    usable: bool = True
    shared: bool = False
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class IndexSeen:
    """An index: with which embedding it was made, and whether its file is whole."""

    path: str = ""
    embedding: str | None = None
    waiting: int = 0
    damage: str | None = None


@dataclass(frozen=True, kw_only=True)
class ToolSeen:
    """What a workspace declares of a tool."""

    idempotent: bool
    reconciles: bool


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the workspace says: its tools, people, and what its index and intents are made of."""

    tools: Mapping[str, ToolSeen] = field(default_factory=dict)
    people: tuple[Principal, ...] = ()
    owner: str | None = None
    embedding: str = ""
    """Its name; empty if that cannot be told."""
    knowledge: bool = False
    intents: str | None = None
    """The fingerprint of the intent model; None where no intents are declared."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything that was read of a home at one moment. `at` is that moment, in UTC."""

    home: Path
    at: datetime
    bounds: Bounds = Bounds()
    unread: tuple[Unread, ...] = ()
    damage: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    holding: Holding = Holding()
    runs: tuple[RunRecord, ...] = ()
    """Oldest first."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """By run, the status in the column by which runs are found."""
    effects: tuple[EffectRecord, ...] = ()
    approvals: tuple[Approval, ...] = ()
    told: tuple[Told, ...] = ()
    endings: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By run, the statuses as which the trail tells that it ended."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """By unfinished run, when the trail last told of it."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """By run that the trail tells of and the table has not, when it began."""
    retired: frozenset[str] = frozenset()
    """Runs that are not there because retention removed them."""
    faded: frozenset[str] = frozenset()
    """Runs of which retention erased what the trail told."""
    erased: bool = False
    """Whether contents of the trail were erased on purpose."""
    checked: tuple[Checked, ...] = ()
    unsigned: Mapping[str, str] = field(default_factory=dict)
    """By stream, the time of the first event that no signed head vouches for."""
    disk: Disk | None = None
    artifacts: tuple[Artifact, ...] = ()
    strays: tuple[Stray, ...] = ()
    aside: tuple[Stray, ...] = ()
    halves: tuple[str, ...] = ()
    keys: KeysSeen = KeysSeen()
    indexes: tuple[IndexSeen, ...] = ()
    """The one that all share first, then those of tenants."""
    model: str | None = None
    """The fingerprint of the stored intent model; empty if it cannot be read, None if there is
    none."""
    declared: Declared | None = None
    """None if the workspace cannot be read; then nothing is said about what only it tells."""

    def read(self, part: str) -> bool:
        """Tell whether a part of the home could be read."""
        return all(u.part != part or u.id for u in self.unread)
