"""`scrapy read PLATFORM FILE...`: what a platform's reader makes of saved pages. No network, no database."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from configs.ground.clock import clock
from configs.world.desk import HOME_ZONE, zone_of
from crawler.classification import classify_page
from crawler.commands import OperatorCommand
from crawler.discovery.identify import own_addresses, page_of, understands
from crawler.parsing.dates import local_iso
from crawler.platforms import Platform, UnknownPlatform, example, platform
from crawler.reading import CoveredWindow, Page, PageRequest, Reading, Slot


class Command(OperatorCommand, ScrapyCommand):
    """Reads files and prints one JSON object for each, on a line of standard output.

    Its `outcome` is null where the page only leads on; `reason` is the evidence, `next` what would be asked, or when.
    """

    SYNTAX = "PLATFORM FILE... [--url URL] [--status CODE]"
    SHORT = "Say what a platform's reader makes of saved pages"

    def add_options(self, parser: ArgumentParser) -> None:
        """Add what a file does not say itself."""
        super().add_options(parser)
        parser.add_argument(
            "--url", help="where the page came from (unless given, the address that the file names)"
        )
        parser.add_argument("--status", type=int, default=200, help="its HTTP status (200 unless given)")

    def carry_out(self, args: list[str], opts: Namespace) -> None:
        """Print what each file says; where an argument is wrong, exit with 2 before anything is printed."""
        if len(args) < 2 or any(arg.startswith("-") for arg in args):  # noqa: PLR2004 -- a platform and a file
            raise UsageError(f"expected PLATFORM FILE..., not {' '.join(args) or 'nothing'}")
        try:
            reader = platform(args[0])
            pages = [(name, _page(reader, Path(name).read_bytes(), opts)) for name in args[1:]]
        except (UnknownPlatform, ValueError) as error:
            raise UsageError(str(error), print_help=False) from error
        except OSError as error:
            raise UsageError(f"cannot read {error.filename}: {error.strerror}", print_help=False) from error
        for name, page in pages:
            said = describe(classify_page(reader, page), page.visit.zone)
            print(json.dumps({"file": name} | said, ensure_ascii=False))


def _page(reader: Platform, body: bytes, opts: Namespace) -> Page:
    """Build the page as the crawl would have it, as if it had come today."""
    zone = zone_of(HOME_ZONE)
    today = clock().astimezone(zone).date()
    named = (each for each in own_addresses(page_of(reader.EXAMPLE, body)) if understands(reader, each))
    url = opts.url or next(named, reader.EXAMPLE)
    visit = example(reader, today, zone, url)
    reader.first_request(visit)  # an address that is not this platform's is refused here, in its words
    return Page(url, opts.status, body, visit, PageRequest(url))


def describe(reading: Reading, zone: ZoneInfo) -> dict[str, Any]:
    """Return a reading as JSON values; instants in the desk's zone, with their offset."""
    following = [{"at": local_iso(reading.next_at, zone)}] if reading.next_at else []
    following += map(_describe_request, reading.asks)
    return {
        "outcome": reading.outcome,
        "slots": [_describe_slot(slot, zone) for slot in reading.slots],
        "covered": [_describe_window(covered) for covered in reading.covered],
        "reason": reading.reason,
        "next": following or None,
    } | ({"releases_at": local_iso(reading.releases_at, zone)} if reading.releases_at else {})


def _describe_slot(slot: Slot, zone: ZoneInfo) -> dict[str, Any]:
    return {"starts_at": local_iso(slot.moment, zone), "place": slot.place.label or slot.place.key or None}


def _describe_window(covered: CoveredWindow) -> dict[str, Any]:
    return {
        "place": covered.place_key,
        "first": covered.first and covered.first.isoformat(),
        "last": covered.last and covered.last.isoformat(),
    }


def _describe_request(ask: PageRequest) -> dict[str, Any]:
    bodies = {"form": dict(ask.form), "json": ask.json, "text": ask.text}
    body = {kind: sent for kind, sent in bodies.items() if sent}
    place = {"place": ask.place.label or ask.place.key} if ask.place.key else {}
    return {"method": ask.method, "url": ask.url} | body | place
