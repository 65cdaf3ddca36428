"""Answers of a site in a failure mode: instead of the page or over it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.listener import reset_connection
from deploy.sandbox.sites.pages import html, redirect, render_page
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from deploy.sandbox.modes import Mode
    from deploy.sandbox.platform import Instead
    from deploy.sandbox.sites.site import Site

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_GATEWAY: Final = {502: "502 Bad Gateway", 503: "503 Service Unavailable", 504: "504 Gateway Timeout"}
_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}
_FILLER: Final = b"<p>Les services de l'\xc3\x89tat vous informent.</p>\n" * 1024


async def forever() -> None:
    """Wait until the visitor goes away or the sandbox stops: both cancel the handler."""
    await asyncio.Event().wait()


async def _overload(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "overload.html", int(mode.number("status")))


def _gateway(status: int) -> Instead:
    async def answer(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
        return render_page(site, "gateway.html", status, title=_GATEWAY[status])

    return answer


async def _refuse(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "refused.html", 403, reason="Trop de demandes depuis votre adresse.")


async def _block(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "refused.html", 403, reason="Votre adresse a été écartée.")


async def _cloudflare(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return html(
        site, render("challenge.html", site=site.about), int(mode.number("status")), Server="cloudflare"
    )


async def _captcha(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "captcha.html", int(mode.number("status")), prefix="")


async def _maintenance(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    status = int(mode.number("status"))
    answer = render_page(site, "maintenance.html", status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(int(mode.number("retry_after")))
    return answer


async def _layout(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "layout.html")


async def _answer_closed(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "closed.html", int(mode.number("status")), prefix="")


async def _rate_limited(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    wait = str(int(mode.number("retry_after")))
    return html(site, render("gateway.html", title="429 Too Many Requests"), 429, Retry_After=wait)


async def _empty(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return html(site, "")


async def _error200(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "error.html", prefix="")


async def _hang_forever(_mode: Mode, _request: web.Request, _site: Site) -> web.StreamResponse:
    await forever()
    return web.Response(status=204)


async def _begin(site: Site, request: web.Request, length: int | None = None) -> web.StreamResponse:
    answer = web.StreamResponse(headers={**site.headers(), **_HTML})
    answer.content_length = length
    await answer.prepare(request)
    return answer


async def _reset(_mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    answer = await _begin(site, request, length=16_000)
    await answer.write(_FILLER[:2_000])
    reset_connection(request)
    return answer


async def _drip(mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    answer = await _begin(site, request, length=len(_FILLER))
    for byte in _FILLER:
        await answer.write(bytes([byte]))
        await asyncio.sleep(mode.number("seconds"))
    return answer


async def _big(mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    size = int(mode.number("megabytes") * 1_000_000)
    answer = await _begin(site, request, length=size)
    for start in range(0, size, len(_FILLER)):
        await answer.write(_FILLER[: size - start])
    return answer


async def _endless(_mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    answer = await _begin(site, request)
    while True:
        await answer.write(_FILLER)
        await asyncio.sleep(0.001)  # other stand-ins share this loop


async def _redirect_loop(_mode: Mode, request: web.Request, site: Site) -> web.StreamResponse:
    return redirect(site, request.path_qs)


async def _redirect_away(mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return redirect(site, mode.word("location"))


_INSTEAD: Final[dict[str, Instead]] = {
    "overload": _overload,
    "overload_502": _gateway(502),
    "overload_503": _gateway(503),
    "overload_504": _gateway(504),
    "ban": _refuse,
    "block": _block,
    "cloudflare": _cloudflare,
    "captcha": _captcha,
    "maintenance": _maintenance,
    "layout": _layout,
    "closed": _answer_closed,
    "rate_limited": _rate_limited,
    "empty": _empty,
    "error200": _error200,
    "hang_forever": _hang_forever,
    "reset": _reset,
    "drip": _drip,
    "big": _big,
    "endless": _endless,
    "redirect_loop": _redirect_loop,
    "redirect_away": _redirect_away,
}


async def answer(mode: Mode, request: web.Request, site: Site, handler: Handler) -> web.StreamResponse:
    """Answer in this mode; ``handler`` gives the well site's own answer."""
    if instead := site.platform.instead.get(mode.name) or _INSTEAD.get(mode.name):
        return await instead(mode, request, site)
    if mode.name == "hang":
        await asyncio.sleep(mode.number("seconds"))
    well = await handler(request)
    if isinstance(well, web.Response) and isinstance(well.body, bytes) and well.status == HTTPStatus.OK:
        _spoil(mode, well, well.body)
    return well


def _spoil(mode: Mode, well: web.Response, body: bytes) -> None:
    if mode.name == "truncated_gzip":
        packed = gzip.compress(body)
        well.body = packed[: len(packed) // 2]
        well.headers["Content-Encoding"] = "gzip"
    elif mode.name == "bad_charset" and well.content_type == "text/html":
        well.body = body.decode().encode("iso-8859-1", "replace")
        well.headers["Content-Type"] = f"text/html; charset={mode.word('charset')}"
