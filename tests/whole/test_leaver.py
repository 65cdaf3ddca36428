"""Journey of a user who takes the data along and deletes the account, in a real browser on a whole stack."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import psutil
import pytest
import redis
from playwright.sync_api import Page

from api.models.base import new_id
from api.models.notification import Notification, Priority, State
from api.models.payment import Payment
from api.models.user import Channel, User
from configs.ground.clock import clock
from deploy.local.stack import Stack
from deploy.sample_desk_files import only
from deploy.sandbox.addresses import STRIPE
from deploy.sandbox.addresses import url as address
from deploy.sandbox.control_client import StripeControl
from tests.api.deletion.traces import find, find_after_the_hourly_job, read_files, read_redis
from tests.factories import rows, save_all
from tests.lab.bench.latency import hasty
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, quiet_stack
from tests.whole.visitor import LOOK, Visitor

pytestmark = STACK_JOURNEY
NUMBER = 5000
MOST_SECONDS, MOST_BYTES = 30.0, 100_000_000


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with quiet_stack(lambda text: only("ezbooking", hasty(text)), STRIPE_RETRY_SECONDS="1") as made:
        yield made


@pytest.fixture(scope="module")
def leila(stack: Stack) -> Visitor:
    """A user with a subscription and 5,000 messages."""
    leila = Visitor(stack, "leila.haddad@example.org")
    leila.register()
    leila.sign_in()
    version = leila.ask("GET", "/billing/plans")["termsVersion"]
    consent = {
        "termsVersion": version,
        "startNow": True,
        "acknowledgesLoss": True,
        "acceptsHourThreshold": True,
    }
    order = {"plan": "URGENCE_TOTAL", "consent": consent, "withoutAlert": True}
    url = str(leila.ask("POST", "/billing/checkout", order)["checkoutUrl"])
    StripeControl(address(STRIPE, stack.ports.providers)).pay(url.rpartition("/")[2])
    until(lambda: leila.ask("GET", "/auth/me")["plan"] == "URGENCE_TOTAL", pause=LOOK)
    add_notifications(leila.email)
    return leila


def add_notifications(email: str) -> None:
    now = clock()
    (user,) = [each for each in rows(User) if each.email == email]
    save_all(
        Notification(
            id=new_id(), user_id=user.id, channel=Channel.EMAIL, kind="slot_detected", priority=Priority.CRITICAL,
            params={"detection": str(new_id())}, dedupe_key=f"slot:{number}", state=State.SENT,
            accepted_at=now - timedelta(minutes=1), next_attempt_at=now,
        )
        for number in range(NUMBER)
    )  # fmt: skip


def find_workers() -> list[psutil.Process]:
    """Return the processes of the background program of this stack."""
    own = psutil.Process().children(recursive=True)
    return [each for each in own if is_background(each)]


def is_background(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # it ended meanwhile
        return "api.background" in " ".join(process.cmdline())
    return False


def read_peaks() -> dict[int, int]:
    """Return the most memory that each worker ever held, in bytes."""
    found = {}
    for each in find_workers():
        text = Path(f"/proc/{each.pid}/status").read_text("utf-8")
        found[each.pid] = int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) * 1024
    return found


def test_she_takes_her_data_along(stack: Stack, leila: Visitor, page: Page, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{stack.ports.api}"
    page.goto(f"{base}/login")
    page.get_by_label("Adresse e-mail").fill(leila.email)
    page.get_by_label("Mot de passe").fill(leila.password)
    page.get_by_role("button", name="Se connecter").click()
    page.wait_for_url("**/dashboard**")
    page.get_by_role("link", name="Mes données").click()
    peaks, began = read_peaks(), time.monotonic()
    page.get_by_role("button", name="Préparer mon archive").click()
    page.wait_for_url("**/donnees")

    def is_ready() -> bool:
        page.goto(f"{base}/donnees")
        return page.get_by_role("link", name="Télécharger").count() == 1

    until(is_ready, seconds=60, pause=LOOK)
    took, after = time.monotonic() - began, read_peaks()
    grown = max(after[pid] - peaks.get(pid, 0) for pid in after)
    figures = {"seconds": round(took, 1), "bytes": max(after.values()), "more": grown}
    (tmp_path / "figures.json").write_text(json.dumps(figures), "utf-8")
    assert took < MOST_SECONDS
    assert grown < MOST_BYTES
    with page.expect_download() as download:
        page.get_by_role("link", name="Télécharger").click()
    download.value.save_as(tmp_path / "export.zip")
    archive = ZipFile(tmp_path / "export.zip")
    assert len(json.loads(archive.read("notifications.json"))) >= NUMBER
    assert json.loads(archive.read("users.json"))[0]["email"] == leila.email
    archive.extractall(tmp_path)
    page.goto(f"file://{tmp_path}/index.html")
    assert page.get_by_role("heading", name="Vos données chez RDVPriority").count() == 1
    mail = until(lambda: [each for each in leila.messages("email") if "export" in each["subject"]])[0]
    assert "/donnees" in mail["text"]
    assert "/l/" not in mail["text"]


def test_she_deletes_her_account_and_nothing_names_her(stack: Stack, leila: Visitor, page: Page) -> None:
    (user,) = [each for each in rows(User) if each.email == leila.email]
    page.goto(f"http://127.0.0.1:{stack.ports.api}/donnees")
    page.get_by_role("link", name="Aller à la suppression").click()
    assert page.get_by_role("heading", name="Ce que vous perdez").count() == 1
    assert "l’abonnement est résilié" in page.inner_text("main")
    page.get_by_role("button", name="Supprimer mon compte définitivement").click()
    assert "Cochez la case" in page.inner_text("main")
    page.get_by_label("J’ai compris").check()
    page.get_by_role("button", name="Supprimer mon compte définitivement").click()
    page.wait_for_url("**/login**")
    assert "Votre compte est supprimé" in page.inner_text("main")
    mail = until(lambda: [each for each in leila.messages("email") if "supprimé" in each["subject"]])[0]
    assert "Votre abonnement est résilié" in mail["text"]
    stripe = StripeControl(address(STRIPE, stack.ports.providers))
    until(lambda: [each["status"] for each in stripe.objects("subscription")] == ["canceled"], pause=LOOK)
    folder = Path(stack.environment["STATE_DIR"])
    until(lambda: not any((folder / "exports").iterdir()), pause=LOOK)
    needles = {leila.email, "haddad", str(user.id)}
    until(lambda: find_after_the_hourly_job(needles) == [], seconds=60, pause=LOOK)
    assert [each.user_id for each in rows(Payment)] == [None]
    keys = find(needles, read_redis(redis.Redis.from_url(stack.environment["REDIS_URL"])))
    # Another process of the API counts her last requests for five minutes.
    assert all(name.startswith("api:throttle:") for name, _ in keys), keys
    # Logs name accounts by id, the sandbox's stand-ins keep what they were sent, and Redis writes what it holds.
    logs = [
        each for path in folder.glob("**/*.log") for each in read_files(path.parent) if each[0] == path.name
    ]
    ours = [each for each in logs if "sandbox" not in each[0]]
    assert find(needles - {str(user.id)}, ours) == []
