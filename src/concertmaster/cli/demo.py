"""stub"""

EXAMPLE = "Example: concertmaster demo"


def demo() -> None:
    """Play."""
