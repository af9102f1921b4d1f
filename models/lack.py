"""What a declared model lacks to be asked at all: a package, a file or a key. Nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from concertmaster.errors import ConfigError
from concertmaster.models.providers import PROVIDERS
from concertmaster.models.spec import ModelSpec

__all__ = ["Lack", "lack_of"]


@dataclass(frozen=True)
class Lack:
    """What is missing: `what` goes behind the model's name, `fix` says how to put it right."""

    kind: Literal["package", "file", "key"]
    what: str
    fix: str


def lack_of(spec: ModelSpec) -> Lack | None:
    """Return what a model lacks, None if it may be asked. Imports no provider's library.

    >>> from concertmaster.models import parse_model
    >>> lack_of(parse_model("gguf:/nowhere/small.gguf")).kind
    'file'
    """
    if spec.provider == "gguf":
        return _of_file(spec)
    provider = PROVIDERS.get(spec.provider)
    missing = provider.missing() if provider else ()
    if provider and missing:
        packages = " and ".join(missing)
        return Lack("package", f"needs the package {packages}", provider.install)
    try:
        spec.api_key()
    except ConfigError as error:
        what = f"needs the environment variable {spec.api_key_env}"
        return Lack("key", what, error.hint or "")
    return None


def _of_file(spec: ModelSpec) -> Lack | None:
    file = Path(spec.model or "")
    try:
        with file.open("rb") as opened:
            start = opened.read(4)
    except OSError:
        return Lack("file", f"needs the file {file}, which cannot be read", "name a .gguf file")
    if start != b"GGUF":
        return Lack("file", f"needs a GGUF file, which {file.name} is not", "name a .gguf file")
    if find_spec("xllamacpp") is None:
        return Lack("package", "needs the package xllamacpp", "pip install 'concertmaster[local]'")
    return None
