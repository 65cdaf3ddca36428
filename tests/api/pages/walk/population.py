"""People for walks over all pages: Anna, who owns one of everything, and others who must see nothing of it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import Flask

from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment
from api.models.base import session
from api.models.contact_lookup import TelegramLink
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.invoice import Invoice
from api.models.notification import Notice, State
from api.models.organisation import Member, MemberRole
from api.models.payment import Payment
from api.models.slot import Detection
from api.models.user import Channel, Contact, Grant, Role, User
from api.payments.billing.referrals import write_friend_link
from api.payments.invoices.issuing import issue_due
from api.payments.organisations.service import record_received
from configs.ground import signing
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.proofs import new_key
from configs.world.desk import set_tried_desks
from tests import factories
from tests.clients import Browser
from tests.desk_proofs import prove_desks

TRIED = "bobigny_93/visa"
ROLES = ("visitor", "newcomer", "anna", "neighbour", "support", "admin")
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
    "key": "Clé de l’organisation d’Anna",
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
            browser.give_login(self.users[role])
        return browser


def populate(app: Flask) -> Population:
    """Write everybody, and everything of Anna's."""
    users = {"anna": factories.add_account(SECRETS["address"]).id}
    factories.change(User, created_at=clock() - timedelta(days=2))  # old enough to report
    for role in ("newcomer", "neighbour", "support", "admin"):
        users[role] = factories.add_account(f"{role}@example.org", confirmed=role != "newcomer").id
    factories.give_role(users["support"], Role.SUPPORT, second_factor=False)
    factories.give_role(users["admin"], Role.ADMIN, second_factor=False)
    for role in ("anna", "neighbour"):
        factories.add_grant(users[role], days=30, starts=-1 / 24)
    ids = _write_alerts(users["anna"]) | _write_channels(users["anna"])
    ids |= {
        "user": str(users["anna"]),
        "letter": _write_letter(users["anna"]),
        "event": factories.add_stripe_event(),
        "candidate": str(factories.add_candidate()),
        "other_candidate": str(factories.add_candidate()),
        "request": factories.add_support_request(users["anna"]),
        "other_request": factories.add_support_request(users["anna"]),
    }
    ids["organisation"] = str(organisation := factories.add_organisation(users["anna"]).id)
    key, hook = factories.add_programs(organisation, SECRETS["key"])
    ids |= {"key": str(key), "hook": str(hook)}
    invited = Member(organisation_id=organisation, email="invited@example.org", role=MemberRole.VIEWER)
    ids["member"] = str(factories.save(invited).id)
    ids["helped"] = str(factories.add_beneficiary(organisation))
    ids["grant"] = str(next(each.id for each in factories.rows(Grant) if each.user_id == users["anna"]))
    ids["payment"] = str(factories.add_payment(users["anna"], client_name=SECRETS["client"]))
    ids["order"] = factories.rows(Payment)[0].order_number
    issue_due(60)
    ids["invoice"] = str(factories.rows(Invoice)[0].id)
    ids["bill"] = str(factories.add_bill(organisation, users["anna"]))
    ids["firm_document"] = str(factories.one(Invoice, Invoice.payment_id == ids["bill"]).id)
    record_received(factories.get(Invoice, UUID(ids["firm_document"])).number, 50)
    ids["shown"] = _write_notices(users["anna"])
    ids["login"] = str(Browser(app).give_login(users["anna"], SECRETS["browser"]).login.id)
    return Population(app, users, ids | _write_links(users["anna"], ids["alert"]) | _declare(ids["payment"]))


def _write_alerts(user_id: UUID) -> dict[str, str]:
    prove_desks()
    factories.add_desk(TRIED, tried_at=clock())
    set_tried_desks([TRIED])
    detection, slots = factories.see("2099-01-05T09:00:00+01:00")
    alert, closed = factories.add_alert(user_id), factories.add_alert(user_id)
    found = factories.add_match(alert, detection, slots)
    factories.change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    factories.change(Alert, Alert.id == alert, name=SECRETS["alert"])
    factories.change(Alert, Alert.id == closed, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    at = clock() + timedelta(days=9)
    appointment = factories.save(
        Appointment(alert_id=closed, at=at, place=SECRETS["place"], dropped_at=at + timedelta(days=90))
    )
    message = factories.add_message(user_id, found, kind="slot_alert", state=State.SENT, accepted_at=clock())
    factories.add_desk("melun_77/visa")
    about = factories.add_message(user_id, kind="slot_alert", params={"desk_id": "melun_77/visa"})
    links = {
        "look": signing.write_token(signing.ReportLook(about)),
        "page": signing.write_token(signing.OpenPage(about)),
        "reminder": signing.write_token(signing.MoveReminders(appointment.id)),
        "went": signing.write_token(signing.TellHowItWent(appointment.id, well=True)),
        "answer": signing.write_token(signing.AnswerAlert(message)),
        "places": signing.write_token(signing.ShowSlots(message)),
    }
    return links | {"alert": str(alert), "closed": str(closed), "detection": str(detection)}


def _write_letter(user_id: UUID) -> str:
    """Write a message that failed for good; return its id."""
    return str(
        factories.add_message(user_id, kind="order", state=State.FAILED, reason="a test", failed_at=clock())
    )


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
    factories.save_all(written)
    return str(written[0].id)


def _write_channels(user_id: UUID) -> dict[str, str]:
    now = clock()
    factories.change(
        Contact, Contact.user_id == user_id, former_address="anna.former@example.org", moved_at=now
    )
    factories.add_contact(user_id, Channel.SMS, SECRETS["phone"])
    factories.add_contact(user_id, Channel.TELEGRAM, "9876543210")
    factories.save(TelegramLink(
        user_id=user_id, code_hash=b"x" * 32, created_at=now, expires_at=now + timedelta(minutes=9),
        chat_id="9876543211", chat_name=SECRETS["chat"],
    ))  # fmt: skip
    return {"device": str(factories.add_contact(user_id, Channel.PUSH, device_name=SECRETS["device"]).id)}


def _declare(payment_id: str) -> dict[str, str]:
    """Write a withdrawal without a login; return the tokens of its mail and of the order's."""
    row = Declaration(
        kind=DeclarationKind.WITHDRAWAL, made_by=DeclaredBy.FORM, made_at=clock(), name="Anna",
        email="somebody@example.org", reference="7KQ2M9XWPA", takes_effect_at=clock() + timedelta(days=3),
    )  # fmt: skip
    notice = Declaration(
        kind=DeclarationKind.CANCELLATION, made_by=DeclaredBy.FORM, made_at=clock(), name="Anna",
        email="somebody@example.org", reference="7KQ2M9XWPA", takes_effect_at=clock() + timedelta(days=10),
    )  # fmt: skip
    factories.save_all([row, notice])
    return {
        "withdraw": signing.write_token(signing.WithdrawOrder(UUID(payment_id))),
        "cancel": signing.write_token(signing.CancelOrder(UUID(payment_id))),
        "notice": signing.write_token(signing.ConfirmCancellation(notice.id)),
        "declaration": signing.write_token(signing.ConfirmDeclaration(row.id)),
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
        "friend": write_friend_link(user_id).rpartition("/")[2],
        "stop": signing.write_token(signing.StopAlerts((UUID(alert),))),
        "unsubscribe": signing.write_token(signing.StopGroup(*sent, MessageGroup.REMINDERS)),
        "verify": signing.write_token(signing.VerifyAddress(*sent)),
        "help": signing.write_token(signing.ShowHelp(email.id)),
        "return": signing.write_token(signing.ReturnAddress(*sent)),
        "factor": signing.write_token(signing.KeepSecondFactor(user_id, 0)),
        "reset": signing.write_token(signing.ResetPassword(*sent, password)),
        "portal": signing.write_token(signing.OpenPortal(*sent)),
        "closed_desk": signing.write_token(signing.RefundClosedDesk(*sent, UUID(alert))),
        "incident": signing.write_token(signing.AcknowledgeIncident(1, user_id)),
    }
