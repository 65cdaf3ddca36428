"""Number of random examples: FUZZ times as many as usual (`make fuzz`), other ones in each run."""

import os

FUZZ = int(os.environ.get("FUZZ", "1"))


def times(usual: int) -> int:
    """Return how many examples to try where `usual` are enough for every day."""
    return usual * FUZZ
