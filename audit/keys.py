"""The keys that sign the trail's heads: Ed25519, a file each, the private one for its owner only.

    HOME/keys/audit.key            the private key that signs now (mode 0600)
    HOME/keys/key-<id>.pub         every public key that ever signed, the present one included

A key's id is `key-` and the beginning of its public key's SHA-256. Rotation makes a new pair and
forgets the old private key; the old public key stays, so that old heads still verify.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.errors import StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["FRESH", "PRIVATE", "Signer", "check_signature", "current_key", "key_id", "public_keys"]

PRIVATE = "audit.key"
"""The name of the file that is kept secret."""

FRESH = "audit.new"
"""Its name while it is written."""

_ID_CHARACTERS = 16


class Signer:
    """Signs with one private key, which is never shown."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    @classmethod
    def generate(cls) -> Signer:
        """Return a signer with a new pair, which lies in no folder yet; see `keep`."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._key.sign(message)

    @classmethod
    def open(cls, folder: Path) -> Signer:
        """Return the signer of a folder of keys; make the first pair if there is none.

        Raises:
            StorageError: the folder cannot be read or written, or the key is damaged.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path = folder / PRIVATE
        try:
            if not path.exists():
                return cls.rotate(folder)
            signer = cls(Ed25519PrivateKey.from_private_bytes(b64decode(path.read_bytes())))
            _publish(folder, signer)
        except OSError as error:
            raise _unusable(path, error) from None
        except ValueError:
            raise StorageError(
                f"{path}: this is no private key",
                hint="restore it from a backup, or remove it to sign with a new key from now on",
            ) from None
        return signer

    @classmethod
    def rotate(cls, folder: Path) -> Signer:
        """Make a new pair, which signs from now on; the former public keys stay.

        Raises:
            StorageError: the folder cannot be written.
        """
        signer = cls.generate()
        signer.keep(folder)
        return signer

    def keep(self, folder: Path) -> None:
        """Have this pair sign from now on in a folder of keys.

        Raises:
            StorageError: the folder cannot be written.
        """
        path = folder / PRIVATE
        fresh = folder / FRESH
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _publish(folder, self)
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
                f.write(b64encode(self._key.private_bytes_raw()) + b"\n")
                f.flush()
                os.fsync(f.fileno())
            fresh.replace(path)
        except OSError as error:
            raise _unusable(path, error) from None


def key_id(public: bytes) -> str:
    """Return the id of a public key, given as 32 raw bytes."""
    return f"key-{sha256(public).hexdigest()[:_ID_CHARACTERS]}"


def public_keys(folder: Path) -> dict[str, bytes]:
    """Return the public keys of a folder by id; a file that holds none is left out.

    Raises:
        StorageError: the folder cannot be read.
    """
    keys: dict[str, bytes] = {}
    try:
        for path in sorted(folder.glob("key-*.pub")):
            try:
                raw = b64decode(path.read_bytes().strip(), validate=True)
            except ValueError:
                continue
            if len(raw) == 32:
                keys[key_id(raw)] = raw
    except OSError as error:
        raise StorageError(f"{folder}: the keys cannot be read ({error.strerror})") from None
    return keys


def current_key(folder: Path) -> str | None:
    """Return the id of the key that signs now, None if there is none that can be read."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        raw = b64decode((folder / PRIVATE).read_bytes())
        return Signer(Ed25519PrivateKey.from_private_bytes(raw)).key_id
    except (OSError, ValueError):
        return None


def check_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether the owner of a public key signed this message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _publish(folder: Path, signer: Signer) -> None:
    """Put the public key beside the others, all at once: half of one would verify no head."""
    path, half = folder / f"{signer.key_id}.pub", folder / f".{signer.key_id}.pub"
    written = b64encode(signer.public) + b"\n"
    if path.exists() and path.read_bytes() == written:
        return
    try:
        half.write_bytes(written)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _unusable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path}: the key that signs the trail cannot be used ({error.strerror})",
        hint="the folder must be readable and writable for the user who runs the desk",
    )
