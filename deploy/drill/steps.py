"""The steps, in their order: each proves one thing about the stack that the ones before it left."""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deploy.drill.books import settle
from deploy.drill.engine import PROJECT, Engine, StepFailed
from deploy.drill.images import build_images
from deploy.drill.visitor import Visitor, open_slot, tell_inbox, wait_for

_APIS = ("api-1", "api-2")
_OTHERS = (
    "stream",
    "background",
    "notifier",
    "planner",
    "scrapyd",
    "proofs",
    "backup",
)  # in the order of a release
_LOOKED = 10.0  # seconds, as docs/operations.md says: nginx looks for an API's new address each 3 s
_BETWEEN_SLOTS = 20.0
_PROMISED = 1000  # milliseconds from the page to the provider
_DELAY = """
SELECT round(extract(epoch FROM n.accepted_at - n.seen_at) * 1000),
  concat_ws(', ', 'committed after ' || round(extract(epoch FROM d.committed_at - n.seen_at) * 1000) || ' ms',
    'written after ' || round(extract(epoch FROM n.created_at - n.seen_at) * 1000) || ' ms')
FROM notifications n LEFT JOIN LATERAL (
  SELECT committed_at FROM detections WHERE committed_at >= n.seen_at ORDER BY committed_at LIMIT 1) d ON true
WHERE n.kind = 'slot_detected' AND n.provider = 'sendgrid' ORDER BY n.accepted_at - n.seen_at DESC LIMIT 1
"""
_LAST_ALERT = """
SELECT provider, state FROM notifications
WHERE kind = 'slot_detected' AND accepted_at IS NOT NULL ORDER BY accepted_at DESC LIMIT 1
"""


@dataclass
class Drill:
    """The server, and the world around it: who watches, how many slots have opened."""

    engine: Engine
    say: Callable[[str], None]
    people: list[Visitor] = field(default_factory=list)
    slots: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def join(self) -> Visitor:
        """Let one more person register, pay and watch."""
        with self._turn:
            number = len(self.people) + 1
            person = Visitor(self.engine.files.authority, f"camille.{number}@example.org")
            self.people.append(person)
        person.join()
        return person

    def open_slot(self) -> None:
        """Let a slot open where all watch."""
        open_slot()
        self.slots += 1

    def settle(self) -> str:
        """Wait until all slots are announced and all orders paid; return a line of figures; raises StepFailed."""
        return settle(self.engine, [person.email for person in self.people], self.slots)


def make_images(drill: Drill) -> str:
    """Build the images of the shipped Dockerfile, and the images in place of those that cannot be pulled."""
    return build_images(drill.engine)


def start_all(drill: Drill) -> str:
    """Start every service; nginx then serves a certificate that an authority gave for its challenge."""
    healthy = drill.engine.start_all()
    person = Visitor(drill.engine.files.authority, "")
    wait_for(lambda: _answers(person), "an answer through nginx under the authority's certificate")
    wait_for(lambda: _is_well(person), "good health")
    return "healthy after: " + ", ".join(healthy)


def serve_visitor(drill: Drill) -> str:
    """Let a visitor register, pay and get the alert of a slot; by SMTP while SendGrid refuses."""
    person = drill.join()
    drill.say("registered, paid, and the desk was checked")
    drill.open_slot()
    person.await_alert()
    ((delay, parts),) = drill.engine.query(_DELAY)
    if int(delay) > _PROMISED:
        raise StepFailed(f"the mail left {delay} ms after the page was read: {parts}")
    person.open_proof()
    wait_for(
        lambda: drill.engine.query(_LAST_ALERT) == [["sendgrid", "delivered"]], "the receipt of the alert"
    )
    tell_inbox("/providers/sendgrid/mode", mode="refuse")
    drill.open_slot()
    person.await_alert(before=1)
    ((taker, _),) = drill.engine.query(_LAST_ALERT)
    tell_inbox("/providers/sendgrid/mode", mode="normal")
    if taker != "smtp":
        raise StepFailed(f"SendGrid was away, and {taker} took the alert")
    return f"mail {delay} ms after the page was read, the next by SMTP; {drill.settle()}"


def kill_each(drill: Drill) -> str:
    """Kill each service in turn: it comes back, and nothing is lost."""
    took = []
    for name in (
        name for name, service in drill.engine.services.items() if service["restart"] == "unless-stopped"
    ):
        drill.open_slot()
        begun, before = time.monotonic(), drill.engine.inspect(name, "{{.State.Pid}}")
        drill.engine.kill(name)
        wait_for(partial(_is_another, drill.engine, name, before), f"{name} after it was killed")
        drill.engine.wait(name)
        took.append(f"{name} {time.monotonic() - begun:.0f} s")
    wait_for(lambda: _is_well(drill.people[0]), "good health")
    drill.join()
    return f"{', '.join(took)}; {drill.settle()}"


def roll(drill: Drill) -> str:
    """Roll a release out and back under load, by the steps of docs/operations.md."""
    ended, faults = threading.Event(), list[str]()
    # All come from one address, which may register 50 people a day (api/web/stranger_mail.py).
    load = [threading.Thread(target=partial(_repeat, act, pause, ended, faults), daemon=True) for act, pause in (
        (lambda: drill.people[0].open("GET", "/"), 1.0), (drill.join, 15.0), (drill.join, 15.0),
        (drill.open_slot, _BETWEEN_SLOTS),
    )]  # fmt: skip
    for each in load:
        each.start()
    try:
        out = _deploy(drill, "v2", "migrate", *_APIS, *_OTHERS)
        if drill.engine.query("SELECT version_num FROM alembic_version") != [["9999"]]:
            raise StepFailed("the next version's migration was not applied")
        back = _deploy(drill, "v1", *_APIS, *_OTHERS)
    finally:
        ended.set()
        for each in load:
            each.join()
    if faults:
        raise StepFailed(f"{len(faults)} requests failed under load: {'; '.join(faults[:5])}")
    return f"out {out:.0f} s, back {back:.0f} s; {drill.settle()}"


def stop_all(drill: Drill) -> str:
    """Stop every service within its grace: what depends on others first."""
    order = ("nginx", "certbot", *_APIS, *_OTHERS, "redis", "postgres")
    return ", ".join(f"{name} {drill.engine.stop(name):.1f} s" for name in order)


def _deploy(drill: Drill, release: str, *names: str) -> float:
    begun = time.monotonic()
    drill.engine.release = release
    for name in names:
        drill.engine.replace(name)
        if name in ("migrate", *_APIS):
            drill.engine.wait(name)
        if name == _APIS[0]:
            time.sleep(_LOOKED)
    for name in names:
        drill.engine.wait(name)
        if f":{release}" not in drill.engine.inspect(name, "{{.ImageName}}"):
            raise StepFailed(f"{name} does not run {release}")
    drill.say(f"{release} runs after {time.monotonic() - begun:.0f} s")
    return time.monotonic() - begun


def _repeat(act: Callable[[], object], pause: float, ended: threading.Event, faults: list[str]) -> None:
    while not ended.wait(pause):
        try:
            act()
        except StepFailed as failure:
            faults.append(str(failure))


def _is_another(engine: Engine, name: str, before: str) -> bool:
    return engine.inspect(name, "{{.State.Pid}} {{.State.Running}}") not in (f"{before} true", "0 false")


def _answers(person: Visitor) -> bool:
    try:
        return bool(person.open("GET", "/"))
    except StepFailed:
        return False


def _is_well(person: Visitor) -> bool:
    try:
        return bool(person.ask("GET", "/health")["status"] == "ok")
    except StepFailed:
        return False


_OURS, _POSTGRES = 10001, 999  # users of the images
_STORED = "SELECT count(*) FROM backup_states WHERE part = 'wal' AND finished_at > '{}'"
_ROWS = """
SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM alerts), (SELECT count(*) FROM notifications),
(SELECT sum(amount_cents) FROM payments), (SELECT count(*) FROM slots)
"""


def restore(drill: Drill) -> str:
    """Lose PostgreSQL's folder, restore the newest moment, and go on.

    Raises:
        StepFailed: a row is missing, or the service does not go on.
    """
    engine = drill.engine
    drill.settle()
    ((now,),) = engine.query("SELECT clock_timestamp()")
    wait_for(lambda: engine.query(_STORED.format(now)) != [["0"]], "the log in the store")
    rows = engine.query(_ROWS)
    stop_all(drill)
    begun = time.monotonic()
    _put_back(engine)
    engine.start("postgres")
    engine.wait("postgres")
    wait_for(lambda: engine.query("SELECT pg_is_in_recovery()") == [["f"]], "the end of recovery")
    if (found := engine.query(_ROWS)) != rows:
        raise StepFailed(f"before there were {rows}, now {found}")
    took = time.monotonic() - begun
    migrate = ("python", "-m", "api.migrations", "upgrade", "--without-backup", "--logins")
    engine.compose("run", "--rm", "-T", "--no-deps", "migrate", *migrate)
    engine.start_all()
    drill.join()
    drill.open_slot()
    return f"all rows back after {took:.0f} s; {drill.settle()}"


def _put_back(engine: Engine) -> None:
    """Restore into a folder of the machine, then put it in place of the one that is lost."""
    place = engine.files.folder / "restored"
    place.mkdir()
    shutil.copy(engine.files.folder / "backup.key", place / "backup.key")
    for each in (place, place / "backup.key"):
        shutil.chown(each, _OURS, _OURS)
    program = "python -m deploy.backup restore --into /restored/data --key /restored/backup.key"
    given = ["--rm", "-T", "--no-deps", "--volume", f"{place}:/restored"]
    engine.compose("run", *given, "backup", *program.split())
    volume = Path(
        engine.podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_postgres").strip()
    )
    data = volume / "18" / "docker"
    shutil.rmtree(data)
    shutil.move(place / "data", data)
    for each in (data, *data.rglob("*")):
        shutil.chown(each, _POSTGRES, _POSTGRES)
