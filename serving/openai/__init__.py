"""The protocols of OpenAI that existing chat clients speak."""
