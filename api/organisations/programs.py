"""Programs of an organisation: API keys and webhooks, which owners make, try and end. A secret is shown once."""

import base64
import secrets
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.ground.errors import ApiError, not_found
from api.ground.limit_counters import hit_limit
from api.models.audit import ActorKind
from api.models.base import new_id
from api.models.organisation import Organisation
from api.models.organisation_access import (
    KEY_PREFIX,
    SECRET_PREFIX,
    KeyScope,
    OrganisationKey,
    Webhook,
    WebhookDelivery,
    WebhookEnd,
    hash_key,
)
from api.organisations.callers import Caller, Right, check_alive, lock_organisation, note_act
from api.organisations.schemas import NewKey, NewWebhook
from configs.ground.clock import clock

TESTS = "20 per hour"  # events that owners of an organisation send to try a webhook
_MOST_KEYS, _MOST_WEBHOOKS = 10, 5  # that have not ended
_BYTES = 32  # of a secret: Standard Webhooks asks for 24 to 64
_SHOWN = 10  # newest events of each webhook
T = TypeVar("T", OrganisationKey, Webhook)


def read_key_caller(session: Session, key: OrganisationKey, request_id: str | None) -> Caller:
    """Return a key as the one who acts now; its scopes are the route's to check.

    Raises:
        ApiError: 403 organisation-ended or not-opened.
    """
    organisation = session.get_one(Organisation, key.organisation_id)
    _check_opened(organisation)
    # Who changes a person is answered with the person.
    rights = frozenset({Right.READ, Right.HELP} if {*key.scopes} - {KeyScope.PEOPLE_READ} else {Right.READ})
    return Caller(organisation, ActorKind.KEY, key.id, rights, None, request_id)


def make_key(session: Session, caller: Caller, wish: NewKey) -> str:
    """Make a key; return its text, which nothing keeps.

    Raises:
        ApiError: 403; 409 too-many-keys.
    """
    organisation = _take_place(session, caller, OrganisationKey, _MOST_KEYS, "keys")
    text = KEY_PREFIX + secrets.token_urlsafe(_BYTES)
    scopes = sorted(set(wish.scopes))
    made = OrganisationKey(
        id=new_id(), organisation_id=organisation.id, name=wish.name, key_hash=hash_key(text), scopes=scopes
    )
    session.add(made)
    note_act(session, caller, "key.make", "key", made.id, scopes=scopes)
    return text


def make_webhook(session: Session, caller: Caller, wish: NewWebhook) -> str:
    """Make a webhook; return its secret.

    Raises:
        ApiError: 403; 409 too-many-webhooks.
    """
    organisation = _take_place(session, caller, Webhook, _MOST_WEBHOOKS, "webhooks")
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    events = sorted(set(wish.events))
    made = Webhook(id=new_id(), organisation_id=organisation.id, url=wish.url, secret=secret, events=events)
    session.add(made)
    note_act(session, caller, "webhook.make", "webhook", made.id, events=events)
    return secret


def list_keys(session: Session, caller: Caller) -> list[OrganisationKey]:
    """Return the keys, the newest first."""
    return _list(session, caller, OrganisationKey)


def list_webhooks(session: Session, caller: Caller) -> list[tuple[Webhook, list[WebhookDelivery]]]:
    """Return the webhooks with their newest events, the newest first."""
    row = WebhookDelivery
    newest = sa.select(row).order_by(row.created_at.desc()).limit(_SHOWN)
    return [
        (each, list(session.scalars(newest.where(row.webhook_id == each.id))))
        for each in _list(session, caller, Webhook)
    ]


def end_key(session: Session, caller: Caller, key_id: UUID) -> None:
    """End a key: its next request is refused. One that has ended stays so."""
    found = _find(session, caller, OrganisationKey, key_id)
    if found.ended_at is None:
        found.ended_at = clock()
        note_act(session, caller, "key.end", "key", key_id)


def end_webhook(session: Session, caller: Caller, webhook_id: UUID) -> None:
    """End a webhook; what waits for it is not sent. One that has ended stays so."""
    found = _find(session, caller, Webhook, webhook_id)
    if found.ended_at is None:
        found.ended_at, found.ended_because = clock(), WebhookEnd.MEMBER
        note_act(session, caller, "webhook.end", "webhook", webhook_id)


def send_test(session: Session, caller: Caller, webhook_id: UUID) -> None:
    """Send a webhook an event that tells of nothing.

    Raises:
        ApiError: 403; 404; 409 webhook-ended; 429.
    """
    found = _find(session, caller, Webhook, webhook_id)
    _check_opened(caller.organisation)
    if found.ended_at is not None:
        raise ApiError(409, "webhook-ended", "this webhook has ended: make another one")
    hit_limit(TESTS, "webhook-tests", str(caller.organisation.id))
    notifier.write_test_event(session, found, clock())


def _check_opened(organisation: Organisation) -> None:
    """Refuse what only an organisation has that an operator opened."""
    check_alive(organisation)
    if not organisation.is_open(clock()):
        detail = "keys and webhooks work while the organisation is opened by an operator: write to support"
        raise ApiError(403, "not-opened", detail)


def _take_place(session: Session, caller: Caller, table: type[T], most: int, noun: str) -> Organisation:
    """Lock an opened organisation that may have one more of them."""
    caller.require(Right.MANAGE)
    organisation = lock_organisation(session, caller)
    _check_opened(organisation)
    alive = table.organisation_id == organisation.id, table.ended_at.is_(None)
    if session.scalars(sa.select(sa.func.count()).where(*alive)).one() >= most:
        raise ApiError(409, f"too-many-{noun}", f"there are {most} {noun}: end one first")
    return organisation


def _list(session: Session, caller: Caller, table: type[T]) -> list[T]:
    caller.require(Right.MANAGE)
    mine = sa.select(table).where(table.organisation_id == caller.organisation.id)
    return list(session.scalars(mine.order_by(table.id.desc())))


def _find(session: Session, caller: Caller, table: type[T], row_id: UUID) -> T:
    caller.require(Right.MANAGE)
    found = session.get(table, row_id)
    if found is None or found.organisation_id != caller.organisation.id:
        raise not_found(table.__name__)
    return found
