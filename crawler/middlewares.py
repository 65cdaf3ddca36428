"""Downloader middleware of our own for robots.txt; the loopback guard is in crawler/url_policy.py."""

from typing import Self
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from crawler.fetching.download_handler import unpack_response

_ROBOTS_HOPS = 5  # https://www.rfc-editor.org/rfc/rfc9309#section-2.3.1.2
_ASK_NOTHING = b"User-agent: *\nDisallow: /\n"


class WholeRobotsTxt:
    """Unpacks a robots.txt and follows its redirects within its host; one that stays unread allows nothing.

    Scrapy's RobotsTxtMiddleware reads what came as it came, and takes what it does not understand for no rule.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it as Scrapy asks for it."""
        return cls(crawler.settings.getint("DOWNLOAD_MAXSIZE"))

    def process_response(self, request: Request, response: Response) -> Response | Request:
        """Return the file, or the request that its redirect asks for; another page's answer as it is."""
        if not request.meta.get("dont_obey_robotstxt"):
            return response
        if response.status in (301, 302, 303, 307, 308):
            return self._follow(request, response)
        if response.status >= 500 or response.status == 429:  # noqa: PLR2004 -- RFC 9309, section 2.3.1.4
            return response.replace(body=_ASK_NOTHING)
        try:
            body, _ = unpack_response(response, self._largest)
        except ValueError:
            body = _ASK_NOTHING
        return response.replace(body=body)

    def process_exception(self, request: Request, exception: Exception) -> Response | None:  # noqa: ARG002 -- Scrapy's
        """Return a file that allows nothing for one that did not come; another page's error stays."""
        if not request.meta.get("dont_obey_robotstxt"):
            return None
        return Response(request.url, body=_ASK_NOTHING)

    def _follow(self, request: Request, response: Response) -> Response | Request:
        onward = response.urljoin((response.headers.get("Location") or b"").decode("latin-1"))
        hops = request.meta.get("robots_hops", 0) + 1
        if hops > _ROBOTS_HOPS or urlsplit(onward).hostname != urlsplit(request.url).hostname:
            return response.replace(status=200, body=_ASK_NOTHING)
        return request.replace(url=onward, meta={**request.meta, "robots_hops": hops}, dont_filter=True)
