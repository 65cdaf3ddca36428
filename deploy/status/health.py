"""What /api/health says, asked without the API: it may be what is down."""

from dataclasses import dataclass

from rich.text import Text

from api.probes import Probes, probes
from deploy.status.ask import queue
from deploy.status.text import BAD, GOOD, line, listed


@dataclass(frozen=True, slots=True)
class Finding:
    """A part without which nobody is told, and why it works or does not."""

    name: str
    works: bool
    reason: str


def read() -> list[Finding]:
    """Probe each part (api/probes.py)."""
    report = Probes(probes(queue())).report()
    return [Finding(name, works, reason) for name, (works, reason) in report.items()]


def lines(part: list[Finding]) -> list[Text]:
    """Say it: what works in one line, what is down in a line of its own."""
    well = [line((each.name, GOOD)) for each in part if each.works]
    ill = [line((each.name, BAD), f" {each.reason}") for each in part if not each.works]
    return ([listed(well).append(" work" if len(well) > 1 else " works")] if well else []) + ill
