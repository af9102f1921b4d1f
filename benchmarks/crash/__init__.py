"""The parts of `benchmarks/crash.py`."""
