"""Pages of desks that people watch: a desk with its redirect and presses; what a person gave, and was told."""

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from api.alerts.notifications.own_looks import list_own_looks, list_seen_openings, name_reported_desk
from api.ground.errors import ApiError, ensure_found
from api.models.base import read_once, write_once
from api.models.report import Report, ReportKind, ReportState, ReportVia
from api.models.watchability import Hindrance
from api.pages.area import Access, Area
from api.pages.cookies import comes_from_elsewhere, lead_to
from api.pages.forms import Form, write_problem
from api.pages.look_forms import TEXTS, LookForm, lead_away, thank_for
from api.pages.words import classify_watch, explain_desk
from api.prefectures.watch_states import read_watch_states
from api.reports.service import NewReport, note_opening, take_report
from api.web.auth import current_identity, current_user_id
from configs.world.desk import Desk, WatchLevel
from configs.world.prefecture import desks, prefectures

area = Area("looks", __name__)
_RULE = "/guichets/<place>/<slug>"
_FORBIDDEN = 403
KINDS = {
    ReportKind.SLOTS: _l("Des places"),
    ReportKind.NONE: _l("Aucune place"),
    ReportKind.UNSEEN: _l("Je n’ai pas pu voir"),
}
_BECAME = {
    ReportState.WAITING: _l("Reçu"),
    ReportState.COUNTED: _l("Compté"),
    ReportState.IDLE: _l(
        "Ne compte pas : rien n’a été vu, la page n’a pas été ouverte juste avant, ou nous l’avons lu trop tard"
    ),
    ReportState.KEPT: _l("Gardé pour nos opérateurs : nos vérifications lisent cette page"),
}
_WHY = {
    "told": _l("Vous avez été prévenu"),
    "held": _l("Un message a été préparé : voyez « Messages »"),
    "doubt": _l("Une seule personne l’a vu, et vous n’avez pas demandé à être prévenu dans le doute"),
    "quiet": _l("Un message attend la fin de vos heures calmes, ou votre envoi groupé"),
    "asked": _l("Une seule personne l’a vu : nous vous avons demandé de regarder"),
    "unasked": _l(
        "Une seule personne l’a vu. Nous demandons de regarder à cinq personnes, trois fois par jour au plus, hors des"
        " heures calmes"
    ),
    "plan": _l("Sans offre, trois alertes au plus sont prévenues de ce que d’autres voient"),
    "paused": _l("Votre alerte était en pause ou en attente"),
    "own": _l("Vous l’avez signalé vous-même"),
    "confirmed": _l("Vous étiez déjà prévenu, dans le doute : une autre personne l’a confirmé depuis"),
    "limits": _l("Hors de vos jours ou de vos heures, ou déjà annoncé"),
}


@area.page(_RULE, Access.PERSONAL)
def show_desk(place: str, slug: str) -> str:
    """Show a desk that people watch, and take what its reader sees."""
    desk = _find_desk(place, slug)
    answer = read_once(read_watch_states, [desk]).build_public_answer(desk)
    return render_template(
        "looks/desk.html",
        desk=answer,
        place=prefectures()[desk.prefecture_id],
        watch=classify_watch(answer),
        is_reported=answer.not_watchable is Hindrance.PEOPLE,
        reason=explain_desk(desk, answer.not_watchable),
    )


@area.page(f"{_RULE}/ouvrir", Access.PERSONAL)
def open_page(place: str, slug: str) -> ResponseReturnValue:
    """Lead to the official page, which sees no referrer, and note when: a GET that changes nothing else.

    Who may not report is led there all the same; where nobody may look, the desk's page says why.
    """
    desk = _find_desk(place, slug)
    if comes_from_elsewhere():  # a page of another site cannot have a moment noted
        return lead_to("looks.show_desk", place=place, slug=slug)
    try:
        write_once(note_opening, current_user_id(), desk.id, request.remote_addr)
    except ApiError as error:
        if error.status != _FORBIDDEN:
            return lead_to(
                "looks.show_desk", write_problem(error.word, TEXTS), "problem", place=place, slug=slug
            )
    return lead_away(desk)


@area.action(f"{_RULE}/vu", Access.PERSONAL)
def take_look(place: str, slug: str) -> ResponseReturnValue:
    """Take what a person saw of the desk's page just now."""
    desk, form = _find_desk(place, slug), Form.read(LookForm, TEXTS)
    made = form.submit(lambda look: _take(desk, look))
    back = {"id": form.value.alert} if made and form.value.alert else {"place": place, "slug": slug}
    endpoint = "alert_pages.show_alert" if "id" in back else "looks.show_desk"
    if made is None:
        return lead_to(endpoint, next(iter(form.errors.values())), "problem", **back)
    return lead_to(endpoint, thank_for(made), **back)


@area.page("/regards", Access.PERSONAL)
def show_looks() -> str:
    """Show all that a person said to have seen, and what others saw where they wait, with why it was told or not."""
    user_id = current_user_id()
    return render_template(
        "looks/looks.html",
        own=[_describe_look(each) for each in read_once(list_own_looks, user_id)],
        openings=read_once(list_seen_openings, user_id),
        why=_WHY,
        zone=current_identity().time_zone,
    )


def _describe_look(report: Report) -> dict[str, Any]:
    return {
        "name": name_reported_desk(report.desk_id),
        "seen_at": report.seen_at,
        "kind": KINDS[report.kind],
        "days": report.days,
        "became": _l("Confirmé par une autre personne") if report.corroborates_id else _BECAME[report.state],
    }


def _take(desk: Desk, look: LookForm) -> Report:
    given = NewReport.model_construct(desk_id=desk.id, kind=look.kind, days=look.days)
    return write_once(take_report, current_user_id(), given, ReportVia.PAGE, request.remote_addr)


def _find_desk(place: str, slug: str) -> Desk:
    desk = desks().get(f"{place}/{slug}")
    return ensure_found(desk if desk and desk.watch is WatchLevel.PEOPLE else None, "desk")
