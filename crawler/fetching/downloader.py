"""Scrapy downloader without queues: a request goes by the middlewares straight to its download handler.

Scrapy's own keeps a queue, two sets and a second task for each request, to hold requests back. Here none is ever held
back: the dispatcher counts the places, and budgets are in Redis. A check that is cancelled ends its download, too.
Interface: https://docs.scrapy.org/en/latest/topics/settings.html#downloader
"""

import logging
from asyncio import ensure_future
from collections.abc import Awaitable, Callable

from scrapy import Request, Spider
from scrapy.core.downloader import Downloader
from scrapy.http import Response
from twisted.internet.defer import Deferred

log = logging.getLogger(__name__)


class DirectDownloader(Downloader):
    """Sends no signals of its own: nothing listens for a request that reaches the downloader or leaves it."""

    async def download(self, request: Request) -> Response:
        """Ask by the middlewares and handlers of all requests, and return the answer.

        A check awaits it here: the engine's `download_async` makes two Deferreds, a task and a signal of each request,
        and Scrapy's manager of middlewares a coroutine of each call of one. Ours only look at what is asked.

        Raises:
            TypeError: a middleware wants something else returned.
        """
        self.active.add(request)
        try:
            for look_at in self.middleware.methods["process_request"]:
                if look_at and (instead := look_at(request=request)) is not None:
                    raise TypeError(
                        f"a middleware answers {request} by {instead}: a check follows redirects itself"
                    )
            answer = await self._find_download(request)(request)
        finally:
            self.active.remove(request)
        log.debug("%d %s %s", answer.status, request.method, request.url)
        return answer

    def _find_download(self, request: Request) -> Callable[[Request], Awaitable[Response]]:
        """Return the method that downloads: the handler's, found by the scheme without parsing the address."""
        handler = self.handlers._get_handler(request.url.partition(":")[0])  # noqa: SLF001 -- there is no public way
        return handler.download_request if handler else self.handlers.download_request_async

    def fetch(self, request: Request, spider: Spider | None = None) -> Deferred[Response | Request]:  # noqa: ARG002 -- Scrapy's signature
        """Ask at once; the engine calls it."""
        return Deferred.fromFuture(ensure_future(self._ask(request)))

    async def _ask(self, request: Request) -> Response | Request:
        self.active.add(request)
        try:
            return await self.middleware.download_async(self.handlers.download_request_async, request)
        finally:
            self.active.remove(request)
