"""Files for programs that visit the site: robots.txt, sitemap.xml and security.txt."""

from datetime import UTC, datetime, time, timedelta
from xml.sax.saxutils import escape

from flask import Response

from api.errors import not_found
from api.pages.area import Access, Area
from api.pages.canonical import build_public_url
from api.pages.open_web.site_pages import list_site_urls
from configs.ground.clock import clock
from configs.settings import settings

_VALID_FOR = timedelta(days=90)  # https://www.rfc-editor.org/rfc/rfc9116#name-expires: less than a year
_XML = "http://www.sitemaps.org/schemas/sitemap/0.9"
area = Area("open_web", __name__)


@area.page("/robots.txt", Access.PUBLIC)
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


@area.page("/sitemap.xml", Access.PUBLIC)
def send_sitemap() -> Response:
    """List the public pages in each language; the pages themselves name their other languages."""
    urls = "\n".join(f"<url><loc>{escape(url)}</loc></url>" for url in list_site_urls())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{_XML}">\n{urls}\n</urlset>\n'
    return Response(body, mimetype="application/xml")


@area.page("/.well-known/security.txt", Access.PUBLIC)
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
