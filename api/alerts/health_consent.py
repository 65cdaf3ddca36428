"""Explicit consent to an alert for desks whose names reveal health (GDPR, Article 9(2)(a))."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from api.accounts.consents import HEALTH, describe_consent
from api.alerts.schemas import NewAlert
from api.errors import invalid
from api.models.alert import Alert, AlertTarget
from api.schemas import FieldError
from configs.clock import clock
from configs.desk import Desk, Procedure
from configs.prefecture import Prefecture, prefectures


def check_health_consent(wish: NewAlert, place: Prefecture) -> None:
    """Refuse a wish that reveals health without consent.

    Raises:
        api.errors.ApiError: 422.
    """
    found = None if wish.accept_health else next(find_revealing_desks(wish, place), None)
    if found:
        detail = f"what is known of {found.id} reveals health: ask for explicit consent, and send acceptHealth: true"
        raise invalid(FieldError(path="acceptHealth", rule="health_consent", detail=detail))


def find_revealing_desks(wish: NewAlert, place: Prefecture) -> Iterator[Desk]:
    """Yield the desks for which a wish needs explicit consent."""
    return _find_revealing(wish.desk_ids, wish.procedures, place)


def note_health_consent(alert: Alert, targets: list[AlertTarget]) -> None:
    """Note the consent of an alert whose new targets need one; it keeps the time of an earlier consent."""
    desk_ids = [each.desk_id for each in targets if each.desk_id]
    procedures = [each.procedure for each in targets if each.procedure]
    home = next((each.prefecture_id or (each.desk_id or "").partition("/")[0] for each in targets), "")
    place = prefectures().get(home)
    if place is None or next(_find_revealing(desk_ids, procedures, place), None) is None:
        alert.consent = alert.consented_at = None
    elif alert.consented_at is None:
        alert.consented_at = clock()
        alert.consent = {HEALTH: describe_consent(HEALTH, "alert", alert.consented_at)}


def note_ordered_consent(alert: Alert, given_at: datetime) -> None:
    """Date the consent of an alert that a payment creates, if it needs one, by its order."""
    if alert.consent:
        alert.consented_at = given_at
        alert.consent = {HEALTH: describe_consent(HEALTH, "order", given_at)}


def _find_revealing(
    desk_ids: Iterable[str], procedures: Iterable[Procedure], place: Prefecture
) -> Iterator[Desk]:
    """Yield desks that are waited for by name and reveal health, or that alone serve a procedure there."""
    named = set(desk_ids)
    yield from (desk for desk in place.desks if desk.id in named and desk.reveals_health)
    for procedure in procedures:
        serving = [desk for desk in place.desks if procedure in desk.procedures]
        if all(desk.reveals_health for desk in serving):
            yield from serving
