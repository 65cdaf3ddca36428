"""Status of each health part, probed without the API, which may be down itself."""

from dataclasses import dataclass

from rich.text import Text

from api.health.health_checks import HealthChecks, PartState, list_health_checks
from deploy.status.parallel_probe import queue
from deploy.status.text import BAD, GOOD, ODD, join_pieces, line


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """A part, how it is, and why."""

    name: str
    state: PartState
    reason: str


def read_health() -> list[HealthFinding]:
    """Probe each part (api/health/health_checks.py)."""
    report = HealthChecks(list_health_checks(queue())).report()
    return [HealthFinding(name, state, reason) for name, (state, reason) in report.items()]


def lines(part: list[HealthFinding]) -> list[Text]:
    """Say it: what works in one line, what does not in a line of its own."""
    well = [line((each.name, GOOD)) for each in part if each.state is PartState.OK]
    styles = {PartState.DOWN: BAD, PartState.DEGRADED: ODD}
    ill = [line((each.name, styles[each.state]), f" {each.reason}") for each in part if each.state in styles]
    return ([join_pieces(well).append(" work" if len(well) > 1 else " works")] if well else []) + ill
