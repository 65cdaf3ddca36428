"""Operators' pages of Stripe's events: the list, and applying one again."""

import re

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.payments import actions, queries
from api.admin.payments.schemas import StripeEventEntry, StripeEventQuery
from api.errors import not_found
from api.models.stripe_event import StripeEventFlag
from api.pages.admin.confirmation import Confirmation, NoFields, ask_confirmation, carry_out
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.error_texts import Texts
from api.pages.forms import Form

area = Area("admin_stripe_events", __name__)
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_FLAGS: dict[StripeEventFlag, str] = {
    StripeEventFlag.UNKNOWN_TYPE: "Sorte inconnue",
    StripeEventFlag.UNKNOWN_OWNER: "Objet inconnu ici",
    StripeEventFlag.GAVE_UP: "Abandonné",
}
_TEXTS: Texts = {"unknown-type": "Rien n’applique les événements de cette sorte : ils sont seulement gardés."}


@area.page("/admin/evenements-stripe", Access.OPERATOR)
def list_events() -> str:
    """List the events that Stripe sent, the newest first."""
    form = Form.read_query(StripeEventQuery)
    with audited("stripe-events.list", "stripe-event") as work:
        found = queries.list_events(work.session, form.value)
    return render_template(
        "admin_stripe_events/events.html",
        form=form,
        events=found.items,
        flags=_FLAGS,
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )


@area.page("/admin/evenements-stripe/<id>/rejeu", Access.ADMIN)
def ask_replay(id: str) -> str:  # noqa: A002 -- the name in the address
    """Ask once more before an event is applied again."""
    return ask_confirmation(_describe_replay(id), NoFields)


@area.action("/admin/evenements-stripe/<id>/rejeu", Access.ADMIN)
def replay(id: str) -> ResponseReturnValue:  # noqa: A002
    """Apply an event again."""

    def act(_: NoFields) -> str:
        actions.replay_event(id)
        return f"{id} est appliqué de nouveau : son objet est relu chez Stripe."

    return carry_out(_describe_replay(id), NoFields, act)


def _describe_replay(event_id: str) -> Confirmation:
    event = _read_event(event_id)
    effects = (
        f"L’objet {event.object_id} est relu chez Stripe, et son état présent est appliqué ici.",
        "Répété, cela ne change rien : ce qui est déjà noté ne l’est pas deux fois.",
        "Un paiement qui manquait ici donne sa formule, sa facture et ses messages, comme à son arrivée.",
    )
    return Confirmation(
        title=f"Appliquer de nouveau {event.type} ?",
        effects=effects,
        button="Appliquer de nouveau",
        back=url_for("admin_stripe_events.list_events", objectId=event.object_id),
        texts=_TEXTS,
    )


def _read_event(event_id: str) -> StripeEventEntry:
    """Return an event that names an object.

    Raises:
        api.errors.ApiError: 404.
    """
    if not _ID.fullmatch(event_id):
        raise not_found("event")
    with audited("stripe-event.view", "stripe-event", event_id) as work:
        return queries.read_event(work.session, event_id)
