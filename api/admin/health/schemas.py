"""Bodies of /api/health."""

from api.schemas import Answer


class Part(Answer):
    """One thing that must work: `ok`, `degraded` (alerts still go out) or `down`, and why."""

    status: str
    reason: str


class Health(Answer):
    """All parts; `status` is that of the worst."""

    status: str
    parts: dict[str, Part]


class Live(Answer):
    """The process answers."""

    status: str = "ok"
