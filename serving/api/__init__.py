"""Threads, runs and approvals over HTTP."""
