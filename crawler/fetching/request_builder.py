"""Requests as a browser would send them: what is asked first, by whom, and where an answer redirects to."""

import json
from typing import NamedTuple
from urllib.parse import urlencode

from scrapy import Request

from configs.settings import settings
from configs.world.user_agents import Kind
from crawler.fetching.download_handler import HEADERS
from crawler.fetching.identity import HttpAgent
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
        meta = {"download_timeout": left, "until": self.until, HEADERS: [*named.items()]}
        return Request(self.url, method=self.method, body=self.body, meta=meta, dont_filter=True)


def first_step(ask: PageRequest, shown: str | None, desk: str) -> RequestStep:
    """Return what is asked first: by a person, or by a script of the page that is `shown`, else of the desk's."""
    headers, kind = dict(ask.headers) | _secrets(ask), _kind(ask)
    page = shown if kind == "page" else shown or desk
    url, body, content = ask.url, "", ""
    if ask.json is not None:
        body, content = json.dumps(ask.json), "application/json"
    elif ask.text:
        body, content = ask.text, "text/plain"
    elif ask.method == "POST":
        body, content = urlencode(ask.form), "application/x-www-form-urlencoded"
    elif ask.form:
        url += ("&" if "?" in url else "?") + urlencode(ask.form)
    if content:
        headers = {"Content-Type": content} | headers
    return RequestStep(url, ask.method, body.encode(), headers, kind, page, ask.until)


def _kind(ask: PageRequest) -> Kind:
    """Return who asks in a browser: a person who opens a page, a page's script, or a script by a socket."""
    if ask.url.startswith(("ws:", "wss:")):
        return "socket"
    return "script" if ask.json is not None or ask.text or "json" in ask.headers.get("Accept", "") else "page"


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
