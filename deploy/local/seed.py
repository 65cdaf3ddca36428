"""The people of the sandbox: Camille, with three verified contacts, the largest plan and two alerts; an operator."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import requests
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from api.models.alert import Alert
from api.models.base import session
from api.models.contact_lookup import claim_address
from api.models.desk import DeskState
from api.models.user import Channel, Contact, Grant, Role, User
from configs.ground.clock import clock
from configs.ground.push_subscriptions import PushSubscription
from configs.world.plan import PlanName
from configs.world.prefecture import desks
from deploy.local.processes import StartFailed, wait_until
from deploy.local.stack import Stack
from deploy.sandbox.providers.push import make_subscription
from notifier.telegram_bot import register_commands, register_webhook

EMAIL = "camille@example.org"
OPERATOR = "operateur@example.org"
PASSWORD = "sandbox-camille-attend"  # noqa: S105 -- the stand-in world's only account, on loopback
# 06 39 98 xx xx is kept by Arcep for films and examples: https://www.arcep.fr (décision 2018-0881)
_CONTACTS = {Channel.EMAIL: EMAIL, Channel.SMS: "+33639980017", Channel.TELEGRAM: "100000017"}
OPERATORS_CHAT = "100000018"
_AGE = timedelta(days=2)  # of Camille's account: one that is new may not say what it sees
_PATIENCE = 60.0  # seconds: on a small machine everything starts at once
_WISHES: tuple[Mapping[str, str], ...] = (
    {"prefectureId": "evry-courcouronnes_91", "procedure": "NATURALISATION"},
    {"prefectureId": "bobigny_93", "procedure": "TITRE_SEJOUR"},
)


def seed(stack: Stack) -> None:
    """Have each desk asked once, register Camille through the API, grant the plan, and create the missing alerts.

    Raises:
        StartFailed: a route answered something else than expected.
    """
    _ask_desks()
    if not _is_known():  # a second registration sends a mail: at each start that would be noise
        account = {"email": EMAIL, "password": PASSWORD, "plan": "URGENCE_TOTAL"}
        _call(stack, "POST", "/api/auth/register", account)
    _appoint()
    register_webhook()
    register_commands()
    waiting = _entitle()
    if not waiting:
        token = _call(stack, "POST", "/api/auth/login", {"email": EMAIL, "password": PASSWORD})["token"]
        for wish in _WISHES:
            _call(stack, "POST", "/api/alerts", wish, token)


def _ask_desks() -> None:
    """Have each desk asked once, as no alert can be had before: wait for the answers, a minute at most."""
    began = clock()
    asked = [{"id": each.id, "check_requested_at": began} for each in desks().values() if each.shows_slots]
    with session() as s:
        made = insert(DeskState).values(asked)
        wanted = {"check_requested_at": made.excluded.check_requested_at}
        s.execute(made.on_conflict_do_update(index_elements=["id"], set_=wanted))
    ids = [each["id"] for each in asked]
    # A check that began just before answers as well: none of its desk follows for half a minute.
    lately = DeskState.last_check_at >= began - timedelta(seconds=_PATIENCE)
    answered = sa.select(sa.func.count()).where(DeskState.id.in_(ids), lately)

    def are_asked() -> bool:
        with session() as s:
            return s.scalar(answered) == len(ids)

    with suppress(StartFailed):
        wait_until(are_asked, what="a check of each desk", seconds=_PATIENCE)


def _is_known() -> bool:
    with session() as s:
        return s.scalar(sa.select(sa.exists().where(User.email_folded == EMAIL))) or False


def _appoint() -> None:
    """Make the operator, who gets alarms by Telegram, then by mail; there is no sign-in for one here."""
    reached = {Channel.EMAIL: OPERATOR, Channel.TELEGRAM: OPERATORS_CHAT}
    with session() as s:
        if s.scalar(sa.select(User.id).where(User.email_folded == OPERATOR)) is None:
            contacts = [
                Contact(channel=channel, address=address, verified_at=clock(), enabled=True)
                for channel, address in reached.items()
            ]
            s.add(User(email=OPERATOR, role=Role.ADMIN, contacts=contacts))


def _entitle() -> bool:
    """Verify Camille's contacts (an SMS cannot be answered here), grant a month, let the account be older than a day.

    Return whether alerts exist.
    """
    now = clock()
    with session() as s:
        user = s.scalars(sa.select(User).where(User.email_folded == EMAIL)).one()
        user.created_at = min(user.created_at, now - _AGE)
        known = {contact.channel: contact for contact in user.contacts}
        for channel, address in (_CONTACTS | {Channel.PUSH: _describe_browser()}).items():
            contact = known.get(channel) or Contact(user_id=user.id, channel=channel, address=address)
            contact.verified_at = contact.verified_at or now
            contact.enabled = True
            contact.device_name = "Navigateur de Camille" if channel is Channel.PUSH else None
            s.add(contact)
            if channel is not Channel.EMAIL and not claim_address(s, contact):
                raise StartFailed(f"another account of this sandbox has {address}")
        if not any(grant.covers_moment(now + timedelta(days=1)) for grant in user.grants):
            ends = now + timedelta(days=30)
            s.add(
                Grant(
                    user_id=user.id,
                    plan=PlanName.URGENCE_TOTAL,
                    starts_at=now,
                    ends_at=ends,
                    source="sandbox",
                )
            )
        return (
            s.scalar(sa.select(sa.exists().where(Alert.user_id == user.id, Alert.closed_at.is_(None))))
            or False
        )


def _describe_browser() -> str:
    """Return the address of a browser behind the stand-in's push service."""
    made = make_subscription("camille")
    return PushSubscription(made["endpoint"], **made["keys"]).as_address()


def _call(stack: Stack, method: str, path: str, body: Mapping[str, Any], token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"http://127.0.0.1:{stack.ports.api}{path}"
    try:
        answer = requests.request(method, address, json=body, headers=headers, timeout=_PATIENCE)
    except OSError as error:
        raise StartFailed(f"{method} {path} got no answer: {error}") from None
    if not answer.ok:
        raise StartFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json()
