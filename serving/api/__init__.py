"""The API at /api/v1: threads, runs and approvals, as JSON and server-sent events."""
