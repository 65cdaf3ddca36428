"""A person who uses a whole stack: by the API, the links in mails, and the stand-ins for phone and Telegram."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyotp
import requests
import sqlalchemy as sa
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from api.models.job import JobState
from api.models.user import Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.local.stack import Stack
from deploy.sandbox.addresses import INBOX
from tests.clients import Page
from tests.waiting import until

_STEP = 30  # seconds that a code of the second factor is shown
_SECONDS = 60  # for one answer of a busy machine
LOOK = 0.5  # seconds between two requests to the API, which counts them


@dataclass
class Visitor:
    """A person with an e-mail address; `token` signs in the next request, `codes` make the second factor's."""

    stack: Stack
    email: str
    password: str = "vingt-deux-tramways-bleus"
    token: str = ""
    codes: pyotp.TOTP | None = None
    _used: int = 0  # the step of the last code: each is good once

    def ask(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """Send a request to /api…; return the JSON of the answer, which must have the expected status."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"http://127.0.0.1:{self.stack.ports.api}/api{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=_SECONDS)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def open(self, path: str) -> str:
        """Return the HTML of a page: the token of the API is the page's cookie, too."""
        return self._visit("GET", path).text

    def send(self, path: str, action: str, **fields: str) -> str:
        """Send the form of a page whose action contains this; return the page that comes after it."""
        form = Page(self.open(path)).find_form(action)
        given = {name: values[0] for name, values in form["fields"].items()}
        answer = self._visit("POST", form["attributes"]["action"] or path, given | fields)
        if answer.status_code == requests.codes.ok:
            return answer.text
        return self._visit(
            "GET", answer.headers["Location"], notice=answer.cookies.get("__Host-session")
        ).text

    def _visit(
        self, method: str, path: str, fields: dict[str, str] | None = None, notice: str | None = None
    ) -> requests.Response:
        answer = requests.request(
            method,
            f"http://127.0.0.1:{self.stack.ports.api}{path}",
            data=fields,
            headers={
                "Cookie": f"__Host-access={self.token}; __Host-session={notice or ''}",
                "Accept": "text/html",
            },
            allow_redirects=False,
            timeout=_SECONDS,
        )
        assert answer.status_code in (200, 303), f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def messages(self, channel: str, to: str = "", *, slots: bool = False) -> list[dict[str, Any]]:
        """Return what arrived on a channel (e-mail: for this person), only alerts of slots if wished."""
        url = f"http://{INBOX}:{self.stack.ports.inbox}/api/messages"
        found = requests.get(url, timeout=_SECONDS).json()
        address = to or self.email
        return [
            each
            for each in found
            if each["channel"] == channel and each["to"] == address and (not slots or each["seen_at"])
        ]

    def register(self, language: str = "fr") -> None:
        """Register, and confirm the address by the button behind the mail's link."""
        account = {
            "email": self.email,
            "password": self.password,
            "plan": "URGENCE_TOTAL",
            "language": language,
        }
        self.ask("POST", "/auth/register", account, expect=202)
        link = self.find_link()
        assert "<form" in requests.get(link, timeout=_SECONDS).text
        assert requests.post(link, timeout=_SECONDS).status_code == 200

    def find_link(self) -> str:
        """Return the link of the mail that asks to confirm the address."""
        mail = until(lambda: self.messages("email"))[0]
        link = re.search(r"http://\S+/l/verify\.\S+", mail["text"])
        assert link, mail["text"]
        return link[0]

    def find_code(self) -> str:
        """Return the code of the mail that asks to confirm the address."""
        mail = until(lambda: self.messages("email"))[0]
        code = re.search(r"\b\d{6}\b", re.sub(r"http\S+", "", mail["text"]))
        assert code, mail["text"]
        return code[0]

    def sign_in(self) -> Any:
        """Sign in by password, and by a code where there is a second factor; return the answer with the tokens."""
        self.token = ""
        answer = self.ask("POST", "/auth/login", {"email": self.email, "password": self.password})
        if "challenge" in answer:
            body = {"challenge": answer["challenge"], "code": self.next_code()}
            answer = self.ask("POST", "/auth/login/totp", body)
        self.token = answer["token"]
        return answer

    def prove(self) -> None:
        """Give the password once more, and a code where there is a second factor."""
        body = {"password": self.password} | ({"code": self.next_code()} if self.codes else {})
        self.ask("POST", "/auth/prove", body)

    def enable_second_factor(self) -> list[str]:
        """Set up codes of an authenticator app; return the recovery codes."""
        self.prove()
        setup = self.ask("POST", "/auth/totp")
        self.codes = pyotp.TOTP(setup["secret"])
        confirmation = {"setup": setup["setup"], "code": self.next_code()}
        shown: list[str] = self.ask("POST", "/auth/totp/confirm", confirmation)["recoveryCodes"]
        return shown

    def next_code(self) -> str:
        """Return a code that was not used yet: those of one step before and after now are good too."""
        assert self.codes
        until(lambda: self._used <= _step())
        self._used = max(self._used + 1, _step() - 1)
        return self.codes.at(self._used * _STEP)

    def link_telegram(self, chat: int) -> None:
        """Press Start on the stand-in's page, and confirm the chat."""
        self.prove()
        url = self.ask("POST", "/users/telegram-link")["url"]
        page = requests.get(url, timeout=_SECONDS).text
        code = re.search(r'name="code" value="([^"]+)"', page)
        assert code, page
        form = {"code": code[1], "name": "Nadia B", "chat": str(chat), "kind": "private"}
        assert requests.post(url.partition("?")[0], data=form, timeout=_SECONDS).status_code == 200
        until(lambda: self.ask("GET", "/users/telegram-link")["state"] == "started", pause=LOOK)
        assert self.ask("POST", "/users/telegram-link/confirm")["telegramChatId"]

    def say(self, chat: int, text: str) -> None:
        """Write to the bot in a chat."""
        url = f"http://{INBOX}:{self.stack.ports.inbox}/api/telegram/say"
        body = {"chat": str(chat), "text": text}
        assert requests.post(url, json=body, timeout=_SECONDS).status_code == 200

    def press(self, message: dict[str, Any], text: str) -> None:
        """Press the button of a Telegram message with this text."""
        url = f"http://{INBOX}:{self.stack.ports.inbox}/api/telegram/press"
        (data,) = (each["data"] for each in message["buttons"] if each["text"] == text)
        body = {"message": message["number"], "data": data}
        assert requests.post(url, json=body, timeout=_SECONDS).status_code == 200

    def link_phone(self, number: str) -> None:
        """Ask for a code by SMS, and type it in."""
        self.prove()
        self.ask("PATCH", "/users/profile", {"phone": number})
        sms = until(lambda: self.messages("sms", number))[0]
        code = re.search(r"\b\d{6}\b", sms["text"])
        assert code, sms["text"]
        assert self.ask("POST", "/users/phone/verify", {"code": code[0]})["phoneVerified"]


def _step() -> int:
    return int(clock().timestamp()) // _STEP


def set_mode(stack: Stack, channel: str, mode: str) -> None:
    """Set how all stand-ins for a channel's providers answer."""
    url = f"http://{INBOX}:{stack.ports.inbox}/api/providers/{channel}/mode"
    assert requests.post(url, json={"mode": mode}, timeout=_SECONDS).status_code == 200


# Jobs of the background program, run now in place of at their time.


def run_job(stack: Stack, name: str) -> dict[str, Any]:
    """Have a background job run now, after the turn that is under way; return its counts."""
    engine = create_engine(stack.environment["DATABASE_URL"])
    due = clock()

    def begun() -> bool:
        with Session(engine) as session, session.begin():
            row = session.get_one(JobState, name, with_for_update=True)
            if row.turn_ends_at is None:
                row.due_at = due
            return row.turn_ends_at is None

    until(begun, pause=LOOK)

    def ended() -> JobState | None:
        with Session(engine) as session:
            row = session.get_one(JobState, name)
            return (
                row
                if row.ended_at and row.ended_at >= due and row.started_at and row.started_at >= due
                else None
            )

    row: JobState = until(ended, pause=LOOK)
    assert row.error is None
    return row.counts or {}


# What is given without a purchase or a wait, for journeys that are about something else.


def age_account(stack: Stack, email: str, days: int) -> None:
    """Let an account have begun so many days ago."""
    engine, mine = sa.create_engine(stack.environment["DATABASE_URL"]), User.email == email
    with Session(engine) as session, session.begin():
        session.execute(sa.update(User).where(mine).values(created_at=clock() - timedelta(days=days)))


def grant_plan(stack: Stack, email: str) -> None:
    """Give a user the largest plan for a month."""
    engine, now = sa.create_engine(stack.environment["DATABASE_URL"]), clock()
    with Session(engine) as session, session.begin():
        user = session.scalars(sa.select(User.id).where(User.email == email)).one()
        month = now + timedelta(days=30)
        session.add(
            Grant(user_id=user, plan=PlanName.URGENCE_TOTAL, starts_at=now, ends_at=month, source="test")
        )
