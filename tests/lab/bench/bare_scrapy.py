"""Bare Scrapy on the same pages: its defaults, the same concurrency, one CSS query a page, nothing kept.

`python -m tests.lab.bench.bare_scrapy HOSTS PORT CONCURRENCY SECONDS` prints {pages, seconds, cpu} as JSON. The same three
requests a visit as the product makes, driven by callbacks as Scrapy's tutorial does.
"""

import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response, TextResponse

from tests.lab.bench.pages import ACCEPTED, first_page


class BareSpider(scrapy.Spider):
    """Visits host after host until the time is up."""

    name = "bare"

    def __init__(self, hosts: int, port: int, places: int, seconds: float, **given: Any) -> None:
        super().__init__(**given)
        self.hosts, self.port, self.places, self.seconds = hosts, port, places, seconds
        self.pages, self.visits = 0, 0
        self.began, self.cpu_began = 0.0, 0.0

    async def start(self) -> AsyncIterator[Any]:
        """Begin as many visits as there are places; each end of a visit begins the next."""
        self.began, self.cpu_began = time.monotonic(), time.process_time()
        for _ in range(self.places):
            yield self._visit()

    def _visit(self) -> scrapy.Request:
        self.visits += 1
        url = f"{first_page(self.visits % self.hosts, self.hosts, self.port)}/0"
        return scrapy.Request(url, self.accept, dont_filter=True, meta={"cookiejar": self.visits})

    def accept(self, response: Response) -> Iterator[scrapy.Request]:
        """Accept the conditions; Scrapy follows the redirect."""
        assert isinstance(response, TextResponse)  # for mypy: the server sends text
        self.pages += bool(response.css("input#condition"))
        jar = {"cookiejar": response.meta["cookiejar"]}
        yield scrapy.FormRequest(response.url, self.read_page, formdata=ACCEPTED, dont_filter=True, meta=jar)

    def read_page(self, response: Response) -> Iterator[scrapy.Request]:
        """Count the redirect and the page it led to; begin the next visit while there is time."""
        assert isinstance(response, TextResponse)  # as above
        self.pages += 1 + bool(response.css("form#FormBookingCreate"))
        if time.monotonic() < self.began + self.seconds:
            yield self._visit()

    def closed(self, _reason: str) -> None:
        """Print the figures."""
        cpu = time.process_time() - self.cpu_began
        figures = {"pages": self.pages, "seconds": time.monotonic() - self.began, "cpu": cpu}
        print(json.dumps(figures), flush=True)


def main(hosts: int, port: int, places: int, seconds: float) -> None:
    """Crawl and print."""
    at_once = {"CONCURRENT_REQUESTS": places, "CONCURRENT_REQUESTS_PER_DOMAIN": places}
    process = CrawlerProcess({**at_once, "LOG_LEVEL": "ERROR"})
    process.crawl(BareSpider, hosts=hosts, port=port, places=places, seconds=seconds)
    process.start()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]), int(given[1]), int(given[2]), float(given[3]))
