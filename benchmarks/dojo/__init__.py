"""Recorded AgentDojo runs, replayed through the gate. `benchmarks/agentdojo_replay.py` runs it.

The folder does not carry the benchmark's own name: scripts in `benchmarks/` would then import it
instead of the installed package.
"""
