"""The home's files: damage, versions, what is missing, what was left behind, the disk. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding, Kind
from concertmaster.orchestrator.doctor.snapshot import Disk, Snapshot, Stray, Unread

__all__ = ["check_files"]

_RESTORE = "stop what works in the home, move it away, and put a backup in its place"
_ROWS: dict[str, Kind] = {"runs": "run", "effects": "call", "approvals": "approval"}


def check_files(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is wrong with files."""
    for unread in seen.unread:
        yield _unread(seen, unread, commands)
    if seen.damage:
        yield Finding(
            code="file.damaged",
            severity="problem",
            kind="file",
            id="concertmaster.sqlite3",
            what=f"SQLite finds the database damaged: {'; '.join(seen.damage)}.",
            mend=_RESTORE,
            command=commands.restore(),
        )
    yield from _versions(seen, commands)
    if seen.disk is not None:
        yield from _disk(seen, seen.disk)
    yield from _keys(seen, commands)
    yield from _artifacts(seen, commands)
    yield from _left_behind(seen, commands)


def _unread(seen: Snapshot, unread: Unread, commands: Commands) -> Finding:
    if unread.part == "workspace":
        return Finding(
            code="workspace.unread",
            severity="attention",
            kind="home",
            id=str(seen.home),
            what=f"Its workspace cannot be read ({unread.why}); tools, people, index and intents"
            " were not compared with it.",
            mend="name its folder, or put right what `concertmaster check` says",
            command=commands.examine(),
        )
    row = unread.id and unread.part in _ROWS
    id_ = unread.id.partition(" ")[0] if unread.part == "approvals" else unread.id
    return Finding(
        code=f"{_ROWS[unread.part]}.unreadable" if row else f"file.{unread.part}",
        severity="problem",
        kind=_ROWS[unread.part] if row else "file",
        id=id_ or unread.part,
        what=f"It cannot be read: {unread.why}.",
        mend=_RESTORE,
        command=commands.restore(),
    )


def _versions(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    if seen.newer:
        yield Finding(
            code="home.newer",
            severity="problem",
            kind="home",
            id=str(seen.home),
            what=f"A newer release wrote it ({', '.join(seen.newer)}); its rows were not examined.",
            mend="upgrade Concertmaster, or restore a backup that this release made",
            command="pip install --upgrade concertmaster",
        )
    if seen.older:
        yield Finding(
            code="home.older_release",
            severity="note",
            kind="home",
            id=str(seen.home),
            what=f"An older release wrote it ({', '.join(seen.older)}).",
            mend="open the desk, which brings its tables up to date; make a backup before",
            command=commands.recover(),
        )


def _disk(seen: Snapshot, disk: Disk) -> Iterator[Finding]:
    full = disk.free < seen.bounds.disk_full
    if not full and disk.free >= max(seen.bounds.disk_low, disk.database):
        return
    what = f"{_size(disk.free)} are free where it lies"
    if full:
        what += "; soon nothing can be stored, and runs stop before their calls"
    elif disk.free < disk.database:
        what += f", less than its database has ({_size(disk.database)}), which erasing writes anew"
    yield Finding(
        code="home.disk",
        severity="problem" if full else "attention",
        kind="home",
        id=str(seen.home),
        what=f"{what}.",
        mend="free some space; what is stored is kept",
    )


def _size(count: int) -> str:
    return f"{count / 2**20:.0f} MB" if count < 2**30 else f"{count / 2**30:.1f} GB"


def _keys(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    keys = seen.keys
    if keys.there and not keys.usable:
        yield Finding(
            code="file.key",
            severity="problem",
            kind="file",
            id=keys.path,
            what="The key that signs the trail cannot be used; nothing new is signed.",
            mend="restore it from a backup, or remove it, and the next one signs from then on",
            command=commands.remove(keys.path),
        )
    elif keys.shared:
        yield Finding(
            code="file.key_shared",
            severity="attention",
            kind="file",
            id=keys.path,
            what="Others than its owner can read the key that signs the trail.",
            mend="make a new one, and then keep the folder to its owner",
            command=commands.rotate(),
        )


def _artifacts(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    for artifact in seen.artifacts:
        if artifact.named and not (artifact.there and artifact.whole):
            how = "was changed since it was written" if artifact.there else "is not there"
            yield Finding(
                code="file.artifact",
                severity="problem",
                kind="file",
                id=artifact.reference,
                what=f"A large result that rows name {how}.",
                mend="restore that file from a backup",
                command=commands.restore(artifact.path),
            )
        elif not artifact.named:
            yield Finding(
                code="left.artifact",
                severity="note",
                kind="file",
                id=artifact.reference,
                what="A large result that no row names.",
                mend="remove it, or erase any thread, which clears such files away",
                command=commands.remove(artifact.path),
            )


def _stray(stray: Stray) -> Finding:
    number = "A row" if stray.count == 1 else f"{stray.count} rows"
    states = stray.place in ("checkpoints", "writes")
    why = (
        "whose thread was erased: what was said there may be left in it"
        if stray.forgotten
        else "of which nothing else is in the home; a program that uses the graph itself may"
        " have made it"
        if states
        else "of which nothing else is in the home"
    )
    mend = f"await desk.graph.checkpointer.adelete_thread({stray.id!r}) in a program removes it"
    return Finding(
        code="left.rows",
        severity="attention" if stray.forgotten else "note",
        kind="thread" if states else "run",
        id=stray.id,
        what=f"{number} of the table {stray.place}, {why}.",
        mend=mend if states else "nothing needs it; restore a backup if the run should be there",
    )


def _left_behind(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    for stray in seen.strays:
        yield _stray(stray)
    for stray in seen.aside:
        yield Finding(
            code="left.state",
            severity="note",
            kind="thread",
            id=stray.id,
            what=f"{stray.count} of its states could not be decoded and were set aside.",
            mend="nothing; they go when the thread is erased",
        )
    for path in seen.halves:
        yield Finding(
            code="left.half",
            severity="note",
            kind="file",
            id=path,
            what="A file that a process left half-written.",
            mend="remove it",
            command=commands.remove(path),
        )
