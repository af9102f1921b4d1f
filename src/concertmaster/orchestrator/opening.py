"""Opening a workspace: readiness, stores, knowledge, classifier, graph, recovery."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.agents.task import Services
from concertmaster.audit import Trail
from concertmaster.audit.migrations import MIGRATIONS as AUDIT
from concertmaster.audit.retired import MIGRATIONS as RETIRED
from concertmaster.errors import NotReady, StorageError
from concertmaster.graphs.compile import compile_graph
from concertmaster.graphs.readiness import check
from concertmaster.graphs.session import Sessions
from concertmaster.graphs.workspace import Workspace
from concertmaster.models.predictor import Predictors, load_predictor
from concertmaster.models.registry import Models
from concertmaster.orchestrator.arrival import arrive
from concertmaster.orchestrator.checkpoints import checkpointer
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.drawing import shown_offline
from concertmaster.orchestrator.feedback import MIGRATIONS as FEEDBACK
from concertmaster.orchestrator.home import Home, base_dir
from concertmaster.orchestrator.knowledge import Library, tell_ingest
from concertmaster.orchestrator.outbox import MIGRATIONS as OUTBOX
from concertmaster.orchestrator.people import People, Resolver
from concertmaster.orchestrator.retention.files import MIGRATIONS as RETENTION
from concertmaster.orchestrator.runs import MIGRATIONS as RUNS
from concertmaster.orchestrator.runs import Runs
from concertmaster.orchestrator.segments import Segments
from concertmaster.policies import check as check_policies
from concertmaster.policies.approvals import MIGRATIONS as APPROVALS
from concertmaster.policies.approvals import Approvals
from concertmaster.policies.bases import MIGRATIONS as BASES
from concertmaster.policies.bases import Bases
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.policies.redaction import Redaction, redact_logs
from concertmaster.policies.spending import MIGRATIONS as SPENDING
from concertmaster.policies.spending import Spending
from concertmaster.storage import Database
from concertmaster.tools.artifacts import Artifacts
from concertmaster.tools.connectors.keeping import kept_open
from concertmaster.tools.effects import Carrier
from concertmaster.tools.journal import MIGRATIONS as JOURNAL
from concertmaster.tools.journal import Journal
from concertmaster.tools.ledger import MIGRATIONS as LEDGER
from concertmaster.tools.ledger import Ledger
from concertmaster.tools.plans import MIGRATIONS as PLANS
from concertmaster.tools.plans import Plans

if TYPE_CHECKING:
    from concertmaster.models.classifier import IntentModel
    from concertmaster.retrieval.embeddings import Embedder

__all__ = ["MIGRATIONS", "open_desk", "open_library"]

MIGRATIONS = (
    *AUDIT,
    *RUNS,
    *APPROVALS,
    *BASES,
    *LEDGER,
    *JOURNAL,
    *PLANS,
    *RETIRED,
    *RETENTION,
    *OUTBOX,
    *FEEDBACK,
    *SPENDING,
)


@asynccontextmanager
async def open_desk(
    workspace: str | Path | Workspace,
    *,
    home: str | Path | None = None,
    model: Any = None,
    resolve: Resolver | None = None,
    embedder: Embedder | None = None,
    draft: bool = False,
    recover: bool = True,
    sync: bool = True,
    wait: float | None = None,
) -> AsyncIterator[Desk]:
    """Open a workspace and close it again.

    Args:
        workspace: its folder, or one built in Python.
        home: where its data lie; a folder named after it under CONCERTMASTER_HOME by default.
        model: `openai:NAME`, the URL of an OpenAI-compatible server, or a LangChain chat model;
            none by default.
        resolve: returns the principal behind an id with the roles it has now.
        embedder: another embedding than the built-in one.
        draft: open it even though the readiness gate found errors.
        recover: take up runs that a vanished process left.
        sync: bring the index up to date with the workspace's documents first.
        wait: seconds to wait for a home in which another process works; by default ten, and until
            the lease of one that shows no sign of life has run out.

    Raises:
        WorkspaceError: its files cannot be read.
        NotReady: the readiness gate found errors.
        HomeError, StorageError, PolicyError, IndexMismatch, ConfigError.
    """
    loaded = workspace if isinstance(workspace, Workspace) else Workspace.load(workspace)
    _gate(loaded, draft)
    place = Home.prepare(_place(home, loaded.name), loaded.path, wait)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(place.close)
        async with place.busy():
            database = Database.open(place.database, MIGRATIONS, fence=place)
            stack.callback(database.close)
            redaction = Redaction(loaded.spec.workflow.redaction)
            redact_logs(redaction.told)
            trail = Trail(database, loaded.name, redact=redaction.told.clean)
            runs = Runs(database, trail)
            await arrive(place, trail, runs)
            library = open_library(loaded, place, embedder)
            if library is not None:
                stack.callback(library.close)
                if sync:
                    tell_ingest(trail, await library.sync())
                    await trail.flush()
            services = await _services(
                loaded, place, trail, library, _Options(model, embedder, draft, redaction)
            )
        await stack.enter_async_context(kept_open(loaded.toolbox.values()))
        people = People(loaded.spec.principals.principals, resolve)
        sessions = Sessions(people.find)
        saver = await stack.enter_async_context(
            checkpointer(place.database, database.writing, place)
        )
        graph = shown_offline(compile_graph(services, sessions, saver))
        desk = Desk(
            home=place,
            database=database,
            services=services,
            graph=graph,
            people=people,
            runs=runs,
            segments=Segments(graph, services, sessions, runs, place.database),
            workspace=loaded.path,
            library=library,
        )
        stack.push_async_callback(desk.close)
        desk.begin_notices()
        place.arrived = partial(arrive, place, trail, runs)
        if recover:
            await desk.recover()
            place.recover = desk.take_up
        desk.keep_bounds()
        yield desk


@dataclass(frozen=True)
class _Options:
    model: Any
    embedder: Embedder | None
    draft: bool
    redaction: Redaction


def open_library(
    workspace: Workspace, home: Home, embedder: Embedder | None = None
) -> Library | None:
    """Open the index of a home; None if the workspace declares no knowledge.

    Raises:
        IndexMismatch: it was made with another embedding; `Library.rebuild` makes it anew.
    """
    spec = workspace.spec.workflow.knowledge
    if spec is None:
        return None
    folder = workspace.path or Path()
    tenants = {t: tuple(folder / p for p in own.paths) for t, own in spec.tenants.items()}
    return Library(home, workspace.knowledge, spec, embedder, tenants)


def _place(home: str | Path | None, name: str) -> Path:
    return Path(home).expanduser() if home else base_dir() / name


def _gate(workspace: Workspace, draft: bool) -> None:
    problems = check(workspace)
    errors = [p for p in problems if p.severity == "error"]
    if errors and not draft:
        listed = "\n".join(f"  {p}" for p in errors[:10])
        more = f"\n  … and {len(errors) - 10} more" if len(errors) > 10 else ""
        raise NotReady(
            f"workspace {workspace.name!r} is not ready:\n{listed}{more}",
            hint="`concertmaster check` lists everything; draft=True (--draft) opens it anyway",
            problems=tuple(problems),
        )


async def _services(
    workspace: Workspace,
    home: Home,
    trail: Trail,
    library: Library | None,
    options: _Options,
) -> Services:
    shapes = workspace.toolbox.shapes()
    database = trail.database
    knowledge = library.knowledge if library else None
    await asyncio.to_thread(workspace.toolbox.prepare, home.data)
    spending = Spending(database, workspace.spec.workflow.budgets)
    await spending.settle_left()
    return Services(
        name=workspace.name,
        spec=workspace.spec,
        toolbox=workspace.toolbox,
        gate=Gate(_engine(workspace, options.draft), shapes, workspace.name),
        approvals=Approvals(database, trail),
        plans=Plans(database, trail),
        carrier=Carrier(
            Ledger(database, trail),
            Artifacts(home.artifacts),
            trail,
            Journal(trail),
            options.redaction.stored,
        ),
        trail=trail,
        bases=Bases(trail, shapes),
        spending=spending,
        models=await asyncio.to_thread(_models, workspace, options.model),
        predictors=await asyncio.to_thread(_predictors, workspace),
        knowledge=knowledge,
        classifier=await asyncio.to_thread(
            _classifier, workspace, home, library.embedder if library else options.embedder
        ),
        data_dir=home.data,
        customs=_customs(workspace),
        redaction=options.redaction,
        embedder=library.embedder if library else None,
    )


def _models(workspace: Workspace, model: Any) -> Models:
    return Models.of(model, workspace.spec.models, folder=workspace.path, makers=workspace.makers)


def _predictors(workspace: Workspace) -> Predictors:
    declared = workspace.spec.models.predictors
    return Predictors([load_predictor(p, workspace.path, workspace.makers) for p in declared])


def _engine(workspace: Workspace, draft: bool) -> PolicyEngine:
    """Load the policies; a draft whose policies are unsound has none, so everything is denied."""
    shapes = workspace.toolbox.shapes()
    unsound = draft and check_policies(workspace.policies, shapes)
    return PolicyEngine.load(None if unsound else workspace.policies, shapes)


def _classifier(workspace: Workspace, home: Home, embedder: Embedder | None) -> IntentModel | None:
    """Load the trained classifier, or train it when the utterances changed."""
    intents = workspace.spec.intents
    if not intents.intents:
        return None
    from concertmaster.models.classifier import IntentModel
    from concertmaster.retrieval.embeddings import default_embedder

    used = embedder or default_embedder()
    examples = {i.name: list(i.utterances) for i in intents.intents}
    fingerprint = IntentModel.fingerprint_of(examples, intents.out_of_scope, used.name)
    stored = home.intents / "model.npz"
    if stored.is_file():
        # One that is damaged, or of another release, is made anew like one that is out of date.
        with contextlib.suppress(StorageError):
            model = IntentModel.load(stored, used.embed)
            if model.fingerprint == fingerprint:
                return model
    model = IntentModel.train(examples, intents.out_of_scope, used.embed, used.name)
    model.save(stored)
    return model


def _customs(workspace: Workspace) -> Mapping[str, Any]:
    return workspace.customs
