"""Lines of the screen about how punctual the checks of the last hour were."""

from rich.text import Text

from api.health.check_lateness import CheckLateness
from configs.formatting import pluralize
from deploy.status.text import BAD, GOOD, line

_LATE = 1.0  # seconds at the 95th percentile


def lines(part: CheckLateness | None) -> list[Text]:
    """Say it."""
    if part is None:
        return [line("no desk was checked twice within the hour")]
    late = f"late p50 {part.p50_seconds:.1f} s, p95 {part.p95_seconds:.1f} s"
    style = GOOD if part.p95_seconds <= _LATE else BAD
    looked_at = f"{pluralize(part.gaps, 'interval')} of {pluralize(part.desks, 'desk')} in an hour"
    return [line((late, style), f" · achieved ÷ wished {part.ratio:.2f} · {looked_at}")]
