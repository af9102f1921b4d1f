"""Parts of `benchmarks/serving.py`: a client on plain sockets, the peers, and what is measured."""
