"""The steps, in their order: each proves one thing about the stack that the ones before it left."""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

from tests.lab.drill.books import settle
from tests.lab.drill.engine import COMPOSE, PROJECT, Engine, StepFailed
from tests.lab.drill.images import build_images
from tests.lab.drill.server_files import DEPLOY
from tests.lab.drill.visitor import Visitor, open_slot, tell_inbox, wait_for

_APIS = ("api-1", "api-2")
# In the order of a release
_OTHERS = ("stream", "background", "notifier", "planner", "scrapyd", "proofs", "backup")
_CROWD = 40  # people: all come from one address, which may register 50 a day (api/web/stranger_mail.py)
_BETWEEN_SLOTS = 40.0
_SLOTS = 22  # in all that come by a release: a person gets 30 mails an hour, and what is above waits
_PROMISED = 1000  # milliseconds from the page to the provider
_TRIES = 3
_DELAY = """
SELECT round(extract(epoch FROM n.accepted_at - n.seen_at) * 1000),
  concat_ws(', ', 'committed after ' || round(extract(epoch FROM d.committed_at - n.seen_at) * 1000) || ' ms',
    'written after ' || round(extract(epoch FROM n.created_at - n.seen_at) * 1000) || ' ms')
FROM notifications n LEFT JOIN LATERAL (
  SELECT committed_at FROM detections WHERE committed_at >= n.seen_at ORDER BY committed_at LIMIT 1) d ON true
WHERE n.kind = 'slot_detected' AND n.provider = 'sendgrid' ORDER BY n.accepted_at - n.seen_at LIMIT 1
"""
_LAST_ALERT = """
SELECT provider, state FROM notifications
WHERE kind = 'slot_detected' AND accepted_at IS NOT NULL ORDER BY accepted_at DESC LIMIT 1
"""
_OURS, _POSTGRES = 10001, 999  # users of the images
_STORED = "SELECT count(*) FROM backup_states WHERE part = 'wal' AND finished_at > '{}'"
_ROWS = """
SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM alerts), (SELECT count(*) FROM notifications),
(SELECT sum(amount_cents) FROM payments), (SELECT count(*) FROM slots)
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

    def open_few(self) -> None:
        """Let one more slot open, until there are _SLOTS."""
        if self.slots < _SLOTS:
            self.open_slot()

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
    started = drill.engine.start_all()
    await_health(drill)
    return started


def serve_visitor(drill: Drill) -> str:
    """Let a visitor register, pay and get the alert of a slot; by SMTP while SendGrid refuses."""
    person = drill.join()
    drill.say("registered, paid, and the desk was checked")
    delay = _measure_delay(drill, person)
    person.open_proof()
    wait_for(
        lambda: drill.engine.query(_LAST_ALERT) == [["sendgrid", "delivered"]], "the receipt of the alert"
    )
    tell_inbox("/providers/sendgrid/mode", mode="refuse")
    drill.open_slot()
    person.await_alert(before=drill.slots - 1)
    ((taker, _),) = drill.engine.query(_LAST_ALERT)
    tell_inbox("/providers/sendgrid/mode", mode="normal")
    if taker != "smtp":
        raise StepFailed(f"SendGrid was away, and {taker} took the alert")
    return f"mail {delay} ms after the page was read, the next by SMTP; {drill.settle()}"


def _measure_delay(drill: Drill, person: Visitor) -> int:
    """Return the shortest delay of a few alerts, in milliseconds: a machine that does much else is late for one."""
    for _ in range(_TRIES):
        drill.open_slot()
        person.await_alert(before=drill.slots - 1)
        ((delay, parts),) = drill.engine.query(_DELAY)
        if int(delay) <= _PROMISED:
            return int(delay)
    raise StepFailed(f"the mail left {delay} ms after the page was read, {_TRIES} times at least: {parts}")


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
    await_health(drill)
    drill.join()
    return f"{', '.join(took)}; {drill.settle()}"


def roll(drill: Drill) -> str:
    """Roll a release out and back under load, then one whose notifier cannot log in to Redis: it goes back by itself."""
    return under_load(drill, lambda: _check_images(drill.engine))


def under_load(drill: Drill, check: Callable[[], None]) -> str:
    """Release v2, v1, and v3, which cannot work, while people come, pay and are told; `check` is asked after each.

    Raises:
        StepFailed: a request failed, a release ended with another code, or a message or a cent differs.
    """
    ended, faults = threading.Event(), list[str]()
    join = lambda: len(drill.people) < _CROWD and drill.join()  # noqa: E731 -- one of several acts
    load = [threading.Thread(target=partial(_repeat, act, pause, ended, faults), daemon=True) for act, pause in (
        (lambda: drill.people[0].open("GET", "/"), 1.0), (join, 15.0), (join, 15.0),
        (drill.open_few, _BETWEEN_SLOTS),
    )]  # fmt: skip
    for each in load:
        each.start()
    took = []
    try:
        for name, code in (("v2", 0), ("v1", 0), ("v3", 1)):
            took.append(f"{name} {release(drill, name, code):.0f} s")
            check()
        if drill.engine.query("SELECT version_num FROM alembic_version") != [["9999"]]:
            raise StepFailed("the next version's migration was not applied")
    finally:
        ended.set()
        for each in load:
            each.join()
    if faults:
        raise StepFailed(f"{len(faults)} requests failed under load: {'; '.join(faults[:5])}")
    put_off = sum(person.put_off for person in drill.people)
    return f"{', '.join(took)}; {put_off} requests were asked to come back; {drill.settle()}"


def stop_all(drill: Drill) -> str:
    """Stop every service within its grace: what depends on others first."""
    order = ("nginx", "certbot", *_APIS, *_OTHERS, "redis", "postgres")
    return ", ".join(f"{name} {drill.engine.stop(name):.1f} s" for name in order)


def release(drill: Drill, name: str, code: int) -> float:
    """Bring a release by its command; return the seconds until all programs have reported.

    Raises:
        StepFailed: it ended with another code.
    """
    engine, begun = drill.engine, time.monotonic()
    command = [sys.executable, str(DEPLOY / "release.py"), name, "--settings", str(engine.files.settings)]
    done = engine.call([*command, *engine.release_options], 1800)
    drill.say(done.stdout.strip())
    if done.returncode != code:
        raise StepFailed(
            f"release.py {name} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"
        )
    engine.release = engine.release if code else name
    return time.monotonic() - begun


def _check_images(engine: Engine) -> None:
    for name in (*_APIS, *_OTHERS):
        if not engine.inspect(name, "{{.Config.Image}}").endswith(f":{engine.release}"):
            raise StepFailed(f"{name} does not run {engine.release}")


def await_health(drill: Drill) -> None:
    """Wait until nginx answers under the authority's certificate, and all parts are well; raises StepFailed."""
    person = Visitor(drill.engine.files.authority, "")
    answer = "an answer through nginx under the authority's certificate"
    wait_for(lambda: _succeeds(lambda: person.open("GET", "/")), answer)
    wait_for(lambda: _succeeds(lambda: person.ask("GET", "/health")["status"] == "ok"), "good health")


def _repeat(act: Callable[[], object], pause: float, ended: threading.Event, faults: list[str]) -> None:
    while not ended.wait(pause):
        try:
            act()
        except StepFailed as failure:
            faults.append(str(failure))


def _is_another(engine: Engine, name: str, before: str) -> bool:
    return engine.inspect(name, "{{.State.Pid}} {{.State.Running}}") not in (f"{before} true", "0 false")


def _succeeds(act: Callable[[], object]) -> bool:
    try:
        return bool(act())
    except StepFailed:
        return False


def restore(drill: Drill) -> str:
    """Lose the server with all its volumes, restore the newest moment on an empty one, and go on.

    Raises:
        StepFailed: a row is missing, or the service does not go on.
    """
    engine = drill.engine
    drill.settle()
    ((now,),) = engine.query("SELECT clock_timestamp()")
    wait_for(lambda: engine.query(_STORED.format(now)) != [["0"]], "the log in the store")
    rows = engine.query(_ROWS)
    stop_all(drill)
    engine.compose("rm", "--force", *engine.services)  # the world around it goes on
    label = f"label=com.docker.compose.project={PROJECT}"
    engine.docker("volume", "rm", *engine.docker("volume", "ls", "--quiet", "--filter", label).split())
    begun = time.monotonic()
    _put_back(engine)
    engine.compose("up", "--detach", "--no-deps", "--wait", "postgres")
    wait_for(lambda: engine.query("SELECT pg_is_in_recovery()") == [["f"]], "the end of recovery")
    if (found := engine.query(_ROWS)) != rows:
        raise StepFailed(f"before there were {rows}, now {found}")
    took = time.monotonic() - begun
    migrate = ("python", "-m", "api.migrations", "upgrade", "--without-backup", "--logins")
    engine.compose("run", "--rm", "-T", "--no-deps", "migrate", *migrate)
    engine.start_all()
    await_health(drill)
    whole = time.monotonic() - begun
    drill.join()
    drill.open_slot()
    return f"all rows back after {took:.0f} s, all well after {whole:.0f} s; {drill.settle()}"


def _put_back(engine: Engine) -> None:
    """Restore into a folder of the machine, then put it where PostgreSQL looks for it."""
    place = engine.files.folder / "restored"
    place.mkdir()
    shutil.copy(engine.files.folder / "backup.key", place / "backup.key")
    for each in (place, place / "backup.key"):
        shutil.chown(each, _OURS, _OURS)
    program = "python -m deploy.backup restore --into /restored/data --key /restored/backup.key"
    given = ["--rm", "-T", "--no-deps", "--volume", f"{place}:/restored"]
    engine.compose("run", *given, "backup", *program.split())
    engine.compose("create", "--no-build", "postgres")
    volume = engine.docker("volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_postgres").strip()
    data = Path(volume) / "18" / "docker"
    data.parent.mkdir(exist_ok=True)
    shutil.move(place / "data", data)
    for each in (data, *data.rglob("*")):
        shutil.chown(each, _POSTGRES, _POSTGRES)


def check_files(drill: Drill) -> str:
    """Have Compose read each shipped combination of files."""
    optional = [COMPOSE / f"{name}.yaml" for name in ("smtp", "push", "prometheus")]
    sets = [each for number in range(len(optional) + 1) for each in combinations(optional, number)]
    example = str(COMPOSE / "settings.env.example")
    filled = dict.fromkeys(
        ("SERVER_NAME", "SUPPORT_EMAIL", "ALARM_CHAT_ID", "ALARM_EMAIL", "ALARM_HEARTBEAT_URL"), "x"
    )
    given = drill.engine.files.variables() | {"SETTINGS_FILE": example} | filled
    variables = [f"{name}={value}" for name, value in given.items()]
    for each in sets:
        files = [part for file in (COMPOSE / "production.yaml", *each) for part in ("--file", str(file))]
        command = ["env", *variables, "docker", "compose", "--env-file", example, *files, "config", "--quiet"]
        drill.engine.run(command, 60)
    return f"Compose reads {len(sets)} combinations of files"
