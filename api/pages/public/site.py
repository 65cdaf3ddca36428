"""The first page: what the service does and does not do; and files for programs that visit the site.

These are robots.txt, sitemap.xml and security.txt.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from xml.sax.saxutils import escape

from flask import Response, current_app, render_template
from werkzeug.routing import Rule

import notifier
from api.admin.activity import count_step
from api.ground.errors import not_found
from api.ground.translations import LANGUAGES
from api.pages.area import Access, Area
from api.pages.choices import (
    PROCEDURE_NAMES,
    find_place,
    list_place_options,
    list_places,
    list_procedures,
    write_slug,
)
from api.pages.context import build_public_url, read_source, write_date
from api.prefectures.queries import build_map_key, list_serving_desks, read_map
from api.prefectures.schemas import SeenDesks, TileMap
from api.web.languages import read_language
from api.web.public_answers import read_cached, read_unless_away
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.desk import Procedure
from configs.world.plan import PlanName, plans
from configs.world.prefecture import prefectures

_AHEAD = timedelta(days=9)
_VALID_FOR = timedelta(days=90)  # https://www.rfc-editor.org/rfc/rfc9116#name-expires: less than a year
_XML = "http://www.sitemaps.org/schemas/sitemap/0.9"
area = Area("home", __name__)
files = Area("open_web", __name__)


@area.page("/", Access.PUBLIC)
def show_home() -> str:
    """Show what the service is, and the form of a wish."""
    count_step("first_page", read_source())
    sold = [plan for name, plan in plans().items() if name is not PlanName.NONE]
    return render_template(
        "home/home.html",
        places=list_place_options(),
        procedures=list_procedures(),
        seen=_read_seen(),
        names=PROCEDURE_NAMES,
        cheapest=min(sold, key=lambda plan: plan.price_cents),
        sample_place=find_place("93") or list_places()[0],
        sample=_write_sample(),
    )


def _write_sample() -> dict[str, str]:
    """Return what an alert of a slot says, of three made-up slots."""
    day = write_date(clock().date() + _AHEAD, "full")
    slots = {
        "countable": True,
        "count": 3,
        "since_hour": None,
        "first_day": day,
        "first_hour": "09:40",
        "witness": "",
    }
    said = {"open": (slots,), "lead": (slots,), "first": (slots,), "book": (), "leave": ()}
    return {
        name: notifier.write_words("slot_detected", read_language(), name, *given)
        for name, given in said.items()
    }


def _read_seen() -> SeenDesks | None:
    """Return where slots are seen, as the map has it; None while the database is away: the rest needs none."""
    found = read_unless_away(lambda: read_cached(TileMap, build_map_key(None), lambda s: read_map(s, None)))
    return found.seen if found else None


def list_site_urls() -> list[str]:
    """Return the absolute addresses: of an advice page only where a desk serves the procedure."""
    return [
        build_public_url(endpoint, language, **values)
        for endpoint, values in _list_pages()
        for language in LANGUAGES
    ]


def _list_pages() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((rule.endpoint, {}) for rule in current_app.url_map.iter_rules() if _is_plain_page(rule))
    for place in prefectures().values():
        yield "advice.show_place", {"id": place.id}
        for procedure in Procedure:
            if list_serving_desks(place, procedure):
                yield "advice.show_advice", {"id": place.id, "procedure": write_slug(procedure)}


def _is_plain_page(rule: Rule) -> bool:
    """Return whether it leads to a public page without parameters: no file, and no live part."""
    view = vars(current_app.view_functions[rule.endpoint])
    is_public = view.get("access") is Access.PUBLIC and not view["polled"]
    return is_public and not rule.arguments and "." not in rule.rule


@files.page("/robots.txt", Access.PUBLIC)
def send_robots() -> Response:
    """Name what crawlers leave alone, and where the list of pages is. Pages of users say `noindex` themselves."""
    lines = (
        "User-agent: *",
        "Disallow: /api/",
        "Disallow: /l/",
        "",
        f"Sitemap: {build_public_url('open_web.send_sitemap')}",
    )
    return _send_text(lines)


@files.page("/sitemap.xml", Access.PUBLIC)
def send_sitemap() -> Response:
    """List the public pages in each language; the pages themselves name their other languages."""
    urls = "\n".join(f"<url><loc>{escape(url)}</loc></url>" for url in list_site_urls())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{_XML}">\n{urls}\n</urlset>\n'
    return Response(body, mimetype="application/xml")


@files.page("/.well-known/security.txt", Access.PUBLIC)
def send_security() -> Response:
    """Say where to report a security problem (RFC 9116); the same text all day."""
    email = settings().support_email
    if not email:
        raise not_found("contact: SUPPORT_EMAIL is not set")
    expires = datetime.combine(clock().astimezone(UTC).date(), time(), UTC) + _VALID_FOR
    return _send_text(
        (
            f"Contact: mailto:{email}",
            f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
            "Preferred-Languages: fr, en",
            f"Canonical: {build_public_url('open_web.send_security')}",
            f"Policy: {build_public_url('legal.show_contact', 'en')}",
        )
    )


def _send_text(lines: tuple[str, ...]) -> Response:
    return Response("\n".join(lines) + "\n", mimetype="text/plain")
