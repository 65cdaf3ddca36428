"""Effects of an answer on its alert: closed as found, stopped, or open again once the answer changed."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.appointments import delete_appointment, store_appointment
from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, open_again, stop_alerts
from api.errors import ApiError
from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue, MatchAnswer
from api.models.notification import Match

_CLOSES = {AnswerValue.FOUND: ClosedBecause.FOUND, AnswerValue.STOPPED: ClosedBecause.STOPPED}


@dataclass(slots=True)
class AlertEffects:
    """Applies an answer to the alerts of one user, whose row the caller has locked."""

    session: Session
    user_id: UUID
    since: datetime  # what an answer closed before that stays closed
    closed: list[UUID] = field(default_factory=list, init=False)
    reopened: list[UUID] = field(default_factory=list, init=False)
    messages: list[UUID] = field(default_factory=list, init=False)

    def apply(
        self,
        alert_id: UUID,
        before: Collection[AnswerValue],
        value: AnswerValue,
        found: FoundAppointment | None,
    ) -> None:
        """Apply an answer to an alert; `before` are those that it replaces, of one match each."""
        alert = self.session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
        if alert is None:
            return
        was_open = alert.closed_at is None
        withdrawn = any(each is not value and self._has_closed(alert, each) for each in before)
        if value is AnswerValue.FOUND:
            self._close_as_found(alert, found)
        elif value is AnswerValue.STOPPED:
            self._stop(alert, withdrawn=withdrawn)
        elif withdrawn and not self._has_closing_answer(alert):
            self._open_again(alert)
        if was_open and alert.closed_at is not None:
            self.closed.append(alert_id)

    def _close_as_found(self, alert: Alert, found: FoundAppointment | None) -> None:
        close_alert(self.session, alert, ClosedBecause.FOUND)
        if alert.closed_because is ClosedBecause.STOPPED:
            alert.closed_because = ClosedBecause.FOUND
        if found and alert.closed_because is ClosedBecause.FOUND:
            store_appointment(self.session, alert.id, found)

    def _stop(self, alert: Alert, *, withdrawn: bool) -> None:
        if not withdrawn:
            self.messages += stop_alerts(self.session, self.user_id, [alert.id])
            return
        alert.closed_because = ClosedBecause.STOPPED
        delete_appointment(self.session, alert.id)

    def _open_again(self, alert: Alert) -> None:
        """Open an alert again; one that the plan has no place for any more stays closed."""
        delete_appointment(self.session, alert.id)
        try:
            open_again(self.session, alert)
        except ApiError:
            alert.closed_because = (
                ClosedBecause.STOPPED
            )  # without an appointment, and its links may open it later
            return
        self.reopened.append(alert.id)

    def _has_closed(self, alert: Alert, before: AnswerValue) -> bool:
        """Return whether the answer that is replaced closed the alert."""
        if alert.closed_at is None or alert.closed_because is not _CLOSES.get(before):
            return False
        return alert.closed_at >= self.since

    def _has_closing_answer(self, alert: Alert) -> bool:
        """Return whether another answer keeps the alert closed: one that was given since it was opened last."""
        given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
        closing = (
            sa.select(MatchAnswer.match_id)
            .join(Match, Match.id == MatchAnswer.match_id)
            .where(Match.alert_id == alert.id, MatchAnswer.value.in_(list(_CLOSES)))
            .where(given_at >= alert.watched_since)
        )
        return self.session.scalar(closing.limit(1)) is not None
