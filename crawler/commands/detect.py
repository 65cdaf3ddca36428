"""`scrapy detect URL`: which platform a page belongs to, and its desk's YAML, ready to be read and put in service."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, ClassVar

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from configs.browser_binary import missing_browser
from configs.prefecture import Prefecture, UnknownPrefecture, prefecture
from configs.settings import SettingsRefused
from configs.strict_yaml import ConfigFileError
from crawler.fetching.ssrf_guard import refuse_private
from crawler.platform_detection import report
from crawler.platform_detection.identify import identify_page, is_web, own_addresses, page_of
from crawler.platform_detection.lookups import read_choices
from crawler.platform_detection.page_fetcher import PageFetcher
from crawler.platform_detection.page_search import Findings, find_desks, search_desks
from crawler.reading import Page
from crawler.settings import DOWNLOAD_MAXSIZE
from crawler.url_policy import AddressRefused

_REQUESTS = 30
_CHECKED = 3  # desks that are asked how they answer now
_UNKNOWN = 1  # the exit code
_STOPPED = 130  # as shells count Ctrl-C
_UNASKED = report.Said("not asked: nothing is, with --file")


class Command(ScrapyCommand):
    """Prints desks as YAML entries with comments; what it asks meanwhile goes to standard error."""

    requires_crawler_process = False
    default_settings: ClassVar[dict[str, Any]] = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        """Return the arguments."""
        return "URL [--browser] | [URL] --file SAVED"

    def short_desc(self) -> str:
        """Say in one line what it does."""
        return "Name the platform of a booking page, how it answers, and its desk's YAML"

    def long_desc(self) -> str:
        """Say what it prints, and how it ends."""
        return (
            'Opens a booking page, or a page that leads to some (a prefecture\'s "prendre rendez-vous"), and prints '
            "each desk it finds as an entry for configs/prefectures/<id>.yaml; what it saw stands in comments. Gently: "
            "a host is asked six times a minute. Ends with 0 where a platform was named, 1 where none was, 2 where "
            "what it was given is wrong."
        )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--file", type=Path, help="read this saved page instead; nothing is asked")
        parser.add_argument(
            "--browser",
            action="store_true",
            help="open pages in a browser, so that their scripts run (slow, try HTTP first)",
        )
        parser.add_argument("--prefecture", metavar="ID", help="whose desks these are, e.g. bobigny_93")
        parser.add_argument(
            "--requests", type=int, default=_REQUESTS, help=f"how many it may make ({_REQUESTS} unless given)"
        )

    def run(self, args: list[str], opts: Namespace) -> None:
        """Print what was found; the exit code says whether a platform was named."""
        if len(args) > 1 or not (args or opts.file) or any(arg.startswith("-") for arg in args):
            raise UsageError(f"expected URL, or --file SAVED, not {' '.join(args) or 'nothing'}")
        if opts.browser and opts.file:
            raise UsageError("--browser opens addresses: leave it out with --file", print_help=False)
        if opts.browser and (missing := missing_browser()):
            raise UsageError(f"--browser: {missing}", print_help=False)
        if opts.requests < 1:
            raise UsageError("--requests is at least 1", print_help=False)
        try:
            place = prefecture(opts.prefecture) if opts.prefecture else None
            if opts.file:
                shown = _inspect_file(opts.file, args[0] if args else None, place)
            else:
                refuse_private(args[0])
                shown = asyncio.run(_inspect_address(args[0], place, opts.requests, browser=opts.browser))
        except (AddressRefused, ConfigFileError, NotReadable, SettingsRefused, UnknownPrefecture) as error:
            raise UsageError(str(error), print_help=False) from error
        except KeyboardInterrupt:
            raise SystemExit(_STOPPED) from None
        print(shown, end="")
        self.exitcode = _UNKNOWN if report.UNKNOWN in shown.partition("\n")[0] else 0


class NotReadable(ValueError):
    """A saved page cannot be read; the text says which, why, and what to do."""


async def _inspect_address(url: str, place: Prefecture | None, requests: int, *, browser: bool) -> str:
    place = place or report.at_home(url)
    department = place.department if place else None
    async with PageFetcher(requests, _wait, browser=browser) as opener:
        findings = await search_desks(opener, url, lambda each: _say(f"looking at {each}"), department)
        findings.found = [report.add_department(found, place) for found in findings.found]
        said = [report.Said(f"not asked: only the first {_CHECKED} are")] * len(findings.found)
        for number, found in enumerate(findings.found[:_CHECKED]):
            said[number] = await report.check_desk(opener, found, place, _say)
    return _format_findings(findings, said, url, place)


def _inspect_file(path: Path, url: str | None, place: Prefecture | None) -> str:
    page = _page(path, url)
    place = place or report.at_home(page.url)
    found = [report.add_department(each, place) for each in find_desks(page)]
    own = (
        len(found) == 1
        and (found[0].url == page.url or identify_page(page))
        and not read_choices(found[0].sign.platform, page)
    )
    said = [report.read_saved(each, page) if own else _UNASKED for each in found]
    return _format_findings(Findings(found, [page]), said, page.url, place)


def _page(path: Path, url: str | None) -> Page:
    """Read a saved page.

    Raises:
        NotReadable: it is missing, too large, or no text.
    """
    try:
        with path.open("rb") as file:
            body = file.read(DOWNLOAD_MAXSIZE + 1)
    except OSError as error:
        raise NotReadable(f"cannot read {path}: {error.strerror}: check the path") from error
    if len(body) > DOWNLOAD_MAXSIZE:
        raise NotReadable(f"{path} is larger than {DOWNLOAD_MAXSIZE:,} bytes, which no booking page is")
    if b"\0" in body or not body.strip():
        raise NotReadable(f"{path} is no text: save the page as HTML, or its answer as JSON")
    if url and not is_web(url):
        raise NotReadable(f"{url!r} is no address of a page: write it as https://…")
    here = path.absolute().as_uri()
    traces = filter(is_web, own_addresses(page_of(here, body)))
    return page_of(url or next(traces, here), body)


def _format_findings(
    findings: Findings, said: list[report.Said], start: str, place: Prefecture | None
) -> str:
    if not findings.found:
        return report.describe_unknown(findings)
    taken = [desk.slug for desk in place.desks] if place else []
    shown = []
    for found, each in zip(findings.found, said, strict=True):
        text, slug = report.describe_desk(found, each, start, place, taken)
        taken.append(slug)
        shown.append(text)
    return "\n".join(shown)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _wait(seconds: float, host: str) -> None:
    _say(f"leaving {host} alone for {seconds:.0f} s")
