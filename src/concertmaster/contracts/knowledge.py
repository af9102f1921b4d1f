"""The section `knowledge` of `workflow.yaml`: where documents and vectors lie, who reads what."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from concertmaster.contracts.principal import EVERYONE
from concertmaster.contracts.written import Name, Spec

__all__ = ["AccessRule", "ChromaSpec", "EmbeddingSpec", "KnowledgeSpec", "TenantSpec"]


class AccessRule(Spec):
    """Documents whose title matches the regular expression get these readers."""

    title: str
    readers: tuple[str, ...]
    owner: Name | None = None


class ChromaSpec(Spec):
    """A Chroma server (`chroma run`) that holds the vectors, in the place of the home.

    `server` is `http(s)://HOST:PORT`; CONCERTMASTER_CHROMA overrides it (`local` is the home). The
    token comes from CONCERTMASTER_CHROMA_TOKEN alone and goes out in `header`. `ca` is a file of
    certificates to trust, CONCERTMASTER_CHROMA_CA overrides it.
    """

    server: str
    header: Literal["Authorization", "X-Chroma-Token"] = "Authorization"
    ca: str | None = None
    database: str = "default_database"


class EmbeddingSpec(Spec):
    """A LangChain `Embeddings` class to make vectors with.

    `model` is `module:Class`, called with `arguments`. `relevant` is the cosine from which a
    passage can bear on a question; `name` is what identifies the model in the index.
    """

    model: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    arguments: dict[str, Any] = Field(default_factory=dict)
    name: str | None = None
    relevant: float | None = Field(default=None, ge=-1, le=1)


class TenantSpec(Spec):
    """Documents of one tenant: they lie in an index of their own that nobody else searches."""

    paths: tuple[str, ...] = ()


class KnowledgeSpec(Spec):
    """Where documents lie, who reads and owns those that do not say so themselves.

    `budget` bounds the evidence of one turn, in characters (some four to a token). `tenants` are
    the documents of each tenant; those under `paths` are shared by all. A file of more than
    `file_mb` MiB, or one that takes more than `file_seconds` to read, is left out.
    """

    paths: tuple[str, ...] = ("knowledge",)
    default_readers: tuple[str, ...] = (EVERYONE,)
    default_owner: Name | None = None
    rules: tuple[AccessRule, ...] = ()
    tenants: dict[str, TenantSpec] = Field(default_factory=dict)
    budget: int = Field(default=6000, ge=500, le=60000)
    passages: int = Field(default=6, ge=1, le=50)
    file_mb: int = Field(default=32, ge=1, le=1024)
    file_seconds: int = Field(default=60, ge=1, le=3600)
    chroma: ChromaSpec | None = None
    embedding: EmbeddingSpec | None = None

    @model_validator(mode="after")
    def _tenants_have_names(self) -> KnowledgeSpec:
        for name in self.tenants:
            if not name.strip() or len(name) > 200:
                raise ValueError("a tenant has a name of 1 to 200 characters")
        return self
