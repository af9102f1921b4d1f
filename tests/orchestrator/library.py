"""A desk that answers questions from one document, by models."""

from tests.workspaces import step

QUESTION = "How long do returns take?"
SOURCE = "A return takes 14 days from the day on which the parcel arrives."

FILES = {
    "knowledge/returns.md": f"---\ntitle: Returns\n---\n{SOURCE}\n",
    "principals.yaml": "principals: [{id: ana, roles: [customer]}]\n",
}

_HEAD = """\
workflow: library
owner: ops
success_metric: {name: answered, target: 0.5}
owners: {ops: {role: ops, contact: ops@shop.example}}
knowledge: {paths: [knowledge], default_owner: ops}
limits: {revisions: 1}
steps:
"""


def answering(id: str, purpose: str, *, timeout: str) -> str:
    """Return a step at which a model answers."""
    return step(
        id,
        purpose,
        agent="responder",
        reads="evidence",
        model="{need: chat}",
        metric="told",
        timeout=timeout,
    )


def library(*answers: str, chosen: str, revised: str) -> str:
    """Return its workflow.

    Args:
        answers: the steps that answer.
        chosen: which of them does, as a route says it.
        revised: which of them answers again.
    """
    return (
        _HEAD
        + step("search", "Find.", agent="retriever", metric="found", timeout="20s")
        + "".join(answers)
        + step("critic", "Check.", reads="draft", metric="checked", timeout="20s")
        + f"""\
routes:
  - {{when: "!retrieved", to: search}}
  - {{when: "!sufficient", to: escalate, owner: evidence.owner, why: "no source"}}
  - {{when: "draft == null", {chosen}}}
  - {{when: "verdict == null", to: critic}}
  - {{when: "verdict.status == 'revise' && revisions < 1", to: {revised}}}
  - {{when: "verdict.status == 'pass'", to: finish}}
  - {{to: escalate, owner: ops, why: "the answer is not supported"}}
"""
    )
