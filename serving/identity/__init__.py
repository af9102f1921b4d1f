"""Who is behind a request: API keys, tokens, the host's own sign-in."""
