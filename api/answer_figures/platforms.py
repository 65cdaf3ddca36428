"""Platforms of the desks, as parameters of statements that count by platform."""

from configs.world.prefecture import desks


def list_platforms() -> dict[str, list[str]]:
    """Return the desks that the files have, and beside each its platform."""
    known = sorted(desks().values(), key=lambda desk: desk.id)
    return {"desks": [desk.id for desk in known], "platforms": [desk.platform for desk in known]}
