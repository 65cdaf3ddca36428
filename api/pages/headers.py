"""Headers of pages: what a browser may load and post to, and who may keep the page.

https://www.w3.org/TR/CSP3/. Scripts and styles are files of ours, hence no nonce.
"""

from functools import lru_cache

from flask import Flask, Response, g, request

from api.ground.cache import digest_body
from api.web.public_answers import pack_body
from configs.settings import settings
from configs.settings.groups import ADDRESSES

_SELF = "'self'"
_NOTHING = "'none'"
_STRIPE = ("https://checkout.stripe.com", "https://billing.stripe.com")
_MAX_AGE = 60  # seconds
_API = "/api/"


def register_page_headers(app: Flask) -> None:
    """Send the policy with each page."""
    app.after_request(_add_policy)


def keep_for_everybody(response: Response) -> Response:
    """Let every cache keep a public page for a minute, one for each language.

    Raises:
        RuntimeError: it sets a cookie, so it is not public.
    """
    if "Set-Cookie" in response.headers:
        raise RuntimeError("a public page must not set a cookie: declare it as a visitor's")
    response.headers.setdefault("Cache-Control", f"public, max-age={_MAX_AGE}")
    response.vary.add("Accept-Language")
    if not response.get_etag()[0]:
        response.set_etag(digest_body(response.get_data()))
    pack_body(response)
    return response.make_conditional(request)  # type: ignore[return-value] # it is the same object


def forbid_keeping(response: Response) -> Response:
    """Let no cache keep a page."""
    response.headers["Cache-Control"] = "no-store"
    return response


@lru_cache(maxsize=4)
def build_policy(payment_hosts: tuple[str, ...], live_hosts: tuple[str, ...] = ()) -> str:
    """Return the policy: all is forbidden but our own files, and forms that post to us or lead to Stripe.

    `live_hosts`: where live streams come from, unless that is the page's own origin.
    """
    allowed = {
        "default-src": (_NOTHING,),
        "script-src": (_SELF,),
        "style-src": (_SELF,),
        "img-src": (_SELF,),
        "connect-src": (_SELF, *live_hosts),
        "manifest-src": (_SELF,),
        "form-action": (_SELF, *payment_hosts),  # of the answer's redirect too
        "base-uri": (_NOTHING,),
        "frame-ancestors": (_NOTHING,),
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in allowed.items())


def list_payment_hosts() -> tuple[str, ...]:
    """Return the origins of Stripe's pages, or of the stand-in's."""
    base = settings().address_of("stripe")
    return _STRIPE if base == ADDRESSES["stripe"] else ("/".join(base.split("/")[:3]),)


def list_live_hosts() -> tuple[str, ...]:
    """Return the origin of LIVE_URL; none where it is that of the pages."""
    live, own = (str(each).rstrip("/") for each in (settings().live_url, settings().api_url))
    return () if live == own else ("/".join(live.split("/")[:3]),)


def _add_policy(response: Response) -> Response:
    if g.get("access", "public") != "public":
        response.headers.setdefault("Cache-Control", "no-store")  # of refusals and redirects too
    if response.mimetype == "text/html" and not request.path.startswith(_API):
        response.headers.setdefault(
            "Content-Security-Policy", build_policy(list_payment_hosts(), list_live_hosts())
        )
        # A form's own origin is sent, so that the server knows a form of another site.
        if not request.path.startswith("/l/"):
            response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "no-store")
    return response
