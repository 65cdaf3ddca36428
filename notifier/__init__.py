"""Front door of the notifier: what other programs may call. Cheap to import; everything else is loaded late."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from api.models.incident import Incident

__all__ = [
    "catch_up",
    "create_notifications",
    "deliver",
    "detection_seen",
    "get_ready",
    "is_genuine",
    "is_secret",
    "list_operator_kinds",
    "mark_gone_slots",
    "notify_address",
    "nudge",
    "raise_alarm",
    "receive",
    "repeat_alarm",
    "replay",
    "write_bot_line",
    "write_title",
    "write_to_contacts",
]


def detection_seen(detection_id: UUID) -> None:
    """Have a detection matched now. Call it after its commit.

    Never raises because Redis is away: one warning, and the sweep finds the row.
    """
    from notifier import match_nudge  # noqa: PLC0415 -- late, so that importing us costs nothing

    match_nudge.match(detection_id)


def get_ready() -> None:
    """Load and connect what `detection_seen` needs, so that the first slot of a process is told like the others.

    Never raises because Redis is away.
    """
    from configs.job_queues import connect  # noqa: PLC0415 -- late, so that importing us costs nothing
    from notifier import match_nudge  # noqa: F401, PLC0415 -- late, so that importing us costs nothing

    connect()


def catch_up(alert_id: UUID) -> None:
    """Have the slots that are open now matched for an alert that was created, enabled or widened, after its commit.

    Never raises because Redis is away: one warning, and the sweep re-arms open desks.
    """
    from notifier import nudges  # noqa: PLC0415 -- late, so that importing us costs nothing

    nudges.catch_up(alert_id)


def create_notifications(
    session: "Session",
    user_id: UUID,
    kind: str,
    params: dict[str, Any],
    dedupe_key: str,
    *,
    priority: str = "immediate",
    channels: Collection[str] | None = None,
    language: str | None = None,
) -> list[UUID]:
    """Write one notification per contact into the caller's transaction; `nudge` their ids after the commit.

    `params` (plain JSON values) fill the kind's texts. A `dedupe_key` that was used before writes nothing. `channels`
    leaves out contacts on others; `language` stands in for the user's.

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    from notifier import message_writer  # noqa: PLC0415 -- late, so that importing us costs nothing

    return message_writer.create_notifications(
        session, user_id, kind, params, dedupe_key, priority=priority, channels=channels, language=language
    )


def write_to_contacts(
    session: "Session",
    kind: str,
    channel: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    priority: str = "bulk",
) -> list[UUID]:
    """Write messages to contacts that the caller chose, in one statement; `nudge` the returned ids after the commit.

    Each has `user_id`, `contact_id`, `language`, `params` (plain JSON values) and `dedupe_key`. A key that was used
    before writes nothing.

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    from notifier import message_writer  # noqa: PLC0415 -- late, so that importing us costs nothing

    return message_writer.write_to_contacts(session, kind, channel, priority, messages)


def notify_address(
    session: "Session",
    address: str,
    kind: str,
    params: dict[str, Any],
    dedupe_key: str,
    *,
    language: str = "fr",
    user_id: UUID | None = None,
) -> list[UUID]:
    """Write one e-mail to an address that needs no account; `nudge` its id after the commit.

    It is also shown in the account of `user_id`, whose deletion a mail that waits outlives. Nothing is checked about
    the address: the caller limits how often strangers may name one. A `dedupe_key` that was used before writes nothing.

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    from notifier import message_writer  # noqa: PLC0415 -- late, so that importing us costs nothing

    return message_writer.notify_address(
        session, address, kind, params, dedupe_key, language=language, user_id=user_id
    )


def raise_alarm(
    session: "Session", incident: "Incident", kind: str, params: dict[str, Any], now: datetime
) -> list[UUID]:
    """Notify operators of an incident by the quickest channel of each; the message asks for acknowledgement.

    Marks the incident in the caller's transaction; `nudge` the returned ids after the commit.

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    from notifier import alarms  # noqa: PLC0415 -- late, so that importing us costs nothing

    return alarms.raise_alarm(session, incident, kind, params, now)


def repeat_alarm(session: "Session", incident: "Incident", now: datetime) -> list[UUID]:
    """Notify operators once more of an incident, on another channel; `nudge` the returned ids after the commit.

    Marks the incident. The caller has locked it, and skips acknowledged ones.
    """
    from notifier import alarms  # noqa: PLC0415 -- late, so that importing us costs nothing

    return alarms.repeat_alarm(session, incident, now)


def mark_gone_slots(session: "Session") -> list[UUID]:
    """Write the edits of messages whose slots are gone; return what to `nudge` after the commit."""
    from api.models.database_clock import database_clock  # noqa: PLC0415 -- late, so that importing us costs nothing
    from notifier import message_edits  # noqa: PLC0415 -- late, so that importing us costs nothing

    return message_edits.mark_gone_slots(session, database_clock(session))


def nudge(notification_ids: Iterable[UUID]) -> None:
    """Have notifications delivered now, after the commit that wrote them.

    Never raises because Redis is away: one warning, and the sweep finds the rows.
    """
    from notifier import nudges  # noqa: PLC0415 -- late, so that importing us costs nothing

    nudges.nudge(list(notification_ids))


def deliver(notification_ids: Iterable[UUID]) -> None:
    """Deliver notifications in this process, after the commit that wrote them: for what must leave before the rest.

    Returns once a provider took them or failed. Never raises because a server is away: the sweep finds the rows.
    """
    if ids := [str(each) for each in notification_ids]:
        from notifier import jobs  # noqa: PLC0415 -- late, so that importing us costs nothing

        jobs.deliver(*ids)


def replay(session: "Session", notification_ids: Iterable[UUID], *, unsure: bool = False) -> list[UUID]:
    """Make dead letters pending again in the caller's transaction; `nudge` the returned ids after the commit.

    Left as they are: ids of no dead letter, what another message has told meanwhile and, unless `unsure`, what may
    have arrived.
    """
    from notifier import dead_letters  # noqa: PLC0415 -- late, so that importing us costs nothing

    return dead_letters.replay_by_id(session, list(notification_ids), unsure=unsure)


def is_secret(kind: str) -> bool:
    """Whether no row of a kind keeps its text. An unknown kind has none to keep."""
    from notifier.message_kinds import kinds  # noqa: PLC0415 -- late, so that importing us costs nothing

    return kind in kinds() and kinds()[kind].secret


def list_operator_kinds() -> list[str]:
    """Return the kinds of messages to operators, which a former operator does not read any more."""
    from notifier.message_kinds import operators  # noqa: PLC0415 -- late, so that importing us costs nothing

    return list(operators.KINDS)


def write_title(kind: str, language: str, params: object) -> str | None:
    """Return the title of a message whose row has none, as far as its `params` tell it."""
    from notifier.content import messages  # noqa: PLC0415 -- late, so that importing us costs nothing

    return messages.write_title(kind, language, params)


def is_genuine(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> bool:
    """Return whether a provider made a call to one of our webhooks. Reads no table.

    `query` is what stood behind the `?` of the call's address.

    Raises:
        LookupError: no calls are received from this provider.
    """
    from notifier import receiving  # noqa: PLC0415 -- late, so that importing us costs nothing

    return receiving.is_genuine(provider, headers, body, query)


def receive(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> None:
    """Store the receipts that a provider sent to one of our webhooks. A call that is repeated changes nothing more.

    They are applied by a job of the notifier.

    Raises:
        PermissionError: the provider did not make it.
        LookupError: no receipts are received from this provider.
    """
    from notifier import receiving  # noqa: PLC0415 -- late, so that importing us costs nothing

    receiving.receive(provider, headers, body, query)


def write_bot_line(macro: Literal["toast", "event"], word: str, language: str) -> str:
    """Return a line that the bot says at once, as plain text of at most 200 characters.

    `macro` and `word` name it among the words of `bot_reply`; French stands in for a language without them.
    """
    from notifier.content import messages  # noqa: PLC0415 -- late, so that importing us costs nothing

    return messages.write_words("bot_reply", language, macro, word)
