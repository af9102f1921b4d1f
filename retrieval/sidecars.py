"""Metadata beside the files: `fees.pdf.meta.yaml` for one, `_meta.yaml` for a folder."""

from __future__ import annotations

from pathlib import Path

from concertmaster.contracts import plain_text
from concertmaster.retrieval.files import read_whole
from concertmaster.retrieval.front_matter import BrokenHead, Head, head_of_yaml
from concertmaster.retrieval.reading.reading import Unreadable

__all__ = ["FOLDER_FILE", "SIDECAR", "BrokenSidecar", "Sidecars"]

SIDECAR = ".meta.yaml"
FOLDER_FILE = "_meta.yaml"
_LARGEST = 2**16
_OF_MANY = ("owner", "readers", "valid_from", "valid_until", "version")


class BrokenSidecar(Exception):
    """Metadata cannot be read, so nothing is known of the files that it describes."""

    def __init__(self, source: str, why: str) -> None:
        super().__init__(why)
        self.source = source
        self.why = why


class Sidecars:
    """The metadata under one root; each folder's file is read once.

    What the folder nearest to a file says outweighs what those above it say.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, Head | BrokenSidecar] = {}

    def of_folder(self, folder: Path) -> Head:
        """Return what the folders from the root down to this one say of all files in them.

        Raises:
            BrokenSidecar: one of their files cannot be read.
        """
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._read_folder(folder)
        if isinstance(known, BrokenSidecar):
            raise known
        return known

    def of_file(self, path: Path, *, many: bool = False) -> Head:
        """Return what a file's own sidecar says; `many` if the file holds several documents.

        Raises:
            BrokenSidecar: it cannot be read.
        """
        return _read(path.with_name(f"{path.name}{SIDECAR}"), many=many)

    def _read_folder(self, folder: Path) -> Head | BrokenSidecar:
        try:
            above = Head()
            if folder != self._root and folder.is_relative_to(self._root):
                above = self.of_folder(folder.parent)
            return _read(folder / FOLDER_FILE, many=True).over(above)
        except BrokenSidecar as error:
            return error


def _read(path: Path, *, many: bool) -> Head:
    try:
        text = plain_text(read_whole(path, _LARGEST).decode("utf-8-sig"))
        return head_of_yaml(text, _OF_MANY) if many else head_of_yaml(text)
    except FileNotFoundError:
        if path.is_symlink():
            raise BrokenSidecar(str(path), "is a link to nothing") from None
        return Head()
    except BrokenHead as error:
        at = f"{path}:{error.line}" if error.line else str(path)
        raise BrokenSidecar(at, error.why) from None
    except UnicodeDecodeError as error:
        raise BrokenSidecar(str(path), f"is not UTF-8 (byte {error.start})") from None
    except Unreadable as error:
        raise BrokenSidecar(str(path), error.why) from None
    except OSError as error:
        raise BrokenSidecar(str(path), f"cannot be read ({error.strerror})") from None
