"""Help: the guide to what people ask, and the form that writes to support."""

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.admin.support import NewSupportRequest, add_request, get_sender
from api.ground.limit_counters import hit_limit
from api.models.base import write_once
from api.models.support import SupportRequest
from api.models.user import User
from api.pages.area import Access, Area
from api.pages.cookies import find_login, lead_to
from api.pages.forms import INVALID, Form, Texts
from api.pages.words import HIDDEN, READ, SEEN, TRIED
from api.web.auth import current_user
from api.web.doors import Door
from api.web.languages import read_language
from api.web.rate_limits import count_form
from api.web.stranger_mail import may_mail

_A_DAY = "5 per day"  # requests of one account
_EMPTY = _l("Écrivez votre question.")
_TEXTS: Texts = {("message", "missing"): _EMPTY, ("message", "value_error"): _EMPTY}
_MEANINGS = (
    (SEEN, _l("Nos vérifications y voient les places.")),
    (TRIED, _l("Nous essayons cette page : aucune vérification n’a encore donné de réponse sûre.")),
    (READ, _l("Un captcha cache les places : ceux qui attendent ici se disent ce qu’ils voient.")),
    (HIDDEN, _l("Un captcha cache les places : nous voyons que la page existe, rien de plus.")),
)
area = Area("help", __name__)


@area.page("/aide", Access.PUBLIC)
def show_guide() -> str:
    """Show the questions that people ask, with what to do."""
    return render_template("help/guide.html", meanings=_MEANINGS)


@area.page("/hors-ligne", Access.PUBLIC, polled=True)
def show_offline() -> str:
    """Show what the service worker keeps for where there is no network: the same for everybody."""
    return render_template("help/offline.html")


@area.page("/aide/ecrire", Access.VISITOR)
def show_form() -> ResponseReturnValue:
    """Show the form of who has no login; others are led to theirs, which asks no address."""
    return lead_to("help.show_own_form") if find_login() else _render(Form(NewSupportRequest))


@area.action("/aide/ecrire", Access.VISITOR, door=Door.SUPPORT)
def send_request() -> ResponseReturnValue:
    """Write to support, and say by which number."""
    return _send(None)


@area.page("/aide/message", Access.PERSONAL)
def show_own_form() -> str:
    return _render(Form(NewSupportRequest), current_user())


@area.action("/aide/message", Access.PERSONAL, unconfirmed=True)
def send_own_request() -> ResponseReturnValue:
    return _send(current_user())


def _send(user: User | None) -> ResponseReturnValue:
    form = Form.read(NewSupportRequest, _TEXTS)
    kept = form.submit(lambda wish: _store(user, wish))
    if kept is None:
        return _render(form, user), INVALID
    text = _("C’est envoyé, sous le numéro %(number)s. Nous répondons par e-mail.", number=kept.id)
    return lead_to("help.show_own_form" if user else "help.show_form", text)


def _store(user: User | None, wish: NewSupportRequest) -> SupportRequest:
    email = get_sender(user, wish)
    if user:
        hit_limit(_A_DAY, "support", str(user.id))
    else:
        count_form()
    return write_once(
        add_request, user, email, wish.model_copy(update={"language": read_language()}), may_mail
    )


def _render(form: Form[NewSupportRequest], user: User | None = None) -> str:
    return render_template("help/form.html", form=form, email=user.email if user else None)
