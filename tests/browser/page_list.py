"""All pages that the URL map has, each with addresses that show what it can: a new page without an address is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask, url_for
from werkzeug.routing import Rule

from api.models.base import session
from api.models.user import Channel, Contact, Grant
from api.pages.area import Access
from configs.ground.contact_addresses import digest
from configs.ground.message_groups import MessageGroup
from configs.ground.signed_links import (
    AcknowledgeIncident,
    AnswerAlert,
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    KeepSecondFactor,
    Link,
    MoveReminders,
    OpenPortal,
    RefundClosedDesk,
    ResetPassword,
    ReturnAddress,
    ShowProof,
    StopAlerts,
    StopGroup,
    TellHowItWent,
    VerifyAddress,
    WithdrawOrder,
    write_token,
)
from configs.world.prefecture import desks
from tests.browser.content import DESK, FORMER_EMAIL, HIDDEN, PLACE, Content

_LINKS = "links.show_link"
Arguments = dict[str, Any]
# Answers that are no page: files, twins of live parts, and what only leads on.
NO_PAGES = {
    "admin.send_totals", "admin.show_proof",
    "alert_pages.list_alerts", "channels.send_push_worker", "alert_pages.send_event", "alert_pages.show_parts", "alert_pages.show_proof",
    "assets.send_asset", "calendar.send_feed", "channels.poll_telegram", "invoice_pages.send_pdf", "map.show_parts",
    "open_web.send_robots", "open_web.send_security", "open_web.send_sitemap", "plan.show_confirmation",
    "admin.show_live", "messages.show_live_notices", "links.send_picture", "links.send_source", "security.show_codes", "status.show_live",
}  # fmt: skip


class Reader(StrEnum):
    """Who reads a page."""

    VISITOR = "visitor"
    USER = "user"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A page, and whose account of the content it takes."""

    endpoint: str
    path: str
    reader: Reader


def list_pages(app: Flask, content: Content) -> list[SamplePage]:
    """Return addresses of each page, with all samples; of links one of each kind.

    Raises:
        AssertionError: a page has parameters, and no sample of them stands here.
    """
    samples = _list_samples(content)
    rules = list(list_page_rules(app))
    lacking = [rule.endpoint for rule in rules if rule.arguments and rule.endpoint not in samples]
    assert not lacking, f"_list_samples has no parameters for {lacking}"
    with app.test_request_context():
        return [
            SamplePage(rule.endpoint, url_for(rule.endpoint, **each), _find_reader(app, rule))
            for rule in rules
            for each in samples.get(rule.endpoint, ({},))
        ]


def list_page_rules(app: Flask) -> Iterator[Rule]:
    """Yield the routes of pages that answer GET; the API's own pages are no part of the front."""
    for rule in app.url_map.iter_rules():
        is_page = not rule.rule.startswith("/api/") and rule.endpoint not in NO_PAGES
        if is_page and "GET" in (rule.methods or ()):
            yield rule


def _find_reader(app: Flask, rule: Rule) -> Reader:
    access = getattr(app.view_functions[rule.endpoint], "access", None)
    if access in (Access.OPERATOR, Access.PROVEN_OPERATOR, Access.ADMIN, Access.PROVEN_ADMIN):
        return Reader.OPERATOR
    return Reader.USER if access in (Access.PERSONAL, Access.PROVEN) else Reader.VISITOR


def _list_samples(content: Content) -> dict[str, tuple[Arguments, ...]]:
    """Return the parameters of each page that has some, and those that show another state of a page."""
    wish = {"prefecture": PLACE, "procedure": "TITRE_SEJOUR"}
    hidden, _, _ = HIDDEN.partition("/")
    change = VerifyAddress(*_find_contact(content), new=content.user.token_version)
    alerts = tuple({"id": each} for each in (content.alert, content.paused, content.closed))
    return {
        "advice.list_departments": ({}, {"q": "val"}),
        "advice.show_place": ({"id": PLACE},),
        "advice.show_advice": (
            {"id": PLACE, "procedure": "titre-sejour"},
            {"id": hidden, "procedure": "visa"},
        ),
        "map.show_map": ({}, {"procedure": "titre-sejour"}),
        "calendar.show_calendar": ({}, {"prefecture": PLACE, "procedure": "TITRE_SEJOUR"}),
        "legal.show_version": ({"name": "vie-privee", "version": "2026-11-22"},),
        "sign_in.show_registration": (wish | {"plan": "URGENCE_7J"}, {"payment": "cancelled"}),
        "dashboard.show_dashboard": ({}, {"payment": "success"}),
        "messages.show_messages": ({}, {"channel": "sms", "state": "failed"}),
        "alert_pages.show_new_alert": ({}, wish),
        "alert_pages.show_alert": alerts,
        "alert_pages.show_edit": alerts[:1],
        "alert_pages.show_close": alerts[:1],
        "alert_pages.show_found": alerts[:1],
        "plan.show_order": ({"plan": "URGENCE_7J"}, {"plan": "URGENCE_TOTAL"}),
        "plan.show_payment": ({"id": content.payment},),
        "plan.show_withdrawal": ({"id": content.payment},),
        "invoice_pages.show_invoice": ({"id": content.invoice}, {"id": content.credit_note}),
        **_list_operator_samples(content),
        **_list_money_samples(content),
        "preferences.show_new_email": ({"token": write_token(change)},),
        _LINKS: (
            *(
                {"token": write_token(AnswerAlert(content.message))} | each
                for each in ({"value": "found"}, {})
            ),
            *({"token": write_token(each)} for each in _list_links(content)),
        ),
    }


def _list_operator_samples(content: Content) -> dict[str, tuple[Arguments, ...]]:
    """Return the parameters of operators' pages."""
    host = {"host": desks()[DESK].host}
    place, _, slug = DESK.partition("/")
    desk, incident = {"prefecture": place, "slug": slug}, {"id": content.incident}
    return {
        "admin.list_incidents": ({}, {"open": "false"}),
        "admin.show_incident": (incident,),
        "admin.ask_acknowledge_incident": (incident,),
        "admin.list_desks": ({}, {"prefectureId": PLACE}, {"status": "nonsense"}),
        "admin.show_desk": (desk,),
        "admin.ask_pause_desk": (desk,),
        "admin.ask_resume_desk": (desk,),
        "admin.ask_request_check": (desk,),
        "admin.list_hosts": ({}, {"limit": 1}, {"limit": "many"}),
        "admin.show_host": (host,),
        "admin.list_checks": ({}, {"deskId": DESK}, {"hours": "x"}),
        "admin.list_alerts": ({}, {"isActive": "false"}),
        "admin.show_alert": ({"id": content.alert}, {"id": content.closed}),
        "admin.ask_pause_alert": ({"id": content.alert},),
        "admin.ask_resume_alert": ({"id": content.paused},),
        "admin.list_messages": ({}, {"channel": "email"}),
        "admin.list_delivery": ({}, {"by": "prefecture"}),
        "admin.list_declarations": ({}, {"open": "true"}),
        "admin.ask_stop_host": (host,),
        "admin.ask_release_host": (host,),
    }


def _list_money_samples(content: Content) -> dict[str, tuple[Arguments, ...]]:
    """Return the parameters of operators' pages of messages, people and money."""
    user, payment = {"id": content.user.id}, {"id": content.payment}
    with session() as s:
        grant = s.scalars(sa.select(Grant.id).filter_by(user_id=content.user.id)).one()
    return {
        "admin.list_answers": ({}, {"months": 0}),
        "admin.list_dead_letters": ({}, {"channel": "sms"}, {"hours": "x"}),
        "admin.ask_replay": ({}, {"channel": "sms", "reason": "nothing"}),
        "admin.show_detection": ({"id": content.detection},),
        "admin.list_payments": ({}, {"status": "FAILED"}, {"userId": "x"}),
        "admin.show_payment": (payment,),
        "admin.ask_refund_payment": (payment | {"amount": "1,00"}, payment),
        "admin.list_totals": ({}, {"first": "2001-01-01", "last": "2001-01-02"}),
        "admin.list_events": ({}, {"flag": "gave_up"}),
        "admin.ask_replay_event": ({"id": content.event},),
        "admin.list_users": ({}, {"role": "admin"}),
        "admin.show_user": (user,),
        "admin.ask_give_grant": (user,),
        "admin.ask_end_grant": (user | {"grant": grant},),
        "admin.ask_change_role": (user,),
        "admin.ask_send_return_mail": (user,),
        "admin.ask_end_factor": ({"id": content.operator},),
        "admin.ask_keep_factor": ({"id": content.operator},),
    }


def _find_contact(content: Content) -> tuple[UUID, str]:
    """Return the id and the digest of the address that messages go to."""
    with session() as s:
        mail = sa.select(Contact).filter_by(user_id=content.user.id, channel=Channel.EMAIL)
        contact = s.scalars(mail).one()
        return contact.id, digest(contact.address)


def _list_links(content: Content) -> list[Link]:
    """Return a link of each kind that messages have."""
    sent = _find_contact(content)
    return [
        StopAlerts((content.alert,)),
        StopGroup(*sent, MessageGroup.REMINDERS),
        VerifyAddress(*sent),
        ResetPassword(*sent, digest(content.user.password_hash or "")),
        OpenPortal(*sent),
        ReturnAddress(sent[0], digest(FORMER_EMAIL)),
        KeepSecondFactor(content.user.id, 0),
        AcknowledgeIncident(content.incident, content.operator),
        MoveReminders(content.appointment),
        TellHowItWent(content.appointment, well=True),
        RefundClosedDesk(*sent, content.alert),
        WithdrawOrder(content.payment),
        CancelOrder(content.payment),
        ConfirmCancellation(content.notice),
        ConfirmDeclaration(content.declaration),
        ShowProof(content.detection),
    ]
