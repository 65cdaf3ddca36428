"""Page on which a user gives the address of a booking page that no desk has."""

from flask import render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.ground.errors import ensure_found
from api.models.base import write_once
from api.pages.area import Access, Area
from api.pages.choices import find_place
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, Texts
from api.prefectures.candidates import NewCandidate, give_candidate
from api.web.auth import current_user_id
from configs.world.prefecture import Prefecture

area = Area("candidate_pages", __name__)
_RULE = "/departements/<id>/page-de-rendez-vous"
_TEXTS: Texts = {
    ("address", "missing"): _l("Collez l’adresse de la page de rendez-vous."),
    ("address", "no_booking_page"): _l(
        "Ce n’est pas l’adresse d’une page de rendez-vous que nous savons lire. Copiez celle de la page où l’on choisit"
        " la démarche ou l’heure, jamais un lien reçu par e-mail."
    ),
    "known-desk": _l("Nous connaissons déjà cette page : elle est dans la liste du département."),
    "candidate-accepted": _l("Cette page a été acceptée : elle sera bientôt surveillée."),
    "candidate-written": _l("Cette page a été acceptée : elle sera bientôt surveillée."),
    "candidate-refused": _l("Nous avons déjà regardé cette page, et ne pouvons pas la surveiller."),
}


@area.page(_RULE, Access.PERSONAL)
def ask_candidate(id: str) -> str:
    return _render(_find(id), Form(NewCandidate))


@area.action(_RULE, Access.PERSONAL)
def send_candidate(id: str) -> ResponseReturnValue:
    """Keep the page of the address, and lead back to its department."""
    place, form = _find(id), Form.read(NewCandidate, _TEXTS)
    kept = form.submit(lambda given: write_once(give_candidate, current_user_id(), given), "address")
    if kept is None:
        return _render(place, form), INVALID
    text = _("Merci. Nous regardons cette page, et nous vous écrirons une fois ce qu’il en est.")
    known = _("Merci. Une autre personne nous a déjà donné cette page : nous la regardons.")
    return lead_to("candidate_pages.ask_candidate", text if kept.is_told else known, id=place.id)


def _find(id: str) -> Prefecture:
    return ensure_found(find_place(id), "department")


def _render(place: Prefecture, form: Form[NewCandidate]) -> str:
    back = url_for("advice.show_place", id=place.id)
    return render_template("candidates/candidate.html", place=place, form=form, back=back)
