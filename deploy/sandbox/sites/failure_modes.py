"""Failure modes of the sites: what is answered instead of the page, or over it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.addresses import ELSEWHERE
from deploy.sandbox.listener import reset_connection
from deploy.sandbox.sites.pages import HTML, html, redirect, render_page

if TYPE_CHECKING:
    from deploy.sandbox.modes import Mode
    from deploy.sandbox.request_body import Handler
    from deploy.sandbox.sites.site import Site

Instead = Callable[["Mode", web.Request, "Site"], Awaitable[web.StreamResponse]]
_BIG: Final = 10_000_000  # bytes
_FILLER: Final = b"<p>Les services de l'\xc3\x89tat vous informent.</p>\n" * 1024


def _page(template: str, status: int = 200, **values: object) -> Instead:
    """Answer by a template; the mode may name a Retry-After."""

    async def answer(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
        made = render_page(site, f"site/{template}", status, prefix="", **values)
        if "retry_after" in mode.parameters:
            made.headers["Retry-After"] = str(int(mode.number("retry_after")))
        if mode.name == "cloudflare":
            made.headers["Server"] = "cloudflare"
        return made

    return answer


async def _hang_forever(_mode: Mode, _request: web.Request, _site: Site) -> web.StreamResponse:
    await asyncio.Event().wait()  # until the visitor goes away or the sandbox stops: both cancel it
    return web.Response(status=204)


async def _begin(site: Site, request: web.Request, length: int | None = None) -> web.StreamResponse:
    answer = web.StreamResponse(headers=site.platform.headers | HTML)
    answer.content_length = length
    await answer.prepare(request)
    return answer


async def _reset(_mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    answer = await _begin(site, request, length=16_000)
    await answer.write(_FILLER[:2_000])
    reset_connection(request)
    return answer


async def _drip(_mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    answer = await _begin(site, request, length=len(_FILLER))
    for byte in _FILLER:
        await answer.write(bytes([byte]))
        await asyncio.sleep(1)
    return answer


async def _big(_mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    answer = await _begin(site, request, length=_BIG)
    for start in range(0, _BIG, len(_FILLER)):
        await answer.write(_FILLER[: _BIG - start])
    return answer


async def _endless(_mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    answer = await _begin(site, request)
    while True:
        await answer.write(_FILLER)
        await asyncio.sleep(0.001)  # other stand-ins share this loop


async def _redirect(mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    return redirect(site, f"http://{ELSEWHERE}/" if mode.name == "redirect_away" else request.path_qs)


async def _empty(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return html(site, "")


_INSTEAD: Final[dict[str, Instead]] = {
    "overload": _page("overload"),
    "overload_502": _page("gateway", 502, title="502 Bad Gateway"),
    "overload_503": _page("gateway", 503, title="503 Service Unavailable"),
    "overload_504": _page("gateway", 504, title="504 Gateway Timeout"),
    "block": _page("refused", 403, reason="Votre adresse a été écartée."),
    "cloudflare": _page("challenge", 403),
    "captcha": _page("captcha"),
    "maintenance": _page("maintenance", 503),
    "layout": _page("layout"),
    "closed": _page("closed"),
    "rate_limited": _page("gateway", 429, title="429 Too Many Requests"),
    "empty": _empty,
    "error200": _page("error"),
    "hang_forever": _hang_forever,
    "reset": _reset,
    "drip": _drip,
    "big": _big,
    "endless": _endless,
    "redirect_loop": _redirect,
    "redirect_away": _redirect,
}


async def answer(mode: Mode, request: web.Request, site: Site, handler: Handler) -> web.StreamResponse:
    """Answer in this mode; ``handler`` gives the well site's own answer."""
    if instead := _INSTEAD.get(mode.name):
        return await instead(mode, request, site)
    if mode.name == "hang":
        await asyncio.sleep(mode.number("seconds"))
    well = await handler(request)
    if mode.name == "truncated_gzip" and isinstance(well, web.Response) and isinstance(well.body, bytes):
        packed = gzip.compress(well.body)
        well.body = packed[: len(packed) // 2]
        well.headers["Content-Encoding"] = "gzip"
    return well
