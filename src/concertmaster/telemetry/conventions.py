"""The names of OpenTelemetry's conventions for generative AI that are used here, of one version.

They are still in development and change from release to release, so they are written down here
rather than taken from whatever version of OpenTelemetry's package is installed.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SCHEMA_URL", "SCOPE", "SEMCONV"]

SEMCONV: Final = "1.41.0"
"""The version of the semantic conventions that spans and metrics follow."""

SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{SEMCONV}"

SCOPE: Final = "concertmaster.telemetry"
"""The name of the instrumentation scope."""

OPERATION: Final = "gen_ai.operation.name"
WORKFLOW: Final = "gen_ai.workflow.name"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT: Final = "gen_ai.agent.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
FINISH: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - no password
TOOL: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL: Final = "gen_ai.tool.call.id"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
ERROR: Final = "error.type"

RUN: Final = "concertmaster.run.id"
EVENT: Final = "concertmaster.event.id"
"""Of the event of the trail that the span begins with."""

_PROVIDERS: Final = {
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "azure_openai": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistralai": "mistral_ai",
    "ibm": "ibm.watsonx.ai",
    "xai": "x_ai",
}


def provider(name: str) -> str:
    """Return what the conventions call a provider; its own name where they have none.

    >>> provider("google_genai"), provider("ollama")
    ('gcp.gemini', 'ollama')
    """
    return _PROVIDERS.get(name, name)
