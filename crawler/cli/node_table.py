"""Table of nodes for operators: what each machine may run, runs and is to run."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from configs.node_report import NodeStatus, Share
from crawler.cli.tables import aligned

_HEADINGS = ("NODE", "SEEN", "RUNS", "SHARE", "LIMIT", "BROWSER", "LOAD", "VERSION", "DRAINED")
_NOTHING = "-"


def table(nodes: Sequence[NodeStatus], drained: Mapping[str, tuple[datetime, str]]) -> str:
    """Return nodes as a table for a terminal; instants in UTC."""
    if not nodes:
        return "no node: no keeper has reported within a day"
    return aligned([_HEADINGS, *(_row(each, drained.get(each.name)) for each in nodes)])


def _row(node: NodeStatus, order: tuple[datetime, str] | None) -> tuple[str, ...]:
    report, order_text = node.report, f"{order[0]:%Y-%m-%d %H:%M:%SZ}: {order[1]}" if order else _NOTHING
    if report is None:
        return (node.name, f"gone since {node.seen_at:%Y-%m-%d %H:%M:%SZ}", *([_NOTHING] * 6), order_text)
    return (
        node.name,
        f"{node.seen_at:%H:%M:%SZ}",
        "scrapyd is away" if report.away_since else _write(report.running),
        _write(node.share),
        _NOTHING if report.processes is None else str(report.processes),
        "yes" if report.browser else "no",
        f"{report.load:.1f} of {report.cores}",
        report.version,
        order_text,
    )


def _write(share: Share | None) -> str:
    if share is None:
        return _NOTHING
    return ",".join(f"{queue}:{number}" for queue, number in sorted(share.items())) or "nothing"
