"""A page that lists what happened, with the buttons of Stripe's dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.stripe.cards import CARDS
from deploy.sandbox.stripe.control_routes import run_control
from deploy.sandbox.stripe.controls import CONTROLS
from deploy.sandbox.stripe.ledger import read_ledger
from deploy.sandbox.stripe.pages.page import go_to, read_form, show_message, show_page
from deploy.sandbox.stripe.webhooks.endpoint import WEBHOOK_MODES

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.request_body import Body
    from deploy.sandbox.stripe.stand_in import Stripe

_SHOWN: Final = 50
_NUMBERS: Final = frozenset({"amount", "advance", "to", "times"})


async def show_dashboard(stand_in: Stripe, request: web.Request) -> web.Response:
    """List the newest of everything."""
    del request
    account = stand_in.account
    newest: dict[str, Any] = {
        name: account.all(kind)[-_SHOWN:][::-1]
        for name, kind in (
            ("sessions", "checkout.session"),
            ("disputes", "dispute"),
            ("subscriptions", "subscription"),
        )
    }
    return show_page(
        "dashboard",
        clock=account.clock.now(),
        mode=stand_in.modes.site.name,
        endpoint=stand_in.webhooks.endpoint,
        webhook_modes=WEBHOOK_MODES,
        cards=list(CARDS.values()),
        ledger=read_ledger(account)[-_SHOWN:][::-1],
        processing=account.where("payment_intent", status="processing"),
        deliveries=[each.to_json() for each in list(stand_in.webhooks.deliveries.values())[-_SHOWN:]][::-1],
        requests=list(stand_in.api.log)[-_SHOWN:][::-1],
        **newest,
    )


async def act(stand_in: Stripe, request: web.Request) -> web.Response:
    """Carry out a button: a control, by the fields of a form."""
    told, form = request.match_info["control"], await read_form(request)
    for path, control, keys in CONTROLS:
        begin, _, end = path.partition("{id}")
        if told.startswith(begin) and told.endswith(end) and ("{id}" in path) == (told != path):
            identifier = told[len(begin) : len(told) - len(end)]
            try:
                run_control(stand_in, control, _make_body(form, keys), identifier)
            except Refusal as refusal:
                return show_message("Refusé", refusal.error, url="/", link="Retour", status=refusal.status)
            return go_to("/")
    return show_message("Inconnu", f"Aucune action {told}.", url="/", link="Retour", status=404)


def _make_body(form: dict[str, str], keys: str) -> Body:
    """Turn a form into a control's body; empty fields are absent."""
    body: Body = {key: value for key, value in form.items() if value and key in keys.split()}
    for key in _NUMBERS & body.keys():
        if not body[key].isdecimal():
            raise Refusal(f"{key} must be a whole number")
        body[key] = int(body[key])
    return body
