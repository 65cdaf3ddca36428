"""A walk over all pages in one browser, as a visitor, or as the people or the operator of the filled world.

The world and the list of its pages are those of `make screenshots`. Here it gets the longest texts that people may
write, and a link of each kind that messages have.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect

from api.models.appointment import Appointment
from api.models.contact_lookup import TelegramLink
from api.models.declaration import Declaration
from api.models.incident import Incident
from api.models.notification import Notice, Notification
from api.models.payment import Payment
from api.models.slot import Detection
from api.models.user import Channel, Contact, User
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.object_store import proof_blobs
from configs.ground.proofs import BODY, META, Meta, fingerprint, pack
from configs.ground.signing import (
    AcknowledgeIncident,
    AnswerAlert,
    KeepSecondFactor,
    Link,
    MoveReminders,
    OpenPortal,
    RefundClosedDesk,
    ReportLook,
    ResetPassword,
    ReturnAddress,
    ShowHelp,
    ShowProof,
    ShowSlots,
    StopGroup,
    TellHowItWent,
    VerifyAddress,
    write_token,
)
from tests.browser.arrival import check_arrival
from tests.browser.site import MakeContext, Site, keep_page
from tests.browser.watch import Watch
from tests.factories import add_contact, add_message, change, one, rows, save
from tests.lab.pictures.accounts import READ, WATCHED, Who
from tests.lab.pictures.pages import Shot, list_shots
from tests.lab.pictures.world import write_rows

_LONG_NAME = "Renouvellement-du-titre-de-séjour-de-ma-belle-mère-qui-habite-chez-nous-depuis-2"
_LONG_URL = f"https://www.example.fr/{'booking/' * 20}"
_PAGE = b"<html>Choisissez un jour"
_UNKNOWN = {"not-found", "departments-unknown"}  # answered by 404
_REFUSED = {"link-refused", "new-address"}  # of tokens that are none


class Reader(StrEnum):
    """Who reads a page."""

    VISITOR = "visitor"
    USER = "user"
    OPERATOR = "operator"


_PEOPLE = {
    Reader.VISITOR: (Who.VISITOR,),
    Reader.USER: (Who.CAMILLE, Who.LONG, Who.NEW, Who.UNCONFIRMED),
    Reader.OPERATOR: (Who.OPERATOR,),
}


def write_world(app: Flask) -> list[Shot]:
    """Write the world; return its pages that open by their address alone."""
    ids = write_rows()
    _write_long_texts()
    shots = [each for each in list_shots(ids, app) if not each.steps and each.name not in _REFUSED]
    links = [write_token(each) for each in _list_links(ids)]
    shots += [Shot(f"link-{number}", f"/l/{each}", Who.VISITOR) for number, each in enumerate(links)]
    camille, mail = _find_camille()
    moved = VerifyAddress(mail.id, digest(mail.address), new=camille.token_version)
    shots.append(Shot("new-address", f"/profil/nouvelle-adresse/{write_token(moved)}", Who.CAMILLE))
    return shots


def _write_long_texts() -> None:
    camille, now = one(User, User.email == Who.CAMILLE).id, clock()
    change(Payment, client_name=_LONG_NAME)
    change(Declaration, name=_LONG_NAME, email=Who.LONG.value)
    change(Incident, Incident.id == 2, subject=f"{'long.' * 20}example.fr:443")
    change(Contact, Contact.user_id == camille, Contact.channel == Channel.EMAIL, former_address=Who.LONG.value, moved_at=now)  # fmt: skip
    add_contact(camille, Channel.PUSH, device_name=f"Samsung-Internet-{_LONG_NAME}")
    save(TelegramLink(
        user_id=one(User, User.email == Who.NEW).id, code_hash=b"0" * 32, expires_at=now + timedelta(minutes=9),
        chat_id="1", chat_name="Camille 🌍 " * 9, created_at=now,
    ))  # fmt: skip
    states: tuple[dict[str, Any], ...] = ({}, {"read_at": now}, {"gone_at": now})
    for columns in states:
        save(Notice(
            user_id=camille, kind="slot_detected", language="fr", title="Créneau détecté", link="/dashboard",
            body=f"{_LONG_NAME} :\n{_LONG_URL}", **columns,
        ))  # fmt: skip


def _find_camille() -> tuple[User, Contact]:
    """Return the user who has everything, and the address that messages go to."""
    camille = one(User, User.email == Who.CAMILLE)
    return camille, one(Contact, Contact.user_id == camille.id, Contact.channel == Channel.EMAIL)


def _list_links(ids: dict[str, str]) -> Iterator[Link]:
    """Yield a link of each kind that the list has not."""
    detection, (camille, mail) = UUID(ids["detection"]), _find_camille()
    sent, appointment = (mail.id, digest(mail.address)), rows(Appointment)[0].id
    announced = Notification.user_id == camille.id, Notification.announcement_id.is_not(None)
    told = rows(Notification, *announced, Notification.channel == Channel.EMAIL)
    yield from (
        AnswerAlert(told[0].id),
        ShowSlots(max(told, key=lambda each: each.created_at).id),
        StopGroup(*sent, MessageGroup.REMINDERS),
        VerifyAddress(*sent),
        OpenPortal(*sent),
    )
    looked = add_message(camille.id, kind="slot_alert", params={"desk_id": READ}, accepted_at=clock())
    yield ReportLook(looked)
    yield from (ResetPassword(*sent, digest(camille.password_hash or "")), KeepSecondFactor(camille.id, 0))
    yield from (ReturnAddress(mail.id, digest(Who.LONG.value)), RefundClosedDesk(*sent, UUID(ids["active"])))
    yield AcknowledgeIncident(1, one(User, User.email == Who.OPERATOR).id)
    yield from (MoveReminders(appointment), TellHowItWent(appointment, well=True))
    asked = one(Contact, Contact.user_id == UUID(ids["helped"]))
    yield ShowHelp(asked.id)
    _write_proof(detection)
    yield ShowProof(detection)


def _write_proof(detection: UUID) -> None:
    found, blobs = one(Detection, Detection.id == detection), proof_blobs()
    meta = Meta(
        key=found.proof_key or "", desk=WATCHED, platform="ezbooking", outcome="slots", evidence="1 moment",
        seen_at=clock(), url=_LONG_URL, status=200, headers={}, sha256=fingerprint(_PAGE), size=len(_PAGE),
        time_zone="Europe/Paris", asked={},
    )  # fmt: skip
    blobs.put(f"{found.proof_key}/{META}", meta.model_dump_json().encode())
    blobs.put(f"{found.proof_key}/{BODY}", pack(_PAGE))


_MORE = 20  # presses beyond the number of controls: fields of dates have several stops
# All controls that a keyboard must reach, in the order of the page, with their looks while they have no focus. Of the
# radio buttons of one question, Tab reaches one.
_PREPARE = """() => {
  // Tab begins at the top, also on a page that led to what is wrong.
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  const one = new Set();
  const selector = ":is(a[href], button, input, select, textarea, summary, [tabindex='0']):not([tabindex='-1'])";
  const looks = (each) => {
    const style = getComputedStyle(each);
    const isDrawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return (isDrawn ? style.outline : "") + style.boxShadow;
  };
  window.controls = [...document.querySelectorAll(selector)].filter((each) => {
    if (each.disabled || each.type === "hidden" || !each.checkVisibility({ visibilityProperty: true })) return false;
    if (each.type !== "radio") return true;
    const isNew = !one.has(each.name);
    one.add(each.name);
    return isNew;
  });
  window.looksBefore = new Map(window.controls.map((each) => [each, looks(each)]));
  window.looksOf = looks;
  return window.controls.length;
}"""
# The stop that has the focus: its place among the controls, and what is wrong with it.
_STOP = """() => {
  const each = document.activeElement;
  if (each === document.body) return null;
  const box = each.getBoundingClientRect();
  const name = each.outerHTML.slice(0, 120);
  const place = window.controls.findIndex((one) => one === each || (each.type === "radio" && one.name === each.name));
  const wrong = [];
  if (place < 0) wrong.push(`no control: ${name}`);
  else if (window.looksOf(each) === window.looksBefore.get(window.controls[place])) wrong.push(`focus not seen: ${name}`);
  if (box.bottom <= 0 || box.top >= innerHeight) wrong.push(`focus out of the window: ${name}`);
  return { place, wrong };
}"""
# Which parts about push messages a page shows, its script says a moment later.
_SETTLED = """() => {
  const parts = [...document.querySelectorAll("[data-push]")];
  return !parts.length || parts.some((each) => !each.hidden);
}"""
# Tab goes to these before all others.
_AHEAD = (
    "() => window.controls.filter((each) => each.tabIndex > 0).map((each) => each.outerHTML.slice(0, 120))"
)
_NAMES = "places => places.map((each) => window.controls[each].outerHTML.slice(0, 120))"


def check_keyboard(page: Page) -> None:
    """Press Tab through a page.

    Raises:
        AssertionError: a control is not reached, comes out of order, or does not show the focus.
    """
    page.wait_for_function(_SETTLED)
    number = page.evaluate(_PREPARE)
    stops: list[int] = []
    problems = [f"out of order: {each}" for each in page.evaluate(_AHEAD)]
    for _ in range(number + _MORE):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        if stop is None or (stops and stop["place"] == stops[0] != stops[-1]):
            break  # after the last one, the page begins again
        problems += stop["wrong"]
        if stop["place"] not in stops[-1:]:
            stops.append(stop["place"])
    missed = sorted(set(range(number)) - set(stops))
    if missed:
        problems.append(f"not reached: {page.evaluate(_NAMES, missed)}")
    if stops != sorted(stops):
        problems.append(f"out of order: {stops}")
    assert not problems, "\n".join(problems)


# Forms in which somebody writes or chooses something.
FORMS = "main form[method=post]:has(input:not([type=hidden]), select, textarea)"
_SPOIL = """(form, text) => {
  form.noValidate = true;
  for (const field of form.querySelectorAll("input:not([type=hidden]), textarea")) {
    const past = { date: "2020-01-01", time: "09:00" }[field.type];
    if (["checkbox", "radio"].includes(field.type)) field.checked = false;
    else if (past) field.value = text && past;
    else { field.type = "text"; field.value = text; }
  }
  for (const field of form.querySelectorAll("select")) {
    field.options[0].value = text;
    field.value = text;
  }
  // The page's script asks the browser for an endpoint first, where there is none.
  if (form.elements.endpoint) form.elements.endpoint.value = "nowhere";
  form.requestSubmit(form.querySelector("button"));
}"""


def count_forms(page: Page) -> int:
    return page.locator(FORMS).count()


def send_spoiled(page: Page, number: int, text: str) -> bool:
    """Send a form of the open page with this text in each field; return whether it was refused.

    Raises:
        AssertionError: the page that refuses it breaks a rule, or does not lead to what is wrong.
    """
    with page.expect_navigation() as arrived:
        page.locator(FORMS).nth(number).evaluate(_SPOIL, text)
    if arrived.value.status != 422:
        return False
    check_arrival(page)
    expect(page.get_by_role("alert")).to_be_focused()
    return True


Check = Callable[[Page], None]  # raises AssertionError
_FEWEST = {Reader.VISITOR: 15, Reader.USER: 15, Reader.OPERATOR: 12}  # pages


@dataclass(frozen=True, slots=True)
class PageWalk:
    """In which language the pages of the world are read, and in which kind of browser."""

    site: Site
    shots: list[Shot]
    make_context: MakeContext
    watch: Watch
    language: str = "fr"

    def list_problems(self, check: Check, reader: Reader, **kind: Any) -> list[str]:
        """Open each page of a reader, and return what is wrong; pictures of such pages are kept."""
        return [
            problem
            for page, shots in self.list_pages(reader, **kind)
            for each in shots
            for problem in self._visit(page, each, check)
        ]

    def list_pages(self, reader: Reader, **kind: Any) -> Iterator[tuple[Page, list[Shot]]]:
        """Yield a browser of each person who is such a reader, and the pages that are that person's."""
        mine = {who: [each for each in self.shots if each.who is who] for who in _PEOPLE[reader]}
        assert sum(map(len, mine.values())) > _FEWEST[reader]
        for who, shots in mine.items():
            yield self._open_browser(who, **kind).new_page(), shots

    def address(self, shot: Shot) -> str:
        """Return the address of a page in the walk's language."""
        return f"{shot.path}{'&' if '?' in shot.path else '?'}lang={self.language}"

    def _open_browser(self, who: Who, **kind: Any) -> BrowserContext:
        context = self.make_context(self.site.url, language=self.language, **kind)
        if who is not Who.VISITOR:
            self.site.give_login(context, one(User, User.email == who.value).id)
        return context

    def _visit(self, page: Page, shot: Shot, check: Check) -> list[str]:
        response = page.goto(self.address(shot))
        status = 404 if shot.name in _UNKNOWN else 200
        found = [] if response and response.status == status else [f"{shot.name} is not answered by {status}"]
        try:
            check(page)
        except AssertionError as error:
            found.append(f"{shot.name}: {error}")
        found += self.watch.list_problems()
        if found:
            keep_page(page, f"{self.language} {shot.name}")
        return found
