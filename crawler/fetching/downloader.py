"""Scrapy downloader without queues: a request goes through the middlewares straight to its download handler.

Scrapy's own keeps a queue, two sets and a second task for each request, to hold requests back. Here none is ever held
back: the dispatcher counts the places, and budgets are in Redis. A check that is cancelled ends its download, too.
Interface: https://docs.scrapy.org/en/latest/topics/settings.html#downloader
"""

from asyncio import ensure_future

from scrapy import Request, Spider
from scrapy.core.downloader import Downloader
from scrapy.http import Response
from twisted.internet.defer import Deferred


class DirectDownloader(Downloader):
    """Sends no signals of its own: nothing listens for a request that reaches the downloader or leaves it."""

    def fetch(self, request: Request, spider: Spider | None = None) -> Deferred[Response | Request]:  # noqa: ARG002 -- Scrapy's signature
        """Ask at once; the engine calls it."""
        self.active.add(request)
        answer = ensure_future(self.middleware.download_async(self.handlers.download_request_async, request))
        answer.add_done_callback(lambda _: self.active.remove(request))  # before the engine goes on
        return Deferred.fromFuture(answer)
