"""Devices that get messages by web push: those of a user, a new or renewed one, and their removal."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent
from api.alerts.service import wake_alerts
from api.ground.errors import ApiError, not_found
from api.ground.schemas import Answer, Body, name_rule
from api.models.contact_lookup import claim_address, find_contact, lock_messages
from api.models.notification import Notification
from api.models.user import PUSH_DEVICES, Channel, Contact, ContactState, User
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.push_keys import check_auth, check_public_key
from configs.ground.push_subscriptions import (
    ENDPOINT,
    LONGEST_ENDPOINT,
    PushSubscription,
    is_listed,
    read_host,
    read_subscription,
)
from configs.settings import settings
from configs.world.desk import Text


def _check_endpoint(endpoint: str) -> str:
    host = read_host(endpoint)
    if not is_listed(host, settings().push_hosts):
        raise ValueError(f"{host} is not a push service that we hand messages to: use another browser")
    return endpoint


Endpoint = Annotated[
    str,
    Field(
        max_length=LONGEST_ENDPOINT,
        examples=["https://updates.push.services.mozilla.com/wpush/v2/gAAAAA"],
        json_schema_extra={"format": "uri", "pattern": ENDPOINT},
    ),
    name_rule("push_service", _check_endpoint),
]
_KEY = r"^[A-Za-z0-9_-]{87}=?$"
_AUTH = r"^[A-Za-z0-9_-]{22}(==)?$"


class DeviceKeys(Body):
    """The keys of a subscription, in base64url."""

    p256dh: Annotated[str, Field(alias="p256dh", pattern=_KEY), name_rule("push_key", check_public_key)]
    auth: Annotated[str, Field(pattern=_AUTH), name_rule("push_key", check_auth)]


class NewDevice(Body):
    """A browser's subscription, as `PushSubscription.toJSON()` has it, and what its owner calls the device.

    The browser must have subscribed for our `publicKey`.
    """

    endpoint: Endpoint
    keys: DeviceKeys
    name: Annotated[Text, Field(max_length=80, examples=["Firefox, Android"])]

    @property
    def subscription(self) -> PushSubscription:
        """The subscription itself, for our key of now."""
        key = settings().vapid_public_key or ""
        return PushSubscription(self.endpoint, self.keys.p256dh, self.keys.auth, key)


class DeviceAnswer(Answer):
    """One device. `lastSentAt`: when its push service took the last message that is still kept."""

    id: UUID
    name: str
    endpoint_digest: str = Field(
        description="The first 16 hexadecimal digits of the endpoint's SHA-256: by it a browser finds itself.",
    )
    created_at: datetime
    last_sent_at: datetime | None


class DeviceList(Answer):
    """The user's devices, the oldest first. `publicKey` is null where no push is set up: then none can be added."""

    public_key: str | None = Field(description="For `applicationServerKey` of PushManager.subscribe().")
    limit: int
    devices: list[DeviceAnswer]


def list_devices(session: Session, user_id: UUID) -> DeviceList:
    """Return a user's devices; those whose subscription ended, by the browser or by a new VAPID key, left out."""
    sent = _select_last_sent().correlate(Contact).scalar_subquery()
    mine = sa.select(Contact, sent).where(*_is_device_of(user_id), Contact.state == ContactState.OK)
    found = session.execute(mine.order_by(Contact.created_at, Contact.id))
    return DeviceList(
        public_key=settings().vapid_public_key,
        limit=PUSH_DEVICES,
        devices=[_describe(contact, at) for contact, at in found if not contact.is_ended_device],
    )


def add_device(session: Session, user_id: UUID, wish: NewDevice) -> tuple[DeviceAnswer, bool]:
    """Add a device, which switches push on, or renew the one that has the same endpoint; return it, and if it is new.

    A browser that another account of ours used is that account's no more: its messages would be shown here.

    Raises:
        ApiError: 409 too-many-devices, 409 device-taken where another
            account has the endpoint with other keys, 503 where no push is set up.
    """
    if settings().vapid_public_key is None:
        raise ApiError(503, "unavailable", "there is no web push here: set VAPID_PUBLIC_KEY")
    subscription = wish.subscription
    _lock_owners(session, user_id, subscription)
    known = _free_endpoint(session, user_id, subscription)
    _drop_ended(session, user_id, known)
    contact = known or _build_contact(session, user_id)
    was_reachable = known is not None and known.reachable and not known.is_ended_device
    contact.address, contact.device_name = subscription.as_address(), wish.name
    contact.verified_at = contact.verified_at or clock()
    if not was_reachable or contact.consented_at is None:
        give_consent(contact, "push_device")
    contact.enabled, contact.state = True, ContactState.OK
    session.add(contact)
    if not claim_address(session, contact):
        raise _refuse_taken()
    _switch_on_others(session, user_id, contact)
    if not was_reachable:
        wake_alerts(session, user_id, "device added")
    sent_at = session.scalar(_select_last_sent(contact.id))
    return _describe(contact, sent_at), known is None


def remove_device(session: Session, user_id: UUID, device_id: UUID) -> None:
    """Remove a device. Its messages stay in the list of messages.

    Raises:
        ApiError: 404.
    """
    lock_messages(session, [device_id])
    mine = sa.delete(Contact).where(*_is_device_of(user_id), Contact.id == device_id)
    if session.scalars(mine.returning(Contact.id)).one_or_none() is None:
        raise not_found("device")


def drop_ended_devices(session: Session) -> int:
    """Delete the devices whose browser ended its subscription; return how many."""
    ended = Contact.channel == Channel.PUSH, Contact.state != ContactState.OK
    found = list(session.scalars(sa.select(Contact.id).where(*ended)))
    lock_messages(session, found)
    dropped = sa.delete(Contact).where(Contact.id.in_(found), *ended)
    return len(session.scalars(dropped.returning(Contact.id)).all())


def _is_device_of(user_id: UUID) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return Contact.user_id == user_id, Contact.channel == Channel.PUSH


def _select_last_sent(device_id: UUID | None = None) -> sa.Select[datetime | None]:
    of = Contact.id if device_id is None else device_id
    return sa.select(sa.func.max(Notification.accepted_at)).where(Notification.contact_id == of)


def _lock_owners(session: Session, user_id: UUID, subscription: PushSubscription) -> None:
    """Lock what may change: messages to devices that go, then their owners, in the order in which workers do."""
    other = find_contact(session, Channel.PUSH, subscription.as_address())
    taken = other is not None and other.user_id != user_id
    ended = [
        each.id
        for each in session.scalars(sa.select(Contact).where(*_is_device_of(user_id)))
        if each.is_ended_device
    ]
    lock_messages(session, [*ended, *([other.id] if other and taken else [])])
    owners = {user_id, *([other.user_id] if other else [])}
    locked = sa.select(User.id).where(User.id.in_(owners)).order_by(User.id)
    session.execute(locked.with_for_update(key_share=True))


def _free_endpoint(session: Session, user_id: UUID, subscription: PushSubscription) -> Contact | None:
    """Return the user's device with this endpoint; take the endpoint from another account that the browser used."""
    known = find_contact(session, Channel.PUSH, subscription.as_address())
    if known is None or known.user_id == user_id:
        return known
    if not known.is_ended_device and read_subscription(known.address) != subscription:
        raise _refuse_taken()
    session.delete(known)
    session.flush()
    return None


def _refuse_taken() -> ApiError:
    return ApiError(
        409, "device-taken", "this subscription belongs to another account: subscribe the browser anew"
    )


def _drop_ended(session: Session, user_id: UUID, known: Contact | None) -> None:
    """Delete the devices whose subscription ended: they count no more."""
    for contact in session.scalars(sa.select(Contact).where(*_is_device_of(user_id))):
        if contact is not known and contact.is_ended_device:
            session.delete(contact)
    session.flush()


def _build_contact(session: Session, user_id: UUID) -> Contact:
    """Return a contact under the first number that is free; groups that are stopped by push stay so.

    Raises:
        ApiError: 409 too-many-devices.
    """
    others = list(session.scalars(sa.select(Contact).where(*_is_device_of(user_id)).order_by(Contact.number)))
    taken = {each.number for each in others}
    number = next((each for each in range(PUSH_DEVICES) if each not in taken), None)
    if number is None:
        detail = f"there are {PUSH_DEVICES} devices already: remove one first"
        raise ApiError(409, "too-many-devices", detail)
    stopped = list(others[0].stopped_groups) if others else []
    return Contact(
        user_id=user_id, channel=Channel.PUSH, number=number, stopped_groups=stopped, created_at=clock()
    )


def _switch_on_others(session: Session, user_id: UUID, added: Contact) -> None:
    """Switch on the devices that were switched off with the channel: it is on or off as a whole."""
    others = sa.select(Contact).where(*_is_device_of(user_id), Contact.id != added.id, ~Contact.enabled)
    for each in session.scalars(others.order_by(Contact.id)):
        give_consent(each, "push_device")
        each.enabled = True


def _describe(contact: Contact, last_sent_at: datetime | None) -> DeviceAnswer:
    own = digest(read_subscription(contact.address).endpoint)
    return DeviceAnswer.of_row(
        contact, name=contact.device_name or "", endpoint_digest=own, last_sent_at=last_sent_at
    )
