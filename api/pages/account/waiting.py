"""Page on which a visitor asks to be told when a wish can be watched: a registration by an address alone."""

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.accounts.schemas import RegistrationForm
from api.admin.activity import count_step
from api.alerts.schemas import NewAlert
from api.auth import service as accounts
from api.auth.schemas import EmailBody
from api.ground.errors import ApiError, ensure_found
from api.ground.limit_counters import hit_limit
from api.pages.area import Access, Area
from api.pages.choices import PROCEDURE_NAMES, find_place, find_procedure, write_slug
from api.pages.context import read_source
from api.pages.cookies import find_login, lead_to
from api.pages.forms import INVALID, Form
from api.pages.registration_state import forget_registration
from api.prefectures.queries import list_serving_desks
from api.web.doors import Door
from api.web.languages import read_language
from api.web.stranger_mail import count_mail
from configs.ground.addresses import fold_address
from configs.ground.encryption import lookup_hashes
from configs.world.desk import Procedure, WatchLevel
from configs.world.prefecture import Prefecture

area = Area("waiting", __name__)
_RULE = "/departements/<id>/<procedure>/prevenir"


@area.page(_RULE, Access.VISITOR)
def ask_address(id: str, procedure: str) -> ResponseReturnValue:
    """Ask for the address; who is signed in needs none."""
    place, wish = _find(id, procedure)
    if find_login():
        return lead_to("alert_pages.show_new_alert", prefecture=place.id, procedure=wish.value)
    return _render(Form(EmailBody), place, wish)


@area.action(_RULE, Access.VISITOR, door=Door.REGISTRATION)
def take_address(id: str, procedure: str) -> ResponseReturnValue:
    """Send the one mail. Until its link is pressed there is no alert, and nothing is left after a week.

    The password is one that nobody knows, so that the address' owner chooses one. The answer never tells whether the
    address was known.
    """
    place, wish = _find(id, procedure)
    form = Form.read(EmailBody)
    if form.errors:
        return _render(form, place, wish), INVALID
    count_mail(form.value.email)
    # The same wish again is the same registration again, so that no second one puts the first in doubt.
    unknown = lookup_hashes(f"waiting:{place.id}:{wish}:{fold_address(form.value.email)}")[0].hex()
    if _is_first(unknown):
        wished = {"prefectureId": place.id, "procedures": [wish], "acceptWaiting": True}
        typed = {"email": form.value.email, "password": unknown, "language": read_language()}
        form_of, alert = RegistrationForm.model_validate(typed), NewAlert.model_validate(wished)
        accounts.register(form_of, alert, address=request.remote_addr)
        count_step("register", read_source())
    forget_registration()  # an earlier one of this browser: the page is about this mail
    text = _("Le message est parti vers %(email)s.", email=form.value.email)
    return lead_to("sign_in.show_confirmation", text)


def _is_first(wish: str) -> bool:
    """Return whether no mail about this wish is on its way already."""
    try:
        hit_limit("1 per hour", "waiting", wish)
    except ApiError:
        return False
    return True


def _find(id: str, procedure: str) -> tuple[Prefecture, Procedure]:
    return ensure_found(find_place(id), "department"), ensure_found(find_procedure(procedure), "procedure")


def _render(form: Form[EmailBody], place: Prefecture, procedure: Procedure) -> str:
    return render_template(
        "advice/waiting.html",
        form=form,
        place=place,
        name=PROCEDURE_NAMES[procedure],
        slug=write_slug(procedure),
        is_read=any(each.watch is WatchLevel.PEOPLE for each in list_serving_desks(place, procedure)),
    )
