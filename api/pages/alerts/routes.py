"""Pages of a user's alerts: a new one, one with what was found, its changes and its end."""

from typing import Any
from uuid import UUID

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.alerts import service
from api.alerts.appointments import close_as_found, list_channels
from api.alerts.channel_tests import write_test
from api.alerts.queries import read_alert, read_own_alert
from api.alerts.schemas import AlertAnswer
from api.alerts.service import change_alert
from api.ground.errors import ApiError, ensure_found, not_found
from api.models.base import read_once, session, write_once
from api.models.user import Channel
from api.pages.alerts.forms import (
    TEXTS,
    AlertForm,
    AppointmentForm,
    WishPage,
    build_appointment,
    fill,
    find_form_place,
    prefill,
    read_appointment,
    read_wish_form,
    write_event,
)
from api.pages.alerts.view_data import (
    describe_alert,
    read_alert_view,
    write_freshness,
)
from api.pages.area import Access, Area, answer_live
from api.pages.choices import find_place, find_procedure, list_place_options, list_procedures, write_slug
from api.pages.cookies import Kind, add_notice, lead_to
from api.pages.forms import INVALID, Form, write_problem
from api.pages.words import CHANNEL_NAMES
from api.prefectures.detections import read_own_detection
from api.web.auth import current_user_id
from configs.world.plan import PlanName

area = Area("alert_pages", __name__)
_PARTS = ("open", "watch", "slots")


@area.page("/alertes", Access.PERSONAL)
def list_alerts() -> ResponseReturnValue:
    """Lead to the list of alerts, which is the dashboard."""
    return redirect(url_for("dashboard.show_dashboard"))


@area.page("/alertes/nouvelle", Access.PERSONAL)
def show_new_alert() -> ResponseReturnValue:
    """Show the form of a new alert at the prefecture that the address names, or ask for the prefecture."""
    desk_id = request.args.get("desk", "")
    named = request.args.get("prefecture", "") or desk_id.partition("/")[0]
    place, wish = find_place(named), request.args.get("procedure", "")
    if place is None:
        return _render_places(wish, unknown=bool(named)), 404 if named else 200
    page = WishPage(place, prefill(place, wish, desk_id))
    page.offer_waiting()
    return _render_wish(page)


@area.action("/alertes/nouvelle", Access.PERSONAL)
def create_alert() -> ResponseReturnValue:
    """Create an alert; a form that is sent twice creates one."""
    form = read_wish_form()
    place = find_form_place(form)
    if place is None:
        return _render_places("", unknown=True), INVALID
    page = WishPage(place, form)
    answer = _try_to_create(page) if not form.errors else None
    if page.needs_plan:
        return redirect(page.build_plan_url(), 303)
    if answer is None:
        return _render_wish(page), INVALID
    if answer.is_free:
        text = _("Votre alerte est créée, gratuitement. Nous vous prévenons de ce que d’autres voient ici.")
    elif answer.is_active:
        text = _("Votre alerte est créée. Nous vous prévenons dès qu’une place se libère.")
    else:
        text = _("C’est noté : nous vous prévenons dès que nous voyons ces places.")
    return _lead_to(answer.id, text)


def _try_to_create(page: WishPage) -> AlertAnswer | None:
    try:
        with session() as s:
            return read_alert(s, service.take_wish(s, current_user_id(), page.form.value))
    except ApiError as error:
        page.refuse(error)
        return None


@area.page("/alertes/<uuid:id>", Access.PERSONAL)
def show_alert(id: UUID) -> str:
    """Show one alert: what is watched, what was found and what was sent."""
    return _render_alert(read_alert_view(current_user_id(), id))


@area.page("/alertes/<uuid:id>/direct", Access.PERSONAL, polled=True)
def show_parts(id: UUID) -> Response:
    view = read_alert_view(current_user_id(), id)
    parts = {
        name: render_template(f"alerts/_{name}.html", view=view, fresh=write_freshness) for name in _PARTS
    }
    return answer_live(parts, stop=view["alert"]["state"] == "closed")


@area.page("/alertes/<uuid:id>/preuve/<uuid:detection>", Access.PERSONAL)
def show_proof(id: UUID, detection: UUID) -> ResponseReturnValue:
    """Lead to the proof of a detection: a link that is good for an hour, made now."""
    found = read_once(read_own_detection, current_user_id(), detection)
    if id not in found.alert_ids or found.proof is None:
        raise not_found("proof")
    return redirect(found.proof)


@area.page("/alertes/<uuid:id>/modifier", Access.PERSONAL)
def show_edit(id: UUID) -> ResponseReturnValue:
    alert = _read_alert(id)
    if alert.closed_at:
        return _lead_to(id)
    place = ensure_found(find_place(alert.prefecture_id), "prefecture")
    return _render_wish(WishPage(place, fill(alert)), alert)


@area.action("/alertes/<uuid:id>/modifier", Access.PERSONAL)
def edit_alert(id: UUID) -> ResponseReturnValue:
    alert = _read_alert(id)
    form = read_wish_form(alert)
    place = ensure_found(find_form_place(form), "prefecture")
    page = WishPage(place, form)
    answer = None
    if not form.errors:
        try:
            with session() as s:
                change = form.value.as_change(form.changed)
                answer = read_alert(s, change_alert(s, current_user_id(), id, change))
        except ApiError as error:
            page.refuse(error)
    if answer is None:
        return _render_wish(page, alert), INVALID
    return _lead_to(id, _("Vos changements sont enregistrés."))


@area.action("/alertes/<uuid:id>/pause", Access.PERSONAL)
def pause_alert(id: UUID) -> ResponseReturnValue:
    """Pause an alert; a paused one stays so."""
    return _switch(id, enabled=False)


@area.action("/alertes/<uuid:id>/reprendre", Access.PERSONAL)
def resume_alert(id: UUID) -> ResponseReturnValue:
    """Resume a paused alert; where the plan does not carry it, show those that do."""
    return _switch(id, enabled=True)


def _switch(id: UUID, *, enabled: bool) -> ResponseReturnValue:
    if _read_alert(id).closed_at:
        return _lead_to(id)
    try:
        write_once(service.switch_alert, current_user_id(), id, enabled=enabled)
    except ApiError as error:
        if not error.plans:
            return _refuse(id, error)
        return _render_alert(read_alert_view(current_user_id(), id), error), INVALID
    return _lead_to(id, _("L’alerte est active.") if enabled else _("L’alerte est en pause."))


@area.action("/alertes/<uuid:id>/essai", Access.PERSONAL)
def test_alert(id: UUID) -> ResponseReturnValue:
    """Send a test message on each linked channel, or on the one that the form names."""
    only = next((each for each in Channel if each.value == request.form.get("channel")), None)
    try:
        written = write_once(write_test, current_user_id(), id, only)
    except ApiError as error:
        return _refuse(id, error)
    names = ", ".join(str(CHANNEL_NAMES[each]) for each in written.channels)
    return _lead_to(id, _("Essai en route : %(names)s", names=names))


@area.page("/alertes/<uuid:id>/fermer", Access.PERSONAL)
def show_close(id: UUID) -> ResponseReturnValue:
    alert = _read_alert(id)
    return (
        _lead_to(id) if alert.closed_at else render_template("alerts/close.html", alert=describe_alert(alert))
    )


@area.action("/alertes/<uuid:id>/fermer", Access.PERSONAL)
def close_alert(id: UUID) -> ResponseReturnValue:
    """Close an alert for good; a closed one stays so."""
    if not _read_alert(id).closed_at:
        write_once(service.delete_alert, current_user_id(), id)
        add_notice("done", _("L’alerte est fermée. Nous n’enverrons plus rien pour elle."))
    return lead_to("dashboard.show_dashboard")


@area.page("/alertes/<uuid:id>/trouve", Access.PERSONAL)
def show_found(id: UUID) -> ResponseReturnValue:
    """Ask when and where the appointment is that the user found."""
    alert = _read_alert(id)
    return _lead_to(id) if alert.closed_at else _render_found(alert, Form(AppointmentForm))


@area.action("/alertes/<uuid:id>/trouve", Access.PERSONAL)
def report_found(id: UUID) -> ResponseReturnValue:
    """Close an alert whose user has an appointment."""
    alert = _read_alert(id)
    if alert.closed_at:
        return _lead_to(id)
    zone = describe_alert(alert)["zone"]
    form = read_appointment(zone)
    if form.errors:
        return _render_found(alert, form), INVALID
    try:
        found = build_appointment(form.value, zone)
        write_once(close_as_found, current_user_id(), id, found)
    except ApiError as error:
        return _refuse(id, error)
    return _lead_to(id, _("Bravo ! L’alerte est fermée."))


@area.page("/alertes/<uuid:id>/rendez-vous.ics", Access.PERSONAL)
def send_event(id: UUID) -> Response:
    return Response(write_event(_read_alert(id)), mimetype="text/calendar")


def _read_alert(id: UUID) -> AlertAnswer:
    return read_once(read_own_alert, current_user_id(), id)


def _lead_to(id: UUID, text: str = "", kind: Kind = "done") -> ResponseReturnValue:
    return lead_to("alert_pages.show_alert", text, kind, id=id)


def _refuse(id: UUID, error: ApiError) -> ResponseReturnValue:
    """Say on the alert's page why something was refused.

    Raises:
        ApiError: there is no such alert, or the error is ours.
    """
    if error.status not in (402, 403, 409, 429):
        raise error
    return _lead_to(id, write_problem(error.word, TEXTS), "problem")


def _render_places(wish: str, *, unknown: bool) -> str:
    procedure = find_procedure(wish)
    return render_template(
        "alerts/places.html",
        places=list_place_options(),
        procedures=list_procedures(),
        chosen=procedure and write_slug(procedure),
        unknown=unknown,
    )


def _render_wish(page: WishPage, alert: AlertAnswer | None = None) -> str:
    shown = alert and describe_alert(alert)
    page.offer_calls(current_user_id(), alert)
    form: Form[AlertForm] = page.form
    # The order of an alert that exists carries no wish: it would be created once more.
    plan_url = _build_plan_url if alert else page.build_plan_url
    return render_template(
        "alerts/wish.html",
        page=page,
        form=form,
        alert=shown,
        plan_url=plan_url,
        value_of=lambda target: target.value,
    )


def _build_plan_url(plan: PlanName) -> str:
    return url_for("plan.show_order", plan=plan.value)


def _render_alert(view: dict[str, Any], refused: ApiError | None = None) -> str:
    return render_template(
        "alerts/alert.html",
        view=view,
        problem=refused and write_problem(refused.word, TEXTS),
        plans=refused.plans if refused else [],
        plan_url=_build_plan_url,
        fresh=write_freshness,
    )


def _render_found(alert: AlertAnswer, form: Form[AppointmentForm]) -> str:
    channels = read_once(list_channels, current_user_id())
    return render_template(
        "alerts/found.html", alert=describe_alert(alert), form=form, has_sms=Channel.SMS in channels
    )
