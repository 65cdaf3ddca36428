"""Faults of a chaos run: a table of who is hit, how, and for how long."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import psutil

from api.models.user import Channel
from configs.ground.proof_queue import read_status
from deploy.local.processes import wait_until
from tests.lab.chaos.field import Act, Fault, Field
from tests.lab.chaos.journal import ACCEPTING, BREAKS, MODES, ProviderOutage, Spell
from tests.lab.chaos.outside import CHANNELS, FIRST_PROVIDERS, NORMAL, code_of
from tests.lab.chaos.periods import PERIODS
from tests.lab.chaos.processes import frozen

Mode = tuple[str, dict[str, Any]]
_AOF = "appendonlydir"  # Redis's own name for its files
OFFSET_FILE = "CLOCK_OFFSET_FILE"
_OUTAGES: tuple[Mode, ...] = tuple(MODES.items())
_BREAKING = ("sms", "telegram")
_MAIL_AWAY: tuple[Mode, ...] = (
    *((each, {}) for each in ("refuse", "error_500", "timeout", "yes_without_answer", "reset")),
    ("slow", {"seconds": 4}),  # longer than PROVIDER_SWITCH_SECONDS
)
_ODD_ANSWERS = ("nobody", "busy", "machine", "failed")
_ODD_PUSHES: tuple[Mode, ...] = tuple(
    (each, {}) for each in ("odd", "redirect", "unauthorized", "rate_limited", "ended")
)
_NO_RECEIPT = float(PERIODS["NO_RECEIPT_SECONDS"])


def _kill(kind: str, most: int = 3, how: signal.Signals = signal.SIGKILL) -> Act:
    """A program dies, in whatever it does."""

    def act(field: Field, _spell: Spell) -> None:
        for _ in range(field.rng.randint(1, most)):
            field.victims.kill(kind, field.rng, how)
            time.sleep(field.rng.uniform(0, 0.8))

    return act


def _kill_scrapyd_again_and_again(field: Field, _spell: Spell) -> None:
    for _ in range(5):
        field.victims.kill("scrapyd", field.rng)
        time.sleep(1.2)


def _answer(
    provider: str | None, *modes: Mode, seconds: tuple[float, float], opens: bool = False, silences: str = ""
) -> Act:
    """A provider, or that of any channel, answers in one of these ways; `silences`: a channel whose yes is not heard."""

    def act(field: Field, spell: Spell) -> None:
        name, (mode, parameters) = provider or field.rng.choice(CHANNELS), field.rng.choice(modes)
        spell.silences = silences or None
        with field.outside.provider_in(name, mode, **parameters):
            if opens:
                field.open_anywhere()
            time.sleep(field.rng.uniform(*seconds))

    return act


def _cut_off(field: Field, spell: Spell) -> None:
    """One channel's provider is out, in any of its ways, while a new slot is to be told."""
    _be_out(field, spell, ProviderOutage(Channel(field.rng.choice(CHANNELS)), field.rng.choice(list(MODES))))


def _take_and_break(field: Field, spell: Spell) -> None:
    """A provider of SMS or chats takes messages, and answers each with a 500."""
    _be_out(field, spell, ProviderOutage(Channel(field.rng.choice(_BREAKING)), BREAKS))


def _be_out(field: Field, spell: Spell, outage: ProviderOutage) -> None:
    with field.outside.provider_in(outage.channel.value, outage.mode, **MODES.get(outage.mode, {})):
        spell.outage = outage
        if outage.mode in ACCEPTING:
            spell.silences = outage.channel.value
        field.open_news()
        time.sleep(field.rng.uniform(5, 40))  # two minutes and a half to twenty minutes in life


def _silence(mode: str) -> Act:
    """One call is not answered. Not by SMS: what is unsure there waits for its receipt."""

    def act(field: Field, spell: Spell) -> None:
        channel = spell.silences = field.rng.choice([each for each in CHANNELS if each != Channel.SMS.value])
        provider = FIRST_PROVIDERS[channel]
        with field.outside.provider_in(provider, mode, count=1):
            wait_until(lambda: field.outside.provider_mode_now(provider) == NORMAL, what="a call", seconds=8)
        time.sleep(3.5)  # the call that hangs ends by our own time-out

    return act


def _call_oddly(field: Field, _spell: Spell) -> None:
    """Calls are missed, or taken by a machine."""
    mode = field.rng.choice(_ODD_ANSWERS)
    field.outside.call_answers(mode)
    try:
        field.open_anywhere()
        time.sleep(8)
    finally:
        field.outside.call_answers("person")


def _receipts(mode: str, draw: Callable[[Field], dict[str, float]], *, loses: bool = False) -> Act:
    def act(field: Field, spell: Spell) -> None:
        spell.loses_receipts = loses
        with field.outside.receipts_in(mode, **draw(field)):
            field.open_anywhere()
            time.sleep(6)

    return act


def _events_are_troubled(field: Field, _spell: Spell) -> None:
    """Stripe's events come twice, late, or in another order."""
    field.shop.control.webhook(mode=field.rng.choice(["repeat", "delay", "reorder"]))
    try:
        time.sleep(6)
    finally:
        control = field.shop.control
        wait_until(lambda: _reaches(control.webhook, mode=NORMAL), what="Stripe's stand-in")


def _refuse_refunds(field: Field, _spell: Spell) -> None:
    """Stripe refuses refunds for want of balance, or lets them wait, and some of those fail."""
    control, rng = field.shop.control, field.rng
    control.choose(refunds_begin=rng.choice(("refused", "short", "pending")))
    try:
        time.sleep(rng.uniform(10, 25))
    finally:
        wait_until(lambda: _reaches(control.choose, refunds_begin="succeeded"), what="Stripe's stand-in")
        for each in control.objects("refund"):
            if each["status"] == "pending":
                end = {"refund": each["id"], "status": rng.choice(("succeeded", "failed", "canceled"))}
                settle = partial(_reaches, control.settle_refund, **end)
                wait_until(settle, what="Stripe's stand-in")


def _be_absent(field: Field, _spell: Spell) -> None:
    """Stripe's events reach no server, and all background jobs stand still."""
    control = field.shop.control
    address = control.state()["webhook"]["url"]
    control.webhook(url="http://127.0.0.1:9/")
    try:
        with frozen([each.pid for each in field.victims.all("background")]):
            time.sleep(field.rng.uniform(30, 50))
    finally:
        wait_until(lambda: _reaches(control.webhook, url=address), what="Stripe's stand-in")


def _reaches(control: Callable[..., Any], **fields: Any) -> bool:
    """Whether a control was reached; another fault may have its stand-in refuse connections."""
    try:
        control(**fields)
    except OSError:
        return False
    return True


def _site(mode: str, share: float = 0) -> Act:
    """A site, or a share of them, answers so for longer than a check's deadline."""

    def act(field: Field, _spell: Spell) -> None:
        codes = sorted({code_of(desk) for desk in field.desks})
        with field.outside.sites_in(field.rng.sample(codes, int(share * len(codes)) or 1), mode):
            time.sleep(7)

    return act


def _take_store_away(field: Field, _spell: Spell) -> None:
    """The store of proofs takes none, and a page is to be proven."""
    with field.store.away():
        field.open_news()
        wait_until(lambda: (now := read_status(field.redis())) and now.away_since, what="no", seconds=120)
        time.sleep(4)


def _restart(name: str) -> Act:
    def act(field: Field, _spell: Spell) -> None:
        field.server(name).stop()
        field.wait_for_server(name)

    return act


def _kill_server(name: str, *, connection: bool = False) -> Act:
    """A server dies as a whole; or one `connection`, with which PostgreSQL trusts its memory no more."""

    def act(field: Field, _spell: Spell) -> None:
        main = psutil.Process(field.pids(name)[0])
        serving = [each for each in main.children() if "127.0.0.1(" in " ".join(each.cmdline())]
        victim = field.rng.choice(serving or [main]) if connection else main
        os.kill(victim.pid, signal.SIGKILL)
        field.journal.killed(f"{name.lower()}{' connection' if connection else ''}", victim.pid)
        field.wait_for_server(name)

    return act


def _take_down(name: str, seconds: tuple[float, float]) -> Act:
    def act(field: Field, _spell: Spell) -> None:
        with field.server(name).down():
            time.sleep(field.rng.uniform(*seconds))
        field.wait_for_server(name)

    return act


def _freeze(name: str, seconds: float) -> Act:
    """A server takes connections and says nothing."""

    def act(field: Field, _spell: Spell) -> None:
        with frozen(field.pids(name)):
            time.sleep(seconds)

    return act


def _empty_redis(field: Field, _spell: Spell) -> None:
    """Redis forgets everything: due times, jobs, leases, workers."""
    field.redis().flushall()


def _restore_older_redis(field: Field, _spell: Spell) -> None:
    """Redis comes back with what it held when the run began: tokens, due times and jobs of long ago."""
    folder = field.stack.state / "redis" / _AOF
    with field.server("Redis").down():
        shutil.rmtree(folder)
        shutil.copytree(field.redis_snapshot / _AOF, folder)
    field.wait_for_server("Redis")


def save_redis(folder: Path, snapshot: Path) -> None:
    """Copy the files of a server that may be running: a last command that is cut off is left out when it loads."""
    shutil.copytree(folder / _AOF, snapshot / _AOF)


def _fill_disk(field: Field, _spell: Spell) -> None:
    """Not a byte is left under the state folder, then there is room again."""
    ballast, piece = field.stack.state.parent / "ballast", bytes(1 << 20)
    try:
        with ballast.open("wb", buffering=0) as file:
            while piece:
                try:
                    file.write(piece)
                except OSError:
                    piece = piece[: len(piece) // 2]
        time.sleep(6)
    finally:
        ballast.unlink(missing_ok=True)


def _open_many_slots(field: Field, _spell: Spell) -> None:
    """One desk opens a dozen slots and more within seconds, one after the other."""
    desk = field.quiet_desk()
    for _ in range(field.rng.randint(12, 20)):
        field.outside.open(desk, field.rng)
        time.sleep(0.25)


def _step_clock(field: Field, spell: Spell) -> None:
    """Every program finds its clock a day ahead or back; a slot opens in that time, another when it is right again."""
    # more than a run lasts: a stepped instant is known as such
    offset = timedelta(days=field.rng.choice((1, -1)))
    file = Path(os.environ[OFFSET_FILE])
    part = file.with_suffix(".part")
    part.write_text(str(offset.total_seconds()), "utf-8")
    part.replace(file)  # a program never reads half of it
    try:
        spell.clock_offset = offset
        field.open_news()
        time.sleep(6)
    finally:
        file.unlink()
    field.open_news()


_SHORTLY, _LONG = (4.0, 4.0), (5.0, 30.0)
# Stripe is out for five minutes and more in life.
TABLE = (
    Fault("kill-spider", _kill("spider", 1), "spider", weight=3),
    Fault("kill-workers", _kill("worker", 4), "worker", weight=3),
    Fault("kill-sweep", _kill("sweep"), "sweep", weight=2),
    Fault("kill-notifier", _kill("notifier master", 1), "worker sweep", weight=2),
    Fault("kill-job-worker", _kill("job-worker"), "background", harmless=True, weight=2),
    Fault("kill-background", _kill("background master", 1), "background", harmless=True),
    Fault("kill-payments-worker", _kill("payments-worker"), "background", harmless=True, weight=3),
    Fault("kill-planner", _kill("planner"), "planner", weight=2),
    Fault("kill-gunicorn-worker", _kill("gunicorn worker"), "gunicorn", weight=2),
    Fault("kill-gunicorn-master", _kill("gunicorn master", 1), "gunicorn"),
    Fault("kill-proofs", _kill("proofs", 2), "proofs", harmless=True, weight=2),
    # The parent of the spiders: they stay behind as orphans and must leave by themselves.
    Fault("kill-scrapyd", _kill("scrapyd", 1), "scrapyd spider"),
    Fault("terminate-scrapyd", _kill("scrapyd", 1, signal.SIGTERM), "scrapyd spider"),
    Fault(
        "scrapyd-that-dies-again-and-again", _kill_scrapyd_again_and_again, "scrapyd spider planner redis"
    ),
    Fault("restart-redis", _restart("Redis"), "redis"),
    Fault("kill-redis", _kill_server("Redis"), "redis"),
    Fault("empty-redis", _empty_redis, "redis", weight=2),
    Fault("restore-older-redis", _restore_older_redis, "redis", weight=2),
    Fault("stop-redis", _take_down("Redis", (6, 6)), "redis spider scrapyd"),
    Fault("hang-redis", _freeze("Redis", 6), "redis spider scrapyd"),
    Fault("restart-postgres", _restart("PostgreSQL"), "postgres"),
    Fault("kill-postgres", _kill_server("PostgreSQL"), "postgres"),
    Fault("kill-a-connection-of-postgres", _kill_server("PostgreSQL", connection=True), "postgres"),
    Fault("stop-postgres", _take_down("PostgreSQL", (10, 14)), "postgres"),
    Fault("hang-postgres", _freeze("PostgreSQL", 5), "postgres"),
    Fault("fill-the-disk", _fill_disk, "disk postgres redis", needs_disk=True),
    Fault("half-of-the-sites-hang", _site("hang_forever", 0.5), "sites"),
    Fault("site-drips", _site("drip"), "sites"),  # a byte a second
    Fault("site-floods", _site("big"), "sites"),  # 10 MB
    Fault("site-breaks-off", _site("reset"), "sites"),
    Fault("cut-off-provider", _cut_off, "providers", weight=4),
    Fault("provider-takes-and-breaks", _take_and_break, "providers", weight=3),
    Fault("provider-says-later", _answer(None, ("rate_limited", {"seconds": 2}), seconds=_SHORTLY), "providers"),
    Fault("provider-breaks", _answer(None, ("error_500", {}), seconds=_SHORTLY), "providers"),
    Fault("provider-is-slow", _answer(None, ("slow", {"seconds": 2}), seconds=_SHORTLY), "providers"),
    Fault("provider-hangs", _silence("timeout"), "providers"),
    Fault("provider-says-yes-to-nobody", _silence("yes_without_answer"), "providers", weight=2),
    Fault(
        "first-provider-of-mail-is-away", _answer("sendgrid", *_MAIL_AWAY, seconds=(8, 8), silences="email"),
        "providers", weight=2,
    ),
    Fault("calls-are-away", _answer("twilio_calls", *_OUTAGES, (BREAKS, {}), seconds=_LONG, opens=True), "calls", harmless=True,
          weight=2),
    Fault("calls-are-answered-oddly", _call_oddly, "calls", harmless=True, weight=2),
    Fault("push-is-away", _answer("web_push", *_OUTAGES, seconds=_LONG, opens=True), "push", harmless=True),
    Fault("push-is-answered-oddly", _answer("web_push", *_ODD_PUSHES, seconds=(8, 8), opens=True), "push",
          harmless=True),
    Fault(
        "receipts-come-late", _receipts("late", lambda f: {"seconds": f.rng.choice((0.3, 1.3)) * _NO_RECEIPT}),
        "receipts", harmless=True,
    ),
    Fault("receipts-are-repeated", _receipts("repeated", lambda f: {"times": f.rng.randint(2, 8)}), "receipts",
          harmless=True),
    Fault("receipts-are-lost", _receipts("lost", lambda _: {}, loses=True), "receipts", harmless=True),
    Fault("store-of-proofs-is-away", _take_store_away, "store proofs redis spider", harmless=True),
    Fault(
        "stripe-is-away",
        _answer("payment", ("refuse", {}), ("timeout", {}), ("error_500", {"saved": 1}), seconds=(10, 20)),
        "stripe", harmless=True, weight=2,
    ),
    Fault("stripe-is-slow", _answer("payment", ("slow", {}), ("rate_limited", {}), seconds=(6, 6)), "stripe",
          harmless=True),
    Fault(
        "stripe-acts-and-breaks-off",
        _answer("payment", ("reset_after", {}), ("half_answer", {}), ("yes_without_answer", {}), seconds=(6, 6)),
        "stripe", harmless=True, weight=2,
    ),
    Fault("stripe-events-are-troubled", _events_are_troubled, "stripe-events", harmless=True),
    Fault("refunds-fail", _refuse_refunds, "stripe", harmless=True, weight=3),
    Fault("nobody-hears-stripe", _be_absent, "background stripe stripe-events", harmless=True, weight=2),
    Fault("open-many-slots", _open_many_slots, weight=2),
    Fault("step-clock", _step_clock, "clock", alone=True, weight=2),
)  # fmt: skip


@lru_cache(maxsize=1)
def faults() -> dict[str, Fault]:
    """Return all faults by name."""
    return dict(sorted((each.name, each) for each in TABLE))
