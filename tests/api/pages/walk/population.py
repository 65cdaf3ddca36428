"""People for walks over all pages: Anna, who owns one of everything, and others who must see nothing of it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from api.invoices.issuing import issue_due
from api.logins.service import LoginChange, open_login
from api.middleware.auth import issue_tokens
from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment
from api.models.base import session
from api.models.contact_linking import TelegramLink
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.invoice import Invoice
from api.models.notice import Notice
from api.models.notification import Notification, NotificationMatch, Priority, State
from api.models.payment import Payment
from api.models.slot import Detection
from api.models.user import Channel, Contact, Grant, Role, User
from configs.clock import clock
from configs.contact_addresses import digest
from configs.plan import PlanName
from configs.proofs import new_key
from configs.signed_links import (
    AcknowledgeIncident,
    AnswerAlert,
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    KeepSecondFactor,
    MoveReminders,
    OpenPortal,
    RefundClosedDesk,
    ResetPassword,
    ReturnAddress,
    StopAlerts,
    TellHowItWent,
    VerifyAddress,
    WithdrawOrder,
    write_token,
)
from tests.api.pages.accounts import build_device, create_account
from tests.api.pages.browser import Browser
from tests.api.world import add_payment, add_stripe_event, desk_state, match, rows, see, wait_for

ROLES = ("visitor", "newcomer", "anna", "neighbour", "support", "admin")
COOKIES = ("__Host-access", "__Host-refresh", "__Host-visitor", "__Host-notice")
# What Anna's own pages show, and no page of another person.
SECRETS = {
    "address": "anna.secret@example.org",
    "phone": "+33612345678",
    "chat": "Anna de Telegram",
    "alert": "Dossier de la mère d’Anna",
    "place": "Guichet où va Anna",
    "browser": "Navigateur d’Anna",
    "device": "Téléphone d’Anna",
    "client": "Anna Nom-de-Facture",
    "notice": "Notification pour Anna",
}


@dataclass(frozen=True)
class Population:
    """The app, the ids of what is Anna's, and the links that her messages have."""

    app: Flask
    users: dict[str, UUID]  # by role
    ids: dict[str, str]  # for patterns of addresses: `{alert}`

    def browse(self, role: str, language: str = "fr") -> Browser:
        """Return a browser in which a person of this role has just signed in."""
        browser = Browser(self.app, language=language)
        if role != "visitor":
            give_login(browser, self.users[role])
        return browser


def read_cookies(browser: Browser) -> dict[str, str]:
    """Return the cookies of a browser, by name."""
    found = (browser.client.get_cookie(name) for name in COOKIES)
    return {each.key: each.value for each in found if each}


def put_cookies(browser: Browser, cookies: dict[str, str]) -> None:
    """Give a browser these cookies and no others."""
    for name in COOKIES:
        browser.client.delete_cookie(name)
    for name, value in cookies.items():
        browser.client.set_cookie(name, value)


def give_login(browser: Browser, user_id: UUID, name: str = "") -> LoginChange:
    """Put the cookies of a new login into a browser."""
    with session() as s:
        user = s.get_one(User, user_id)
        change = open_login(s, user, name, from_known_address=True)
    with browser.client.application.app_context():
        tokens = issue_tokens(user, change.login, str(change.token_id))
    browser.client.set_cookie("__Host-access", tokens.access)
    browser.client.set_cookie("__Host-refresh", tokens.refresh)
    return change


def populate(app: Flask) -> Population:
    """Write everybody, and everything of Anna's."""
    users = {"anna": create_account(SECRETS["address"]).id}
    for role in ("newcomer", "neighbour", "support", "admin"):
        users[role] = create_account(f"{role}@example.org", confirmed=role != "newcomer").id
    with session() as s:
        s.get_one(User, users["support"]).role = Role.SUPPORT
        s.get_one(User, users["admin"]).role = Role.ADMIN
        s.add_all(_make_grant(users[role]) for role in ("anna", "neighbour"))
    ids = _write_alerts(users["anna"]) | _write_channels(users["anna"])
    ids |= {"user": str(users["anna"]), "letter": _write_letter(users["anna"]), "event": add_stripe_event()}
    ids["grant"] = str(next(each.id for each in rows(Grant) if each.user_id == users["anna"]))
    ids["payment"] = str(add_payment(users["anna"], client_name=SECRETS["client"]))
    ids["order"] = rows(Payment)[0].order_number
    issue_due(60)
    ids["invoice"] = str(rows(Invoice)[0].id)
    ids["shown"] = _write_notices(users["anna"])
    ids["login"] = str(give_login(Browser(app), users["anna"], SECRETS["browser"]).login.id)
    return Population(app, users, ids | _write_links(users["anna"], ids["alert"]) | _declare(ids["payment"]))


def _make_grant(user_id: UUID) -> Grant:
    begins = clock() - timedelta(hours=1)
    return Grant(
        user_id=user_id, plan=PlanName.URGENCE_TOTAL, starts_at=begins, ends_at=begins + timedelta(days=30), source="t"
    )  # fmt: skip


def _write_alerts(user_id: UUID) -> dict[str, str]:
    desk_state(last_check_at=clock(), last_proven_at=clock())
    detection, slots = see("2099-01-05T09:00:00+01:00")
    alert, closed = wait_for(user_id), wait_for(user_id)
    found = match(alert, detection, slots)
    with session() as s:
        s.get_one(Detection, detection).proof_key = new_key(clock())
        s.get_one(Alert, alert).name = SECRETS["alert"]
        ended = s.get_one(Alert, closed)
        ended.closed_at, ended.closed_because = clock(), ClosedBecause.FOUND
        at = clock() + timedelta(days=9)
        appointment = Appointment(
            alert_id=closed, at=at, place=SECRETS["place"], dropped_at=at + timedelta(days=90)
        )
        s.add(appointment)
        message = Notification(
            user_id=user_id, channel=Channel.EMAIL, kind="slot_alert", priority=Priority.CRITICAL, dedupe_key="walk",
            state=State.SENT, accepted_at=clock(), next_attempt_at=clock(), next_nudge_at=clock(),
        )  # fmt: skip
        s.add(message)
        s.flush()
        s.add(NotificationMatch(notification_id=message.id, match_id=found))
        links = {
            "reminder": write_token(MoveReminders(appointment.id)),
            "went": write_token(TellHowItWent(appointment.id, well=True)),
            "answer": write_token(AnswerAlert(message.id)),
        }
    return links | {"alert": str(alert), "closed": str(closed), "detection": str(detection)}


def _write_letter(user_id: UUID) -> str:
    """Write a message that failed for good; return its id."""
    now = clock()
    with session() as s:
        letter = Notification(
            user_id=user_id, channel=Channel.EMAIL, kind="order", priority=Priority.CRITICAL, dedupe_key="letter",
            state=State.FAILED, reason="a test", failed_at=now, next_attempt_at=now, next_nudge_at=now,
        )  # fmt: skip
        s.add(letter)
        s.flush()
        return str(letter.id)


def _write_notices(user_id: UUID) -> str:
    """Write two notices; return the id of one."""
    texts = {
        "kind": "order",
        "language": "fr",
        "title": SECRETS["notice"],
        "body": "Texte",
        "link": "/formule",
    }
    written = [Notice(user_id=user_id, **texts) for _ in range(2)]
    with session() as s:
        s.add_all(written)
        s.flush()
        return str(written[0].id)


def _write_channels(user_id: UUID) -> dict[str, str]:
    now = clock()
    with session() as s:
        mailbox = sa.update(Contact).where(Contact.user_id == user_id, Contact.channel == Channel.EMAIL)
        s.execute(mailbox.values(former_address="anna.former@example.org", moved_at=now))
        for channel, address in ((Channel.SMS, SECRETS["phone"]), (Channel.TELEGRAM, "9876543210")):
            s.add(Contact(user_id=user_id, channel=channel, address=address, enabled=True, verified_at=now))
        s.add(
            TelegramLink(
                user_id=user_id, code_hash=b"x" * 32, created_at=now, expires_at=now + timedelta(minutes=9),
                chat_id="9876543211", chat_name=SECRETS["chat"],
            )
        )  # fmt: skip
        device = build_device(user_id, SECRETS["device"])
        s.add(device)
        s.flush()
        return {"device": str(device.id)}


def _declare(payment_id: str) -> dict[str, str]:
    """Write a withdrawal without a login; return the tokens of its mail and of the order's."""
    with session() as s:
        row = Declaration(
            kind=DeclarationKind.WITHDRAWAL, made_by=DeclaredBy.FORM, made_at=clock(), name="Anna",
            email="somebody@example.org", reference="7KQ2M9XWPA", takes_effect_at=clock() + timedelta(days=3),
        )  # fmt: skip
        notice = Declaration(
            kind=DeclarationKind.CANCELLATION, made_by=DeclaredBy.FORM, made_at=clock(), name="Anna",
            email="somebody@example.org", reference="7KQ2M9XWPA", takes_effect_at=clock() + timedelta(days=10),
        )  # fmt: skip
        s.add_all([row, notice])
    return {
        "withdraw": write_token(WithdrawOrder(UUID(payment_id))),
        "cancel": write_token(CancelOrder(UUID(payment_id))),
        "notice": write_token(ConfirmCancellation(notice.id)),
        "declaration": write_token(ConfirmDeclaration(row.id)),
    }


def _write_links(user_id: UUID, alert: str) -> dict[str, str]:
    """Return tokens of the links in Anna's messages."""
    with session() as s:
        user = s.get_one(User, user_id)
        (email,) = (each for each in user.contacts if each.channel is Channel.EMAIL)
        email.stopped_groups = ["news"]  # by a link in a mail
        sent = email.id, digest(email.address)
        password = digest(user.password_hash or "")
    return {
        "stop": write_token(StopAlerts((UUID(alert),))),
        "verify": write_token(VerifyAddress(*sent)),
        "return": write_token(ReturnAddress(*sent)),
        "factor": write_token(KeepSecondFactor(user_id, 0)),
        "reset": write_token(ResetPassword(*sent, password)),
        "portal": write_token(OpenPortal(*sent)),
        "closed_desk": write_token(RefundClosedDesk(*sent, UUID(alert))),
        "incident": write_token(AcknowledgeIncident(1, user_id)),
    }
