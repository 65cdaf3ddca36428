"""Bare Scrapy on the same pages: its defaults, the same concurrency, one CSS query a page, nothing kept.

`python -m deploy.bench.bare_scrapy HOSTS PORT CONCURRENCY SECONDS` prints {pages, seconds, cpu} as JSON. The same three
requests a visit as the product makes, driven by callbacks as Scrapy's tutorial does.
"""

import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response, TextResponse

from deploy.bench.pages import FORM, address


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Bare(scrapy.Spider):
    """Visits host after host until the time is up."""

    name = "bare"

    def __init__(self, hosts: int, port: int, places: int, seconds: float, **given: Any) -> None:
        super().__init__(**given)
        self.hosts, self.port, self.places, self.seconds = hosts, port, places, seconds
        self.pages, self.visits = 0, 0
        self.began, self.cpu_began = 0.0, 0.0

    async def start(self) -> AsyncIterator[Any]:
        """Begin as many visits as there are places; each end of a visit begins the next."""
        self.began, self.cpu_began = time.monotonic(), _cpu()
        for _ in range(self.places):
            yield self._visit()

    def _visit(self) -> scrapy.Request:
        self.visits += 1
        url = f"http://{address(self.visits % self.hosts)}:{self.port}/booking/create/{FORM}/0"
        return scrapy.Request(url, self.accept, dont_filter=True, meta={"cookiejar": self.visits})

    def accept(self, response: Response) -> Iterator[scrapy.Request]:
        """Accept the conditions; Scrapy follows the redirect."""
        assert isinstance(response, TextResponse)  # noqa: S101 -- for mypy: the server sends text
        self.pages += bool(response.css("input#condition"))
        form = {"condition": "on", "nextButton": "Effectuer une demande de rendez-vous"}
        yield scrapy.FormRequest(
            response.url,
            self.read_page,
            formdata=form,
            dont_filter=True,
            meta={"cookiejar": response.meta["cookiejar"]},
        )

    def read_page(self, response: Response) -> Iterator[scrapy.Request]:
        """Count the redirect and the page it led to; begin the next visit while there is time."""
        assert isinstance(response, TextResponse)  # noqa: S101 -- as above
        self.pages += 1 + bool(response.css("form#FormBookingCreate"))
        if time.monotonic() < self.began + self.seconds:
            yield self._visit()

    def closed(self, _reason: str) -> None:
        """Print the figures."""
        spent = time.monotonic() - self.began
        print(json.dumps({"pages": self.pages, "seconds": spent, "cpu": _cpu() - self.cpu_began}), flush=True)


def main(hosts: int, port: int, places: int, seconds: float) -> None:
    """Crawl and print."""
    process = CrawlerProcess(
        {"CONCURRENT_REQUESTS": places, "CONCURRENT_REQUESTS_PER_DOMAIN": places, "LOG_LEVEL": "ERROR"}
    )
    process.crawl(Bare, hosts=hosts, port=port, places=places, seconds=seconds)
    process.start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
