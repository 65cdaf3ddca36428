"""Builder of HTTP requests: a page request as a browser or a script would send it, or where it was redirected to."""

import json
from typing import NamedTuple
from urllib.parse import urlencode

from scrapy import Request

from configs.settings import settings
from configs.world.user_agents import Kind
from crawler.fetching.browser_headers import HttpAgent
from crawler.reading import PageRequest

_MOVED_AS_GET = (301, 302, 303)  # what browsers do, https://fetch.spec.whatwg.org/#http-redirect-fetch


class RequestStep(NamedTuple):
    """What is asked now: the ask itself, or where it was redirected to."""

    url: str
    method: str
    body: bytes
    headers: dict[str, str]
    kind: Kind
    page: str | None  # the address of the page that asks
    until: str = ""

    def request(self, agent: HttpAgent, left: float) -> Request:
        """Return it as Scrapy sends it, as this agent would, with the seconds it has."""
        named = agent.build_headers(self.kind, self.method, self.url, self.headers, self.page)
        meta = {"download_timeout": left, "until": self.until}
        return Request(
            self.url, method=self.method, body=self.body, headers=named, meta=meta, dont_filter=True
        )


def first_step(ask: PageRequest, shown: str | None, desk: str) -> RequestStep:
    """Return what is asked first: by a person, or by a script of the page that is `shown`, else of the desk's."""
    headers, kind = dict(ask.headers) | _secrets(ask), _kind(ask)
    page = shown if kind == "page" else shown or desk
    if ask.json is not None:
        headers = {"Content-Type": "application/json"} | headers
        return RequestStep(ask.url, ask.method, json.dumps(ask.json).encode(), headers, kind, page, ask.until)
    if ask.text:
        headers = {"Content-Type": "text/plain"} | headers
        return RequestStep(ask.url, ask.method, ask.text.encode(), headers, kind, page)
    if ask.method == "POST":
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        return RequestStep(ask.url, ask.method, urlencode(ask.form).encode(), headers, kind, page)
    query = ("&" if "?" in ask.url else "?") + urlencode(ask.form) if ask.form else ""
    return RequestStep(ask.url + query, ask.method, b"", headers, kind, page)


def _kind(ask: PageRequest) -> Kind:
    """Return who asks in a browser: a person who opens a page, a page's script, or a script by a socket."""
    if ask.url.startswith(("ws:", "wss:")):
        return "socket"
    named = {name.lower(): value for name, value in ask.headers.items()}
    scripted = (
        ask.json is not None or ask.text or "json" in named.get("accept", "") or "x-requested-with" in named
    )
    return "script" if scripted else "page"


def _secrets(ask: PageRequest) -> dict[str, str]:
    """Return the headers that carry settings; one that is not set is left out, and the site says so."""
    values = {header: getattr(settings(), name) for header, name in ask.secrets.items()}
    return {header: value.get_secret_value() for header, value in values.items() if value}


def follow_redirect(step: RequestStep, status: int, target: str) -> RequestStep:
    """Return what is asked where an answer of this status redirects to, as browsers do."""
    if status in _MOVED_AS_GET and step.method != "GET":
        kept = {name: value for name, value in step.headers.items() if name.lower() != "content-type"}
        return step._replace(url=target, method="GET", body=b"", headers=kept)
    return step._replace(url=target)
