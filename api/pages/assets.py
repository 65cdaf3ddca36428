"""The route of the pages' files."""

from flask import Blueprint, Response, request

from api.errors import not_found
from api.pages.asset_files import TYPES, compute_version, list_assets, read_asset
from api.pages.headers import forbid_keeping

_YEAR = 365 * 86400  # seconds

blueprint = Blueprint("assets", __name__)


@blueprint.get("/static/<version>/<path:name>")
def send_asset(version: str, name: str) -> Response:
    """Send a file. One of an earlier version is sent as it is now, and not kept."""
    path = list_assets().get(name)
    if path is None:
        raise not_found("file")
    response = Response(read_asset(name), mimetype=TYPES[path.suffix])
    response.set_etag(compute_version())
    if version != compute_version():
        return forbid_keeping(response)
    response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    return response.make_conditional(request)  # type: ignore[return-value] # it is the same object
