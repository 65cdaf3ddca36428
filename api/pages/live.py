"""Live parts of a page: the JSON twin of a page answers its partials as HTML, which live.js puts in their place."""

from collections.abc import Mapping

from flask import Response, current_app, g, request

from api.cache import digest_body


def answer_live(parts: Mapping[str, str], *, stop: bool = False) -> Response:
    """Return the HTML of each `data-part`, rendered by the same partial as the page; 304 where the browser has it.

    `stop`: nothing changes any more, so the page need not ask again.

    Raises:
        RuntimeError: the page is not declared as polled, so that it would keep an operator's login.
    """
    if g.access != "public" and not g.is_polled:
        raise RuntimeError(f"declare {request.endpoint} with polled=True")
    body = current_app.json.dumps({"parts": dict(parts), "stop": stop}).encode()
    response = Response(body, mimetype="application/json")
    response.set_etag(digest_body(body))
    return response.make_conditional(request)  # type: ignore[return-value] # it is the same object
