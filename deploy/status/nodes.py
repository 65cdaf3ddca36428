"""Lines of the screen about nodes: the machines that run spiders."""

from rich.text import Text

from configs.clock import clock
from configs.formatting import format_duration
from configs.node_report import NodeReport, NodeStatus
from deploy.status.text import BAD, DIM, GOOD, line

_GB = 1000  # MB


def lines(part: list[NodeStatus]) -> list[Text]:
    """Return a line per node."""
    return [_node_line(each) for each in part] or [line(("none reports: is `scrapy keep` running?", BAD))]


def _node_line(each: NodeStatus) -> Text:
    if each.report is None:
        return line(f"{each.name} ", ("gone", BAD), f" for {format_duration(clock() - each.seen_at)}")
    return line(f"{each.name} ").append_text(_report_line(each.report))


def _report_line(report: NodeReport) -> Text:
    runs = ", ".join(f"{queue} {number}" for queue, number in sorted(report.running.items()))
    run = line(("scrapyd is down ", BAD) if report.away_since else "", (runs or "runs nothing", GOOD))
    free, whole = report.memory_free_mb / _GB, report.memory_mb / _GB
    run.append(f", load {report.load:.1f} on {report.cores}, {free:.1f} of {whole:.1f} GB free")
    if report.spool:
        run.append(f", {report.spool} proofs on the way")
    browser = "" if report.browser else "no browser, "
    return run.append(f" {browser}version {report.version[:8]}", DIM)
