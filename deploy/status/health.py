"""Lines of the screen about the parts of health."""

from rich.text import Text

from api.health.health_checks import PartState
from api.health.status_report import HealthFinding
from deploy.status.text import BAD, GOOD, ODD, join_pieces, line


def lines(part: list[HealthFinding]) -> list[Text]:
    """Say it: what works in one line, what does not in a line of its own."""
    well = [line((each.name, GOOD)) for each in part if each.state is PartState.OK]
    styles = {PartState.DOWN: BAD, PartState.DEGRADED: ODD}
    ill = [line((each.name, styles[each.state]), f" {each.reason}") for each in part if each.state in styles]
    return ([join_pieces(well).append(" work" if len(well) > 1 else " works")] if well else []) + ill
