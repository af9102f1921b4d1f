"""What the small workspaces of tests are written with: a step in short, files in a folder."""

from collections.abc import Mapping
from pathlib import Path

_STEP = """\
  - id: {id}
    agent: {agent}
    owner: ops
    purpose: {purpose}
    input: [{reads}]
    model: {model}
    tools: [{tools}]
    permission: {permission}
    review: {review}
    success_metric: {{name: {metric}, target: {target}}}
    timeout: {timeout}
    retry: {{attempts: 1}}
    fallback: escalate
"""


def step(
    id: str,
    purpose: str,
    *,
    agent: str | None = None,
    reads: str = "request",
    model: str = "none",
    tools: str = "",
    policy: str | None = None,
    metric: str = "done",
    target: float = 1.0,
    timeout: str = "10s",
    playbook: str | None = None,
) -> str:
    """Return a step as it stands in a workflow, with a line for each field.

    Args:
        id: its name, and its agent's if that is not given.
        purpose: what it is for, a sentence.
        agent: who does it.
        reads: its inputs.
        model: what it needs of a model.
        tools: those that it may call.
        policy: the file that permits its calls, which then decides about reviews, too.
        metric: what it is measured by.
        target: the metric's.
        timeout: how long it may take.
        playbook: the plan that it follows.
    """
    written = _STEP.format(
        id=id,
        agent=agent or id,
        purpose=purpose,
        reads=reads,
        model=model,
        tools=tools,
        permission=policy or "none",
        review="policy" if policy else "none",
        metric=metric,
        target=target,
        timeout=timeout,
    )
    return written + (f"    playbook: {playbook}\n" if playbook else "")


def write_workspace(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a workspace's files, by their paths, into a folder, and return the folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder
