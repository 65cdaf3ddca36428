"""Webhooks of an organisation: made, tried and ended by owners; the secret of one is shown once."""

import base64
import secrets
from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.ground.errors import ApiError, ensure_found
from api.ground.limit_counters import hit_limit
from api.models.base import is_any_of, new_id
from api.models.organisation_access import SECRET_PREFIX, Webhook, WebhookDelivery, WebhookEnd
from api.organisations.callers import Caller, Right, lock_organisation, note_act
from api.organisations.programs.keys import check_opened
from api.organisations.programs.schemas import DeliveryAnswer, NewWebhook, WebhookAnswer
from configs.ground.clock import clock

TESTS = "20 per hour"  # events that owners of an organisation send to try a webhook
_MOST = 5  # that have not ended
_BYTES = 32  # of a secret: the specification asks for 24 to 64
_SHOWN = 10  # newest events of each


def make_webhook(session: Session, caller: Caller, wish: NewWebhook) -> tuple[UUID, str]:
    """Return the id and the secret of a new webhook.

    Raises:
        ApiError: 403; 409 too-many-webhooks.
    """
    caller.require(Right.MANAGE)
    organisation = lock_organisation(session, caller)
    check_opened(organisation)
    alive = Webhook.organisation_id == organisation.id, Webhook.ended_at.is_(None)
    if session.scalars(sa.select(sa.func.count()).where(*alive)).one() >= _MOST:
        raise ApiError(409, "too-many-webhooks", f"there are {_MOST} webhooks: end one first")
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    made = Webhook(
        id=new_id(), organisation_id=organisation.id, url=wish.url, secret=secret, events=sorted(set(wish.events)),
        created_at=clock(),
    )  # fmt: skip
    session.add(made)
    note_act(session, caller, "webhook.make", "webhook", made.id, events=made.events)
    session.flush()
    return made.id, secret


def list_webhooks(session: Session, caller: Caller) -> list[WebhookAnswer]:
    """Return the webhooks with their newest events, the newest first.

    Raises:
        ApiError: 403.
    """
    caller.require(Right.MANAGE)
    mine = sa.select(Webhook).where(Webhook.organisation_id == caller.organisation.id)
    found = session.scalars(mine.order_by(Webhook.id.desc())).all()
    deliveries = _list_deliveries(session, [each.id for each in found])
    return [WebhookAnswer.of_row(each, deliveries=deliveries[each.id]) for each in found]


def _list_deliveries(
    session: Session, webhook_ids: Collection[UUID]
) -> defaultdict[UUID, list[DeliveryAnswer]]:
    row = WebhookDelivery
    rank = sa.func.row_number().over(partition_by=row.webhook_id, order_by=row.created_at.desc())
    ranked = sa.select(row.id, rank.label("rank")).where(is_any_of(row.webhook_id, webhook_ids)).subquery()
    newest = sa.select(row).join(ranked, ranked.c.id == row.id).where(ranked.c.rank <= _SHOWN)
    found: defaultdict[UUID, list[DeliveryAnswer]] = defaultdict(list)
    for each in session.scalars(newest.order_by(row.created_at.desc())):
        found[each.webhook_id].append(DeliveryAnswer.of_row(each, event=each.body["type"]))
    return found


def end_webhook(session: Session, caller: Caller, webhook_id: UUID) -> None:
    """End a webhook; what waits for it is not sent. One that has ended stays so.

    Raises:
        ApiError: 403; 404.
    """
    found = _find(session, caller, webhook_id)
    if found.ended_at is None:
        found.ended_at, found.ended_because = clock(), WebhookEnd.MEMBER
        note_act(session, caller, "webhook.end", "webhook", webhook_id)


def send_test(session: Session, caller: Caller, webhook_id: UUID) -> None:
    """Send a webhook an event that tells of nothing.

    Raises:
        ApiError: 403; 404; 409 webhook-ended; 429.
    """
    found = _find(session, caller, webhook_id)
    check_opened(caller.organisation)
    if found.ended_at is not None:
        raise ApiError(409, "webhook-ended", "this webhook has ended: make another one")
    hit_limit(TESTS, "webhook-tests", str(caller.organisation.id))
    notifier.write_test_event(session, found, clock())


def _find(session: Session, caller: Caller, webhook_id: UUID) -> Webhook:
    caller.require(Right.MANAGE)
    mine = Webhook.id == webhook_id, Webhook.organisation_id == caller.organisation.id
    return ensure_found(session.scalars(sa.select(Webhook).where(*mine)).one_or_none(), "webhook")
