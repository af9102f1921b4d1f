"""The real `openai` client, for each of the people, against a server on the loopback."""

import contextlib

import openai
import pytest

from concertmaster.serving.app import create_app


@pytest.fixture
async def url(refunds, auth, serve) -> str:
    """Serve the small workspace; return the base URL that clients are given."""
    return f"{await serve(create_app(refunds, auth=auth))}/v1"


@pytest.fixture
async def client_for():
    """Return what makes somebody's asynchronous client: `client_for(url, "ana")`."""
    async with contextlib.AsyncExitStack() as stack:

        def make(url: str, who: str) -> openai.AsyncOpenAI:
            client = openai.AsyncOpenAI(base_url=url, api_key=f"{who}-token", max_retries=0)
            stack.push_async_callback(client.close)
            return client

        yield make


@pytest.fixture
def ana(url, client_for) -> openai.AsyncOpenAI:
    """Ana's client: a customer."""
    return client_for(url, "ana")


@pytest.fixture
def li(url, client_for) -> openai.AsyncOpenAI:
    """Li's client: finance."""
    return client_for(url, "li")


@pytest.fixture
def ben(url, client_for) -> openai.AsyncOpenAI:
    """Ben's client: another customer."""
    return client_for(url, "ben")


@pytest.fixture
def said():
    """Return what makes the messages of a chat: one of the user, after others."""

    def messages(text: str, *before: dict) -> list[dict]:
        return [*before, {"role": "user", "content": text}]

    return messages
