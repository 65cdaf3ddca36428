"""Watches what a browser does during a test: errors, other hosts, and how much each page loads."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

LARGEST_PAGE = (
    61_000  # bytes on the way, with headers, without a cache; 1,000 are the names of nine languages
)
LARGEST_SCRIPTS = 20_000
_EXPECTED = (401, 404, 422)  # answers of a page that its user is meant to see
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
_LEFT = "net::ERR_ABORTED"  # the user went on before the answer came, or it is a file to keep
_LIVE = ("fetch", "xhr")  # asked for again and again while a page is open
_STREAM = "/live/notices"  # of api/stream/, a program of its own: tests of pages do without


@dataclass(slots=True)
class PageLoad:
    """A page that was opened."""

    url: str
    files: dict[str, str] = field(default_factory=dict)  # what it consists of: kind by address


class Watch:
    """What the browsers of one test did."""

    def __init__(self) -> None:
        self._own: set[str] = set()  # origins
        self._expected = set(_EXPECTED)
        self._found: list[str] = []
        self._consoles: list[ConsoleMessage] = []
        self._answers: set[tuple[str, int]] = set()  # of documents: address and status
        self._loads: list[PageLoad] = []
        self._finished: list[Request] = []
        self._sizes: dict[str, int] = {}  # by address

    def trust(self, url: str) -> None:
        """Let the browsers ask the origin of this address."""
        self._own.add(_read_origin(url))

    def expect(self, *statuses: int) -> None:
        """Let pages be answered with these statuses, beside 401, 404 and 422."""
        self._expected |= set(statuses)

    def follow(self, context: BrowserContext) -> None:
        """Watch a context and all its pages."""
        context.on("console", self._note_console)
        context.on("weberror", self._note_error)
        context.on("request", self._note_request)
        context.on("requestfinished", self._note_end)
        context.on("requestfailed", self._note_failure)
        context.on("response", self._note_answer)

    def list_problems(self) -> list[str]:
        """Return what happened and must not, and forget it."""
        found = [*self._found, *self._list_console_problems(), *self._list_large_pages()]
        self._found, self._consoles, self._loads = [], [], []
        return list(dict.fromkeys(found))

    def weigh(self, url: str) -> tuple[int, int]:
        """Return the bytes of all files of the page that was opened last at this address, and those of its scripts."""
        self._measure()
        load = next(each for each in reversed(self._loads) if each.url == url)
        sizes = {url: self._sizes.get(url, 0) for url in load.files}
        return sum(sizes.values()), sum(sizes[url] for url, kind in load.files.items() if kind == "script")

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._consoles.append(message)

    def _note_error(self, error: WebError) -> None:
        self._found.append(
            f"error in a script of {error.page.url if error.page else 'a page'}: {error.error}"
        )

    def _note_request(self, request: Request) -> None:
        if _read_origin(request.url) not in self._own:
            self._found.append(f"request to another host: {request.url}")
        if request.is_navigation_request():
            self._loads.append(PageLoad(request.url))
        if self._loads and request.resource_type not in _LIVE:
            self._loads[-1].files[request.url] = request.resource_type

    def _note_end(self, request: Request) -> None:
        self._finished.append(request)

    def _note_failure(self, request: Request) -> None:
        if request.failure != _LEFT:
            self._found.append(f"failed request: {request.url}: {request.failure}")

    def _note_answer(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self._answers.add((response.url, response.status))

    def _list_console_problems(self) -> list[str]:
        lines = [(each.text, each.location["url"]) for each in self._consoles]
        return [f"console of {url}: {text}" for text, url in lines if not self._is_expected(text, url)]

    def _is_expected(self, text: str, url: str) -> bool:
        """Return whether the line only says how a page itself was answered, or that no stream of notices runs."""
        said = _REFUSED.match(text)
        status = int(said[1]) if said else 0
        is_stream = (status, urlsplit(url).path) == (404, _STREAM)
        return is_stream or (status in self._expected and (url, status) in self._answers)

    def _list_large_pages(self) -> list[str]:
        found = []
        for load in self._loads:
            size, scripts = self.weigh(load.url)
            if size > LARGEST_PAGE or scripts > LARGEST_SCRIPTS:
                found.append(
                    f"{load.url} takes {size} bytes, {scripts} of them scripts: {self._list_sizes(load)}"
                )
        return found

    def _list_sizes(self, load: PageLoad) -> str:
        by_size = sorted(((self._sizes.get(url, 0), url) for url in load.files), reverse=True)
        return ", ".join(f"{size} {urlsplit(url).path}" for size, url in by_size)

    def _measure(self) -> None:
        """Read Chromium's figures (encodedDataLength). A file from its cache counts with what it once took."""
        for request in self._finished:
            sizes = request.sizes()
            size = max(0, sizes["responseHeadersSize"]) + max(0, sizes["responseBodySize"])
            self._sizes[request.url] = max(size, self._sizes.get(request.url, 0))
        self._finished.clear()


def _read_origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
