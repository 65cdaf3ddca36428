"""The form of an order: its fields, and the alert that the payment creates, which an address or a field carries."""

import json
from typing import Annotated

from flask import request
from flask_babel import lazy_gettext
from pydantic import Field, ValidationError
from werkzeug.datastructures import MultiDict

from api.alerts.health_consent import find_revealing_desks
from api.alerts.schemas import NewAlert
from api.alerts.targets import find_prefecture
from api.billing.quotes import AFTER_WITHDRAWAL
from api.billing.schemas import ClientName, Consent, NewOrder, SoldPlan
from api.errors import ApiError
from api.pages.error_texts import Texts
from api.pages.forms import Form
from api.schemas import Body, Flag
from configs.world.plan import PlanName

_l = lazy_gettext
_LONGEST = 4000  # characters of an alert
BUTTON = "button_code"  # forms that go on through a sign-in lose it: an order is sent by its own button only
_UNTICKED = _l("Cochez cette case pour commander : sans cet accord, la surveillance ne peut pas commencer.")
_OLD_TERMS = _l("Les conditions de vente ont changé : lisez-les, puis commandez.")
_NO_ALERT = _l("Cette alerte n’est plus possible : choisissez-la de nouveau.")
TEXTS: Texts = {
    ("consent.startNow", "literal_error"): _UNTICKED,
    ("consent.acknowledgesLoss", "literal_error"): _UNTICKED,
    ("consent.termsVersion", "old_terms"): _OLD_TERMS,
    ("consent.termsVersion", "missing"): _OLD_TERMS,
    ("acceptHealth", "health_consent"): _l("Cochez cette case pour attendre ce guichet."),
    ("alert", "unknown"): _NO_ALERT,
    ("alert", "not_watched"): _l("Cette démarche ne peut pas être surveillée ici pour le moment."),
    "address-unconfirmed": _l("Confirmez d’abord votre adresse e-mail."),
    "plan-held": _l("Votre formule en cours comprend déjà celle-ci."),
    AFTER_WITHDRAWAL: _l(
        "Après une rétractation, l’abonnement mensuel ne peut pas être commandé tout de suite."
    ),
    "plan-limit": _l("Cette formule ne porte pas une alerte de plus : mettez-en une en pause d’abord."),
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
_HIDDEN = ("consent.termsVersion", "alert", "plan", "paid")  # hidden fields


class OrderForm(Body):
    """An order as its page sends it. `alert` is JSON; `paid`: the newest paid order that the page knew of."""

    plan: SoldPlan
    alert: Annotated[str, Field(max_length=_LONGEST)] | None = None
    paid: Annotated[str, Field(max_length=36)] | None = None
    client_name: ClientName | None = None
    accept_health: Flag = False
    consent: Consent


def read_plan_name() -> PlanName | None:
    """Return the plan that an address or a form names; None where it is not sold."""
    named = _read_arguments().get("plan", "")
    return PlanName(named) if named in set(PlanName) - {PlanName.NONE} else None


def read_wish_arguments() -> dict[str, str]:
    """Return what an address or a form says of the alert, to be carried on in links."""
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


def write_wish(wish: NewAlert | None) -> str:
    """Return an alert as the form's field carries it."""
    return json.dumps(wish.model_dump(mode="json", by_alias=True)) if wish else ""


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
