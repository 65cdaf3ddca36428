"""Styles, scripts and pictures of the pages, in `static/` and its folder for each area; QR codes.

An address has a digest of all files, so that browsers keep them for a year and scripts may import each other.
"""

import hashlib
from functools import cache
from pathlib import Path

import segno
from flask import Blueprint, Response, request, url_for
from markupsafe import Markup

from api.ground.errors import ensure_found
from api.pages.headers import forbid_keeping
from api.web.doors import Door, declare_door
from configs.ground.brand import fill_colours

TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_COLOURED = (".css", ".svg")
_FOLDER = Path(__file__).parent / "static"
_YEAR = 365 * 86400  # seconds

FILES = Blueprint("assets", __name__)


def build_asset_url(name: str) -> str:
    """Return the address of a file: `base.css`, or `<area>/<file>` of an area.

    Raises:
        KeyError: there is no such file.
    """
    if name not in list_assets():
        raise KeyError(f"{name} does not stand in api/pages/static")
    return url_for("assets.send_asset", version=compute_version(), name=name)


@cache
def list_assets() -> dict[str, Path]:
    """Return the files by name; nothing else is ever sent."""
    found = {path.relative_to(_FOLDER).as_posix(): path for path in _FOLDER.rglob("*")}
    return {name: path for name, path in sorted(found.items()) if path.suffix in TYPES}


@cache
def read_asset(name: str) -> bytes:
    """Return what a file contains; it is read once, as addresses name what was in it at the start."""
    path = list_assets()[name]
    if path.suffix not in _COLOURED:
        return path.read_bytes()
    return fill_colours(path.read_text(encoding="utf-8")).encode()


@cache
def compute_version() -> str:
    """Return a digest of the names and contents of all files."""
    digest = hashlib.sha256()
    for name in list_assets():
        digest.update(f"{name}\0".encode() + read_asset(name))
    return digest.hexdigest()[:12]


@FILES.get("/static/<version>/<path:name>")
@declare_door(Door.FREE)
def send_asset(version: str, name: str) -> Response:
    """Send a file. One of an earlier version is sent as it is now, and not kept."""
    path = ensure_found(list_assets().get(name), "file")
    response = Response(read_asset(name), mimetype=TYPES[path.suffix])
    response.set_etag(compute_version())
    if version != compute_version():
        return forbid_keeping(response)
    response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    return response.make_conditional(request)  # type: ignore[return-value] # it is the same object


def render_qr_code(text: str, label: str) -> Markup:
    """Return a QR code of a text, named for those who cannot see it. It is dark on white in every theme."""
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(svgclass=None, lineclass=None, omitsize=True, border=3, light="#fff")
    return Markup('<div class="qr" role="img" aria-label="{}">{}</div>').format(label, Markup(drawn))  # noqa: S704 -- drawn by us
