"""Report of a discovery run: text for people, JSON for programs, and YAML blocks to review.

No program of ours reads a report.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from configs.clock import clock
from configs.formatting import pluralize
from configs.prefecture import Prefecture, desks, prefecture
from configs.settings import settings
from crawler.discovery.observations import Fact
from crawler.discovery.results import FoundPage, KnownPages, RunResult, addresses, evaluate_run
from crawler.discovery.site_links import key
from crawler.platform_detection.draft import DeskDraft
from crawler.platform_detection.identify import by_address

_HEAD = "# Found by discovery on {day}; no person has opened these pages. Review, complete, copy under `desks:`.\n"


@dataclass(frozen=True, slots=True)
class DiscoveryReport:
    """The result of a run, and the desks that it took out of sale or put back."""

    outcome: RunResult
    started_at: datetime
    ended_at: datetime
    new: tuple[str, ...] = ()  # desks that are out of sale since this run
    back: tuple[str, ...] = ()  # desks that are linked again


def write(report: DiscoveryReport, state: Path, of: str = "") -> Path:
    """Write a report to `discovery/<date>/` below the state folder, in place of an earlier one of that day.

    `of` names the sites, if the run did not visit all: such a report has its own folder. Return the folder.

    Raises:
        OSError: it cannot be written.
    """
    folder = state / "discovery" / f"{report.started_at:%Y-%m-%d}" / of
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.txt").write_text(text(report), "utf-8")
    (folder / "report.json").write_text(
        json.dumps(to_json(report), ensure_ascii=False, indent=1) + "\n", "utf-8"
    )
    for stale in folder.glob("*.yaml"):
        stale.unlink()
    for name, blocks in yaml_blocks(report).items():
        (folder / f"{name}.yaml").write_text(blocks, "utf-8")
    return folder


def text(report: DiscoveryReport) -> str:
    """Return the report for people; what needs action comes first."""
    outcome = report.outcome
    new = [f"{desk}: {sign.reason}: {sign.detail}" for desk, sign in outcome.drifted if desk in report.new]
    still = [
        f"{desk}: {sign.reason}: {sign.detail}" for desk, sign in outcome.drifted if desk not in report.new
    ]
    parts = (
        (
            "Booking pages that no file has (to review: the YAML files beside this report)",
            map(_describe_found, outcome.found),
        ),
        ("Desks whose page seems to have moved: out of sale now", new),
        ("Desks whose page still seems to have moved", still),
        ("Desks that are linked again", report.back),
        ("Desks that the files call stale or retired, and that are linked", outcome.former),
        ("Pages that prove nothing", _doubts(outcome)),
        ("Sites not walked to their end", (each.prefecture_id for each in outcome.walked if each.cut)),
    )
    head = f"Discovery of {report.started_at:%Y-%m-%d %H:%M} UTC, ended {report.ended_at:%H:%M}: {_summary(outcome)}\n"
    return head + "".join(_part(title, list(lines)) for title, lines in parts)


def to_json(report: DiscoveryReport) -> dict[str, Any]:
    """Return the report as JSON values."""
    outcome = report.outcome
    return {
        "startedAt": report.started_at.isoformat(),
        "endedAt": report.ended_at.isoformat(),
        "sites": [
            {"prefectureId": each.prefecture_id, "pages": dict(each.counts), "cut": each.cut}
            for each in outcome.walked
        ],
        "found": [
            {
                "prefectureId": each.prefecture_id,
                "url": each.url,
                "text": each.text,
                "platform": each.platform,
                "pages": list(each.pages),
            }
            for each in outcome.found
        ],
        "drifted": [
            {"deskId": desk, "reason": sign.reason, "detail": sign.detail, "new": desk in report.new}
            for desk, sign in outcome.drifted
        ],
        "back": list(report.back),
        "linked": {
            desk: sorted(page.url for page in pages) for desk, pages in sorted(outcome.linked.items())
        },
        "former": list(outcome.former),
        "doubts": [
            {"prefectureId": each.prefecture_id, "url": url, "detail": detail}
            for each in outcome.walked
            for url, detail in each.doubts
        ],
    }


def yaml_blocks(report: DiscoveryReport) -> dict[str, str]:
    """Return, for each prefecture with new pages, the text of a YAML file to review."""
    blocks: dict[str, list[str]] = defaultdict(list)
    taken = {id_: {each.slug for each in prefecture(id_).desks} for id_ in _places(report.outcome.found)}
    for each in report.outcome.found:
        blocks[each.prefecture_id].append(_block(each, report.started_at, taken[each.prefecture_id]))
    day = f"{report.started_at:%Y-%m-%d}"
    return {name: _HEAD.format(day=day) + "".join(those) for name, those in blocks.items()}


def _places(found: Iterable[FoundPage]) -> set[str]:
    return {each.prefecture_id for each in found}


def _block(found: FoundPage, day: datetime, taken: set[str]) -> str:
    """Return a page's entry and add its slug to those taken."""
    sign = by_address(found.url)
    if sign is None:
        return f"  # No platform recognises this address: {found.url} ({found.text!r}, linked by {found.pages[0]})\n"
    remarks = (
        () if sign.complete else (f"{sign.platform} needs parameters that no address tells: scrapy detect",)
    )
    source = f"linked by {found.pages[0]} as {found.text!r}"
    draft = DeskDraft(
        sign, sign.url or found.url, found.text, source, day.date(), lacks=sign.missing, remarks=remarks
    )
    made = draft.block(taken)
    taken.add(str(draft.entry(taken)["slug"]))
    return made


def _describe_found(each: FoundPage) -> str:
    platform = each.platform or "platform unknown"
    return f"{each.prefecture_id}: {each.url} ({platform}) {each.text!r}, linked by {each.pages[0]}"


def _doubts(outcome: RunResult) -> Iterator[str]:
    return (f"{url}: {detail}" for each in outcome.walked for url, detail in each.doubts)


def _summary(outcome: RunResult) -> str:
    pages = sum(sum(each.counts.values()) for each in outcome.walked)
    walked = sum(bool(each.counts) for each in outcome.walked)
    read = f"{pluralize(pages, 'page')} of {pluralize(walked, 'site')}"
    return f"{read}, {len(outcome.found)} new, {len(outcome.drifted)} moved"


def _part(title: str, lines: list[str]) -> str:
    return "" if not lines else f"\n{title}\n" + "".join(f"  {line}\n" for line in lines)


def print_report(places: Sequence[Prefecture], facts: list[Fact], reason: str) -> None:
    """Print and write the report of a run at the terminal. It changes no table, and no desk counts as moved."""
    now = clock()
    cut = frozenset() if reason == "finished" else frozenset(place.id for place in places)
    owners = addresses(desks().values())
    outcome = evaluate_run(facts, places, KnownPages(owners, cut=cut), now)
    made = DiscoveryReport(outcome, now, now)
    folder = write(made, settings().state_dir, "-".join(place.id for place in places))
    said = text(made) + "".join(desk_links(places, outcome, owners))
    print(said, f"\nWritten to {folder}", sep="", file=sys.stdout)  # noqa: T201 -- it is run at a terminal


def desk_links(
    places: Sequence[Prefecture], outcome: RunResult, owners: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    """Yield a line for each watched desk: the pages of its site that link it.

    Desks whose address several prefectures share are left out: a link says nothing about one of them (`owners`, see
    `addresses`).
    """
    unsure = {each.prefecture_id for each in outcome.walked if each.cut or each.doubts}
    yield "\nDesks and the pages that link them (whether one has moved, only the daily walk knows: it remembers)\n"
    for desk in (each for place in places for each in place.desks if each.schedulable):
        if len(owners[key(desk.url)]) > 1:
            continue
        pages = ", ".join(sorted(page.url for page in outcome.linked.get(desk.id, ())))
        if pages:
            yield f"  {desk.id}: linked by {pages}\n"
        else:
            more = ", and not all of the site could be read" if desk.prefecture_id in unsure else ""
            yield f"  {desk.id}: linked by no page that was read{more}\n"
