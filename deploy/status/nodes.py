"""Lines of the screen about nodes: the machines that run spiders."""

from collections import Counter

from rich.text import Text

from configs.clock import clock
from configs.formatting import format_duration
from configs.node_report import NodeReport, NodeStatus, Share
from deploy.status.text import BAD, DIM, GOOD, ODD, line

_GB = 1000  # MB


def lines(part: list[NodeStatus]) -> list[Text]:
    """Return a line per node, and one of several nodes together."""
    told = [_node_line(each) for each in part] or [line(("none reports: is `scrapy keep` running?", BAD))]
    return told + ([_sum_line(part)] if len(part) > 1 else [])


def _sum_line(part: list[NodeStatus]) -> Text:
    """Return what runs of each queue and what is to run, of all nodes together."""
    running = sum((Counter(each.report.running) for each in part if each.report), Counter[str]())
    wished = sum((Counter(each.share) for each in part if each.share), Counter[str]())
    return line("together ", (_write_share(running, wished), GOOD if running == wished else ODD))


def _node_line(each: NodeStatus) -> Text:
    head = line(f"{each.name} ", ("drained ", ODD) if each.drained else "")
    if each.report is None:
        style = ODD if each.drained else BAD
        return head.append("gone", style).append(f" for {format_duration(clock() - each.seen_at)}")
    return head.append_text(_report_line(each.report, each.share))


def _report_line(report: NodeReport, share: Share | None) -> Text:
    away = ("scrapyd is down ", BAD) if report.away_since else ""
    run = line(away, (_write_share(report.running, share), GOOD if share == report.running else ODD))
    free, whole = report.memory_free_mb / _GB, report.memory_mb / _GB
    run.append(f", load {report.load:.1f} on {report.cores}, {free:.1f} of {whole:.1f} GB free")
    if report.spool:
        run.append(f", {report.spool} proofs on the way")
    browser = "" if report.browser else "no browser, "
    return run.append(f" {browser}version {report.version[:8]}", DIM)


def _write_share(running: Share, share: Share | None) -> str:
    """Return what runs, and what is to run where that differs: `ants 1, custom 0 of 1`."""
    if share is None:
        return "no share yet"
    parts = []
    for queue in sorted(running.keys() | share.keys()):
        has, gets = running.get(queue, 0), share.get(queue, 0)
        parts.append(f"{queue} {has}" if has == gets else f"{queue} {has} of {gets}")
    return ", ".join(parts) or "runs nothing"
