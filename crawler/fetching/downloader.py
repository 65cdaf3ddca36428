"""Scrapy downloader without queues: a request goes through the middlewares straight to its download handler.

Scrapy's own keeps a queue, two sets and a second task for each request, to hold requests back. Here none is ever held
back: the dispatcher counts the places, and budgets are in Redis. A check that is cancelled ends its download, too.
Interface: https://docs.scrapy.org/en/latest/topics/settings.html#downloader
"""

import logging
from asyncio import ensure_future

from scrapy import Request, Spider
from scrapy.core.downloader import Downloader
from scrapy.http import Response
from twisted.internet.defer import Deferred

log = logging.getLogger(__name__)


class DirectDownloader(Downloader):
    """Sends no signals of its own: nothing listens for a request that reaches the downloader or leaves it."""

    async def download(self, request: Request) -> Response:
        """Ask by the middlewares and handlers of all requests, and return the answer.

        A check awaits it here: the engine's `download_async` makes two Deferreds, a task and a signal of each request.

        Raises:
            TypeError: a middleware wants another request made instead.
        """
        answer = await self._ask(request)
        if not isinstance(answer, Response):
            raise TypeError(f"a middleware answers {request} by {answer}: a check follows redirects itself")
        log.debug("%d %s %s", answer.status, request.method, request.url)
        return answer

    def fetch(self, request: Request, spider: Spider | None = None) -> Deferred[Response | Request]:  # noqa: ARG002 -- Scrapy's signature
        """Ask at once; the engine calls it."""
        return Deferred.fromFuture(ensure_future(self._ask(request)))

    async def _ask(self, request: Request) -> Response | Request:
        self.active.add(request)
        try:
            return await self.middleware.download_async(self.handlers.download_request_async, request)
        finally:
            self.active.remove(request)
