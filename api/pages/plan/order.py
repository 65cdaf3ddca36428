"""The page of an order: its form, the alert that the payment creates, the note, and the return from Checkout."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

from flask import request, session
from flask_babel import lazy_gettext
from pydantic import Field, ValidationError
from werkzeug.datastructures import MultiDict

from api.accounts.queries import read_account
from api.alerts.health_consent import find_revealing_desks
from api.alerts.queries import read_alert_page
from api.alerts.schemas import AlertQuery, NewAlert
from api.alerts.wishes import find_prefecture, find_user_standings
from api.ground.errors import ApiError
from api.ground.paging import PageQuery
from api.ground.schemas import Body, Flag
from api.models.base import autocommit_session, read_once, write_once
from api.models.desk import DeskState
from api.models.payment import PaymentStatus
from api.models.user import Channel, ContactState
from api.models.watchability import Interval, Standing, is_unseen
from api.outlook.queries import read_watch_facts
from api.pages.forms import Form, Texts
from api.pages.targets import Key, list_targets
from api.pages.words import CHANNEL_NAMES, classify_watch, explain_desk
from api.payments.billing.queries import list_history
from api.payments.billing.quotes import AFTER_WITHDRAWAL, build_quote, read_offer
from api.payments.billing.referrals import find_referrer
from api.payments.billing.schemas import ClientName, Consent, NewOrder, PaymentEntry, QuoteAnswer, SoldPlan
from api.payments.invoices.contents import PARIS, measure_vat, name_present_seller, read_vat_terms
from api.users.preferences import read_channel_setup, read_channel_states
from api.web.auth import current_user, current_user_id
from configs.ground.clock import clock
from configs.ground.text import FRENCH_AND_ENGLISH
from configs.settings import settings
from configs.world.plan import PlanName, plan
from configs.world.sales_terms import find_newest_version, read_consent

_l = lazy_gettext
_LONGEST = 4000  # characters of an alert
BUTTON = "button_code"  # forms that go on through a sign-in lose it: an order is sent by its own button only
_OLD_TERMS = _l("Les conditions de vente ont changé : lisez-les, puis commandez.")
_NO_ALERT = _l("Cette alerte n’est plus possible : choisissez-la de nouveau.")
TEXTS: Texts = {
    ("consent.startNow", "literal_error"): _l(
        "Cochez « Je demande expressément que le service commence tout de suite » pour commander."
    ),
    ("consent.acknowledgesLoss", "literal_error"): _l(
        "Cochez « Je reconnais que je perds mon droit de rétractation » pour commander."
    ),
    ("consent.termsVersion", "old_terms"): _OLD_TERMS,
    ("consent.termsVersion", "missing"): _OLD_TERMS,
    ("acceptHealth", "health_consent"): _l("Cochez cette case pour attendre cette page de rendez-vous."),
    ("alert", "unknown"): _NO_ALERT,
    ("friend", "unknown"): _l("Le lien d’une personne abonnée ne donne rien pour cette commande."),
    ("alert", "not_watched"): _l("Cette démarche ne peut pas être surveillée ici pour le moment."),
    ("withoutAlert", "not_watched"): _l(
        "Choisissez une alerte : aucune de vos pages de rendez-vous n’est surveillée en ce moment."
    ),
    "address-unconfirmed": _l("Confirmez d’abord votre adresse e-mail."),
    "plan-held": _l("Votre offre en cours comprend déjà celle-ci."),
    AFTER_WITHDRAWAL: _l(
        "Après une rétractation, l’abonnement mensuel ne peut pas être commandé tout de suite."
    ),
    "plan-limit": _l("Cette offre ne porte pas une alerte de plus : mettez-en une en pause d’abord."),
    "fair-use": _l("Vous avez trop d’alertes : supprimez-en une d’abord."),
    "too-many-checkouts": _l(
        "Plusieurs de vos commandes attendent leur paiement : réessayez dans une heure."
    ),
    "order-expired": _l("La page de paiement a expiré : commandez encore une fois."),
    "payments-away": _l("Le paiement ne répond pas. Rien n’a été prélevé."),
    "stripe-refused": _l(
        "Cette commande ne peut pas être payée pour le moment. C’est notre faute : écrivez-nous."
    ),
}
_FRIEND = "friend"  # in the session: what the link of /ami carries
_HIDDEN = ("friend", "consent.termsVersion", "alert", "withoutAlert", "plan", "paid")  # hidden fields
_OWED_FROM = 2500  # cents
_RECENT = PageQuery(limit=20)


class OrderForm(Body):
    """An order as its page sends it. `alert` is JSON; `paid`: the newest paid order that the page knew of."""

    plan: SoldPlan
    alert: Annotated[str, Field(max_length=_LONGEST)] | None = None
    paid: Annotated[str, Field(max_length=36)] | None = None
    client_name: ClientName | None = None
    friend: str | None = None  # the box of the link that led here
    accept_health: Flag = False
    consent: Consent


def read_plan_name() -> PlanName | None:
    """Return the plan that an address or a form names; None where it is not sold."""
    named = _read_arguments().get("plan", "")
    return PlanName(named) if named in set(PlanName) - {PlanName.NONE} else None


def read_wish_arguments() -> dict[str, str]:
    """Return the fields of an address or a form about the alert, to be carried on in links."""
    names = ("alert", "prefecture", "procedure")
    given = _read_arguments()
    return {name: text for name in names if (text := given.get(name, "")) and len(text) <= _LONGEST}


def read_wish() -> NewAlert | None:
    """Return the alert that an address or a form asks for: as JSON, or by prefecture and procedure.

    A consent in an address counts for nothing: anybody can write one. The order's own box gives it.
    """
    given = read_wish_arguments()
    try:
        if "alert" in given:
            wish = NewAlert.model_validate_json(given["alert"])
            return wish.model_copy(update={"accept_health": False})
        if given.keys() == {"prefecture", "procedure"}:
            slug = given["procedure"].upper().replace("-", "_")
            return NewAlert.model_validate({"prefectureId": given["prefecture"], "procedures": [slug]})
    except ValidationError:
        pass
    return None


def read_order_form() -> Form[OrderForm]:
    """Return the form that was posted; an alert in it that is none is an error of the whole form."""
    form = Form.read(OrderForm, TEXTS)
    wish = read_wish()
    if request.form.get("alert") and wish is None:
        form.add_error("alert", "unknown")
    if wish and not form.typed.get("acceptHealth") and _reveals_health(wish):
        form.add_error("acceptHealth", "health_consent")
    return _raise_hidden_errors(form)


def build_order(form: Form[OrderForm]) -> NewOrder:
    """Return the order as the JSON route takes it."""
    wish = read_wish()
    if wish:
        wish = wish.model_copy(update={"accept_health": form.value.accept_health})
    given = {
        "plan": form.value.plan,
        "alert": wish,
        "withoutAlert": wish is None,
        "clientName": form.value.client_name,
        "friend": form.value.friend,
        "consent": form.value.consent,
    }
    return NewOrder.model_validate(given)


def refuse_order(form: Form[OrderForm], error: ApiError) -> None:
    """Note in the form why the order was refused."""
    if error.status == 503:  # noqa: PLR2004
        form.errors.setdefault("", str(TEXTS.get(error.word, TEXTS["payments-away"])))
        return
    form.refuse(error)
    _raise_hidden_errors(form)


def _reveals_health(wish: NewAlert) -> bool:
    try:
        return any(find_revealing_desks(wish, find_prefecture(wish)))
    except ApiError:  # the order itself is refused for that
        return False


def _read_arguments() -> MultiDict[str, str]:
    """Return what this request says: a form's fields alone, so that its address cannot say otherwise."""
    return request.form if request.method == "POST" else request.args


def _raise_hidden_errors(form: Form[OrderForm]) -> Form[OrderForm]:
    """Turn errors of hidden fields into errors of the whole form."""
    for name in _HIDDEN:
        if text := form.errors.pop(name, None):
            form.errors.setdefault("", text)
    return form


def build_note(quote: QuoteAnswer) -> dict[str, Any] | None:
    """Return what the note of an order names besides the quote; None below 25 €."""
    if quote.price < _OWED_FROM:
        return None
    percent, vat_line = read_vat_terms()
    vat_cents = measure_vat(quote.amount, percent)
    return {
        "day": clock().astimezone(PARIS).date(),
        "seller": name_present_seller(),
        "vat_line": vat_line,
        "vat_cents": vat_cents,
        "net_cents": quote.amount - vat_cents,
    }


def read_order_page(name: PlanName, wish: NewAlert | None) -> dict[str, Any]:
    """Return what the order of a plan shows to who is signed in."""
    user_id, quote, held_until, after_withdrawal = current_user_id(), None, None, False
    friend = str(session.get(_FRIEND, ""))
    with autocommit_session() as s:
        account = read_account(s, user_id)
        alerts = read_alert_page(s, user_id, AlertQuery()).items
        mine = find_user_standings(s, user_id)
        facts = read_watch_facts(s, mine)
        is_named = friend and find_referrer(s, user_id, name, friend)
        states, setup = read_channel_states(s, user_id), read_channel_setup(s, user_id, plan(name).channels)
        try:
            quote = build_quote(s, current_user(), name)
        except ApiError as error:
            held_until, after_withdrawal = error.available_from, error.word == AFTER_WITHDRAWAL
    described = describe_wish(wish) if wish else None
    version, language = find_newest_version(), account.language if account.language == "en" else "fr"
    has_watchable = any(each.is_watchable for each in mine)
    return {
        "plan": plan(name),
        "is_month_after_withdrawal": after_withdrawal,  # why it cannot be ordered
        "account": account,
        # Messages to the account's address come back
        "has_bounced": states.get(Channel.EMAIL) is ContactState.BOUNCED,
        "quote": quote,  # without one the plan cannot be ordered, at the earliest from `held_until` on
        "held_until": held_until,
        "wish": described,
        "facts": facts,  # of the alerts that wait already
        "watch": classify_watch(facts),
        "alerts": alerts,  # that wait already
        "has_watchable": has_watchable,  # one of them has a desk that can be watched: an order needs no other
        "is_sold": described["is_watched"] if described else has_watchable,
        # By which slot alerts would reach the person as things are set up, and which are not set up yet
        "ready": [CHANNEL_NAMES[each.channel] for each in setup if each.is_used],
        "unready": [CHANNEL_NAMES[each.channel] for each in setup if not each.is_used],
        "interval": Interval.of(plan(name), _list_states(described["standings"] if described else mine)),
        "terms_version": version,
        "sentences": read_consent(version, language),
        "sentences_language": language,
        "beside": read_consent(version, "en") if account.language not in FRENCH_AND_ENGLISH else {},
        "methods": settings().stripe_payment_methods,
        "friend": friend if is_named else None,  # of the link that led here, where it gives days
        "newest_paid": find_newest_paid(),  # id of the newest paid order
        "note": build_note(quote) if quote else None,
    }


def keep_friend(token: str) -> None:
    """Have the browser keep whose link led here, until its session ends."""
    session[_FRIEND] = token


def read_wished_plans() -> dict[str, Any] | None:
    """Return the alert that an address asks for, with the interval (seconds) of each plan; None without one."""
    wish = read_wish()
    if wish is None or (described := describe_wish(wish)) is None:
        return None
    states = _list_states(described["standings"])
    return described | {"intervals": {name: Interval.of(plan(name), states).today for name in PlanName}}


def find_newest_paid() -> str:
    """Return the id of the newest order that is paid; the empty text without one."""
    found = read_once(list_history, current_user_id(), _RECENT).items
    paid = (str(each.id) for each in found if each.status is PaymentStatus.COMPLETED and not each.renewal)
    return next(paid, "")


def describe_wish(wish: NewAlert) -> dict[str, Any] | None:
    """Return the alert that the payment creates, as the page shows it; None where its place does not exist."""
    try:
        offer = write_once(read_offer, wish)
    except ApiError:
        return None
    place, is_watched = offer.found.place, not offer.found.must_wait
    facts = read_once(read_watch_facts, offer.standings)
    chosen: Key = (tuple(wish.procedures), tuple(wish.desk_ids))
    procedures = wish.procedures or sorted({each for desk in offer.found.desks for each in desk.procedures})
    targets = list_targets(place, procedures, offer.found.standings, chosen)
    return {
        "json": _write_wish(wish, chosen),  # as the form's field carries it
        "text": next(each.text for each in targets if each.key == chosen),
        "facts": facts,
        "watch": classify_watch(facts),
        # What else it can be for, each with its JSON
        "targets": targets,
        "write": lambda target: _write_wish(wish, target.key),
        "place": place,
        "is_watched": is_watched,  # else it cannot be sold: what there is instead
        "is_free": offer.found.is_free,  # people's reports serve it
        "procedure": wish.procedures[0] if wish.procedures else None,
        # Fields of the form that asks to be told without an order
        "asks": {"procedure": wish.procedures[0]} if wish.procedures else {"desk": wish.desk_ids[0]},
        "desks": [_describe_desk(each) for each in offer.standings],
        "is_asked": offer.is_asked,  # the page changes by itself when a check has come
        "standings": offer.standings,
        # Labels of its desks that reveal health: it needs explicit consent
        "revealing": sorted({desk.label for desk in find_revealing_desks(wish, place)}),
    }


def _write_wish(wish: NewAlert, key: Key) -> str:
    """Return an alert as JSON, for what is chosen in place of what it is for."""
    changed = wish.model_copy(
        update={"prefecture_id": find_prefecture(wish).id, "procedures": [*key[0]], "desk_ids": [*key[1]]}
    )
    return json.dumps(changed.model_dump(mode="json", by_alias=True))


def _list_states(standings: Iterable[Standing]) -> list[DeskState]:
    """Return the states of those that are watchable."""
    return [each.state for each in standings if each.is_watchable and each.state]


def _describe_desk(standing: Standing) -> dict[str, Any]:
    """Return a desk of the wish: its name, how it is watched, since when that is known, and why not where it is not."""
    return {
        "label": standing.desk.label,
        "site": standing.desk.site,
        "zone": standing.desk.time_zone,
        "watch": classify_watch(standing),
        "reason": explain_desk(standing.desk, standing.hindrance),
        "proven_at": standing.last_proven_at,
        "is_overloaded": standing.is_overloaded,
        "is_folded": is_unseen(standing.hindrance),
    }


def is_settled(entry: PaymentEntry | None) -> bool:
    """Return whether nothing more is to come for an order."""
    return entry is not None and entry.status is not PaymentStatus.PENDING
