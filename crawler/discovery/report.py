"""Report of a walk for people, as text. No program reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from configs.ground.formatting import pluralize
from crawler.discovery.results import FoundPage, RunResult


@dataclass(frozen=True, slots=True)
class DiscoveryReport:
    """The result of a walk, and the desks that it took out of sale or put back."""

    outcome: RunResult
    started_at: datetime
    ended_at: datetime
    new: tuple[str, ...] = ()  # desks that are out of sale since this walk
    back: tuple[str, ...] = ()  # desks that are linked again


def write(report: DiscoveryReport, state: Path, of: str = "all") -> Path:
    """Write a report to `discovery/<date>-<of>.txt` below the state folder, in place of an earlier one of that day.

    `of` names the sites, if the walk did not visit all. Return the file.

    Raises:
        OSError: it cannot be written.
    """
    file = state / "discovery" / f"{report.started_at:%Y-%m-%d}-{of}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(report), "utf-8")
    return file


def text(report: DiscoveryReport) -> str:
    """Return the report; what needs action comes first."""
    outcome = report.outcome
    signs = {desk: f"{desk}: {sign.reason}: {sign.detail}" for desk, sign in outcome.drifted}
    parts = (
        (
            "Booking pages that no file has (`scrapy detect` drafts an entry)",
            map(_describe_found, outcome.found),
        ),
        (
            "Desks whose page seems to have moved: out of sale now",
            (line for desk, line in signs.items() if desk in report.new),
        ),
        (
            "Desks whose page still seems to have moved",
            (line for desk, line in signs.items() if desk not in report.new),
        ),
        ("Desks that are linked again", report.back),
        ("Desks that the files call stale or retired, and that are linked", outcome.former),
        ("Desks and the pages that link them", _describe_links(outcome)),
        ("Pages that prove nothing", _doubts(outcome)),
        ("Sites not walked to their end", (each.prefecture_id for each in outcome.walked if each.cut)),
    )
    head = f"Discovery of {report.started_at:%Y-%m-%d %H:%M} UTC, ended {report.ended_at:%H:%M}: {_summary(outcome)}\n"
    return head + "".join(_part(title, list(lines)) for title, lines in parts)


def _describe_found(each: FoundPage) -> str:
    platform = each.platform or "platform unknown"
    return f"{each.prefecture_id}: {each.url} ({platform}) {each.text!r}, linked by {each.pages[0]}"


def _describe_links(outcome: RunResult) -> Iterator[str]:
    for desk, pages in sorted(outcome.linked.items()):
        yield f"{desk}: linked by {', '.join(sorted(page.url for page in pages))}"


def _doubts(outcome: RunResult) -> Iterator[str]:
    return (f"{url}: {detail}" for each in outcome.walked for url, detail in each.doubts)


def _summary(outcome: RunResult) -> str:
    pages = sum(sum(each.counts.values()) for each in outcome.walked)
    walked = sum(bool(each.counts) for each in outcome.walked)
    read = f"{pluralize(pages, 'page')} of {pluralize(walked, 'site')}"
    return f"{read}, {len(outcome.found)} new, {len(outcome.drifted)} moved"


def _part(title: str, lines: list[str]) -> str:
    return "" if not lines else f"\n{title}\n" + "".join(f"  {line}\n" for line in lines)
