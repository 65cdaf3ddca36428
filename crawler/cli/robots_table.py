"""Table of the decisions about robots.txt and terms, by host; those still unread come first."""

from collections import Counter
from collections.abc import Iterable

from configs.world.desk import Desk
from configs.world.host_rule import Decision, HostRule, Robots
from configs.world.prefecture import host_rules
from crawler.cli.tables import aligned

_HEADINGS = ("HOST", "DESKS", "ROBOTS", "SINCE", "READ", "REASON")
_ORDER = tuple(Decision)  # what is unread comes first: it is what is to be done
_UNNAMED = "no file says anything of it"
_SECURE = "443"


def describe_decision(host: str) -> str:
    """Return the decision about a host (`name:port`) in few words: `unread`, `allowed 2026-11-20`."""
    robots = _robots(host)
    if robots is None or robots.decision is Decision.UNREAD:
        return Decision.UNREAD.value
    return f"{robots.decision.value} {robots.date}"


def decision_table(desks: Iterable[Desk]) -> str:
    """Return a table of the hosts of desks that are watched, or would be if their hosts allowed it; unread first."""
    found = Counter(desk.host for desk in desks if desk.schedulable or desk.refused)
    rows = sorted(
        (_row(host, count) for host, count in found.items()),
        key=lambda row: (_ORDER.index(Decision(row[2])), -int(row[1]), row[0]),
    )
    return aligned([_HEADINGS, *rows]) if rows else "no desk of these is watched"


def _robots(host: str) -> Robots | None:
    return host_rules().get(host, HostRule()).robots


def _row(host: str, desks: int) -> tuple[str, ...]:
    robots = _robots(host)
    name, _, port = host.rpartition(":")
    address = f"https://{name}" if port == _SECURE else f"http://{host}"
    said = (robots.decision.value, str(robots.date)) if robots else (Decision.UNREAD.value, "-")
    return (host, str(desks), *said, f"{address}/robots.txt", robots.reason if robots else _UNNAMED)
