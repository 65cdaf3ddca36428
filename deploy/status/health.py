"""What /api/health says, asked without the API: it may be what is down."""

from dataclasses import dataclass

from rich.text import Text

from api.probes import Probes, State, probes
from deploy.status.ask import queue
from deploy.status.text import BAD, GOOD, ODD, line, listed


@dataclass(frozen=True, slots=True)
class Finding:
    """A part, how it is, and why."""

    name: str
    state: State
    reason: str


def read() -> list[Finding]:
    """Probe each part (api/probes.py)."""
    report = Probes(probes(queue())).report()
    return [Finding(name, state, reason) for name, (state, reason) in report.items()]


def lines(part: list[Finding]) -> list[Text]:
    """Say it: what works in one line, what does not in a line of its own."""
    well = [line((each.name, GOOD)) for each in part if each.state is State.OK]
    styles = {State.DOWN: BAD, State.DEGRADED: ODD}
    ill = [line((each.name, styles[each.state]), f" {each.reason}") for each in part if each.state in styles]
    return ([listed(well).append(" work" if len(well) > 1 else " works")] if well else []) + ill
