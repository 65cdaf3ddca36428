"""The whole life of an account, then its deletion: no table, queue, Redis key, log, export or proof names the person."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from flask.testing import FlaskClient

from api.background import jobs as background
from api.background.jobs import list_jobs
from api.bot.service import handle_update
from api.exports import jobs as exports
from api.models.contact_lookup import hash_address
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, User
from api.payments import jobs as payments
from configs.ground.object_store import Blobs
from configs.world.plan import PlanName
from deploy.sandbox.providers.push import make_subscription
from notifier.jobs import deliver, match
from tests.api.deletion.traces import find, read_files, read_redis, read_tables
from tests.api.payments.shop import Shop
from tests.factories import rows, see

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

EMAIL, NEW_EMAIL = "camille.lefevre@example.org", "lefevre.camille@example.net"
PHONE, CHAT, CHAT_NAME = "+33698765432", "778899001", "Camille L. sur Telegram"
NAME = "Camille Lefèvre-Okafor"  # on invoices
BROWSER, DEVICE = "browser-of-camille", "Firefox rue des Lilas"
PASSWORD, ALERT, PLACE = "correct horse battery staple", "Dossier de la mère", "Guichet de Bobigny"


class Life:
    """What a user does, by the API; messages are delivered by the notifier's own jobs."""

    def __init__(self, client: FlaskClient, sandbox: "Running", shop: Shop) -> None:
        self.client, self.sandbox, self.shop = client, sandbox, shop
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        answer = self.client.open(path, method=method, json=body, headers=self.headers)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.json

    def deliver_all(self) -> None:
        waiting = [str(each.id) for each in rows(Notification) if each.state is State.PENDING]
        deliver(*waiting)

    def token_of(self, word: str) -> str:
        """Return the token of the newest mail whose link has this word."""
        self.deliver_all()
        texts = [str(each.text) for each in self.sandbox.messages() if f"/l/{word}." in str(each.text)]
        return word + "." + texts[-1].split(f"/l/{word}.")[1].split()[0]

    def sign_up(self) -> None:
        body = {"email": EMAIL, "password": PASSWORD, "phone": "06 98 76 54 32"}
        self.ask("POST", "/api/auth/register", body, 202)
        self.ask("POST", "/api/auth/verify-email", {"token": self.token_of("verify")})
        wrong = {"email": EMAIL, "password": "not the password"}
        self.ask("POST", "/api/auth/login", wrong, 401)
        self.ask("POST", "/api/auth/forgot-password", {"email": EMAIL}, 202)
        given = self.ask("POST", "/api/auth/login", {"email": EMAIL, "password": PASSWORD})
        self.headers = {"Authorization": f"Bearer {given['token']}", "User-Agent": "Navigateur de Camille"}

    def link_channels(self) -> None:
        self.ask("PATCH", "/api/users/profile", {"phone": "06 98 76 54 32"})
        self.deliver_all()
        code = next(
            part for each in self.sandbox.messages() if each.to == PHONE for part in str(each.text).split()
            if part.strip(".,:").isdigit() and len(part.strip(".,:")) == 6
        ).strip(".,:")  # fmt: skip
        self.ask("POST", "/api/users/phone/verify", {"code": code})
        url = self.ask("POST", "/api/users/telegram-link")["url"]
        start = parse_qs(urlsplit(url).query)["start"][0]
        handle_update(_write_start(start))
        self.ask("POST", "/api/users/telegram-link/confirm")
        self.ask("POST", "/api/users/push-devices", make_subscription(BROWSER) | {"name": DEVICE}, 201)
        self.ask("PATCH", "/api/users/profile", {"email": NEW_EMAIL})

    def wait_for_slot(self) -> None:
        wish = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"], "name": ALERT}
        alert = self.ask("POST", "/api/alerts", wish, 201)
        detection, _ = see("2099-01-05T09:00:00+01:00")
        match(str(detection))
        self.deliver_all()
        found = {"place": PLACE, "at": "2026-12-01T09:00:00+01:00"}
        self.ask("POST", f"/api/alerts/{alert['id']}/found", found, 200)

    def write_to_support(self) -> None:
        self.ask("POST", "/api/support", {"message": f"Ici {CHAT_NAME}, {PHONE}"}, 201)
        anonymous = {"email": EMAIL, "message": f"Encore moi, {PHONE}"}
        assert self.client.post("/api/support", json=anonymous).status_code == 201


def _write_start(code: str) -> bytes:
    chat = {"id": int(CHAT), "type": "private", "first_name": CHAT_NAME}
    message = {
        "message_id": 1,
        "date": 1,
        "chat": chat,
        "from": chat | {"is_bot": False},
        "text": f"/start {code}",
    }
    return json.dumps({"update_id": 1, "message": message}).encode()


@pytest.fixture
def life(sandbox: "Running", client: FlaskClient, shop: Shop) -> Life:
    return Life(client, sandbox, shop)


def test_after_a_whole_life_nothing_names_the_person(
    life: Life,
    blobs: Blobs,
    redis_server: redis.Redis,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    settings_env = request.getfixturevalue("settings_env")
    caplog: pytest.LogCaptureFixture = request.getfixturevalue("caplog")
    capfd: pytest.CaptureFixture[str] = request.getfixturevalue("capfd")
    caplog.set_level(logging.INFO)
    settings_env(
        TELEGRAM_BOT_NAME="rdvpriority_bot",
        SUPPORT_EMAIL="support@example.org",
        INVOICES_URL=tmp_path / "invoices",
    )
    life.sign_up()
    (user,) = rows(User)
    life.shop.buy(user.id, PlanName.URGENCE_TOTAL, client_name=NAME)
    life.link_channels()
    life.wait_for_slot()
    life.write_to_support()
    life.ask("GET", "/api/users/export", status=202)
    exports.make_exports()
    life.deliver_all()
    needles = find_needles(user)
    before = "\n".join(text for _, text in read_tables())
    assert all(each in before for each in (EMAIL, NAME, str(user.id), ALERT, PLACE)), (
        "it looks in the right place"
    )

    life.ask("DELETE", "/api/users/me", status=409)
    life.ask("DELETE", "/api/users/me", {"understood": True}, 204)
    payments.work_off()
    life.shop.deliver()
    life.deliver_all()
    exports.drop_exports()
    for job in list_jobs():
        getattr(background, job.name)()

    # The keyed hash of the number that a code went to, for the day in which limits count it.
    assert {table for table, _ in find(needles, read_tables())} == {"phone_codes"}
    left = {name for name, _ in find(needles, read_redis(redis_server))}
    # A rate token names a contact by its id, for two minutes at most.
    assert all(name.startswith("notifier:rate:") and 0 < redis_server.ttl(name) <= 120 for name in left), left
    assert find(needles, read_files(tmp_path)) == []
    output = capfd.readouterr()
    logs = f"{caplog.text}\n{output.out}\n{output.err}"
    # Logs name accounts by id: an id that belongs to no account any more. They are bounded by size.
    assert find(needles - {str(user.id)}, [("log", logs)]) == []
    assert "an account was deleted" in logs

    life.shop.pass_time(days=1)
    background.apply_retention()
    assert find(needles, read_tables()) == []


def find_needles(user: User) -> set[str]:
    """Return what names the person: addresses, names, ids, and the keyed hashes of the number and the chat."""
    contacts = {str(each.id) for each in rows(Contact)}
    stored = {hash_address(Channel.SMS, PHONE)[0].hex(), hash_address(Channel.TELEGRAM, CHAT)[0].hex()}
    words = {NAME, EMAIL, NEW_EMAIL, PHONE, "698765432", CHAT, CHAT_NAME, ALERT, PLACE, BROWSER, DEVICE}
    return {each.lower() for each in words | stored | contacts | {str(user.id)}}
