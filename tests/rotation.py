"""Steps of a rotation: what programs that are restarted one by one have side by side."""

from itertools import pairwise

OLD, NEW = "old-key-old-key-old-key-old-key-old-key", "new-key-new-key-new-key-new-key-new-key"
# docs/keys.md: the new value behind the old one, then first, then alone.
STEPS = (OLD, f"{OLD},{NEW}", f"{NEW},{OLD}", NEW)
# What runs beside what, while a step is taken: each of both writes, and each reads what the other wrote.
BESIDE = [pair for before, after in pairwise(STEPS) for pair in ((before, after), (after, before))]
