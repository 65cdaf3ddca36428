"""Helpers of the pages: filters of their templates, look-ups, redirects after a form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.templating import add_filter, render

if TYPE_CHECKING:
    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.stand_in import Stripe


def write_euros(cents: int) -> str:
    """Write cents as 14,99 €."""
    sign, whole = ("-" if cents < 0 else ""), abs(cents)
    return f"{sign}{whole // 100},{whole % 100:02} €"


def _write_day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%d/%m/%Y}"


def _write_moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%d/%m/%Y %H:%M:%S}"


add_filter("euros", write_euros)
add_filter("day", _write_day)
add_filter("moment", _write_moment)


def show_page(template: str, *, status: int = 200, **values: object) -> web.Response:
    """Return a page."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    html = render(f"stripe/{template}.html", **values)
    return web.Response(text=html, content_type="text/html", status=status, headers=headers)


def show_message(
    heading: str, text: str, *, url: str | None = None, link: str = "", status: int = 200
) -> web.Response:
    """Return a page that says one thing."""
    return show_page("message", heading=heading, text=text, url=url, link=link, status=status)


def go_to(url: str) -> web.Response:
    """Send the browser on, after a form or a step."""
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def find_object(stand_in: Stripe, request: web.Request, kind: str) -> Json:
    """Return the object that a page's address names; 404 where there is none."""
    try:
        return stand_in.account.find(kind, request.match_info["id"])
    except StripeError as error:
        raise web.HTTPNotFound(text=str(error)) from None


async def read_form(request: web.Request) -> dict[str, str]:
    """Return a form's fields."""
    return {key: str(value) for key, value in (await request.post()).items()}
