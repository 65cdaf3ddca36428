"""kill -9 at each commit, each call of Stripe's API and each nudge: the end is as if nothing had died."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import redis
from sqlalchemy.engine import make_url

from api.background import jobs as background_jobs
from api.declarations.service import undo_own
from api.invoices.issuing import issue_due
from api.models.base import engine, session
from api.models.payment import Payment, PaymentEvent, Refund, RefundReason
from api.models.stripe_event import CommandKind
from api.models.user import OutageCredit, User
from api.payments.early_ends import withdraw
from api.payments.jobs import carry_out
from api.payments.ledger import lock_payment
from api.payments.reconciliation import reconcile
from api.payments.refunds import plan_refund
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests import databases
from tests.api.billing.killing import Killer, Life, read_end_state
from tests.api.billing.test_outage_credits import check
from tests.api.billing.till import ALERT, Till
from tests.api.payments.shop import send_commands
from tests.clients import People
from tests.factories import add_desk, change, rows

BEGINNING = "2026-11-20T09:00:00+00:00"
TOTAL = PlanName.URGENCE_TOTAL


@dataclass(frozen=True)
class Story:
    """What came before, without deaths, and the part in which one happens."""

    begin: Callable[[Life], None]
    act: Callable[[Life], None]


def buy(life: Life, name: PlanName, *, alert: bool = False) -> None:
    answer = life.ask(lambda: life.till.order(name, **({"alert": ALERT} if alert else {})))
    assert answer.status_code == 200, answer.json
    life.till.shop.control.pay(answer.json["checkoutUrl"].rpartition("/")[2])
    life.deliver()


def start(*names: PlanName, hours: float = 6) -> Callable[[Life], None]:
    def begin(life: Life) -> None:
        for name in names:
            buy(life, name, alert=name is names[0])
            life.settle()
            life.till.shop.pass_time(hours=hours)

    return begin


def renew(life: Life) -> None:
    life.till.shop.clock.shift(timedelta(days=31, hours=2))
    life.till.shop.control.advance()
    life.deliver()


def begin_refused_renewal(life: Life) -> None:
    start(TOTAL)(life)
    life.till.use_bad_card()


def find_payment(name: PlanName) -> UUID:
    found: list[Payment] = rows(Payment)
    return next(each.id for each in found if each.plan is name)


def refund(life: Life) -> None:
    def ask() -> None:
        if rows(Refund):  # the operator looks before asking again
            return
        with session() as s:
            payment = lock_payment(s, find_payment(PlanName.URGENCE_7J))
            refund_id = plan_refund(s, payment, payment.amount_cents, RefundReason.OPERATOR).id
        carry_out(CommandKind.REFUND, refund_id)

    life.ask(ask)


def take_back(life: Life) -> None:
    def ask() -> None:
        if "withdrawn" in [each.kind for each in rows(PaymentEvent)]:
            return
        with session() as s:
            withdraw(s, find_payment(PlanName.URGENCE_7J), clock())
        send_commands()

    life.ask(ask)


def cancel(life: Life) -> None:
    answer = life.ask(lambda: life.till.post("cancel", {"on": "2026-11-25"}))
    assert answer.status_code == 200


def begin_notice(life: Life) -> None:
    start(TOTAL)(life)
    assert life.till.post("cancel", {"on": "2026-11-25"}).status_code == 200
    life.settle()


def take_effect(life: Life) -> None:
    life.till.shop.clock.move_to(datetime(2026, 11, 25, 23, 0, 1, tzinfo=UTC))
    life.ask(background_jobs.apply_declarations)


def undo(life: Life) -> None:
    life.ask(lambda: undo_own(life.till.person.id))


def begin_outage(name: PlanName, form: OutageCredit = OutageCredit.CREDIT) -> Callable[[Life], None]:
    def begin(life: Life) -> None:
        buy(life, name, alert=True)
        life.settle()
        change(User, User.id == life.till.person.id, outage_credit=form)
        check(60, 780, 800)
        life.till.shop.pass_time(hours=14)

    return begin


def give_back(life: Life) -> None:
    life.ask(background_jobs.credit_outages)


def begin_unwatched(life: Life) -> None:
    life.till.shop.order(life.till.person.id, PlanName.URGENCE_7J, alert_wish={"deskIds": ["gone"]})


def pay_unwatched(life: Life) -> None:
    (page,) = life.till.sessions()
    life.till.shop.control.pay(page["id"])
    life.deliver()


DAY, WEEK = PlanName.URGENCE_24H, PlanName.URGENCE_7J
STORIES = {
    "purchase": Story(lambda _: None, lambda life: buy(life, WEEK, alert=True)),
    "subscription": Story(lambda _: None, lambda life: buy(life, TOTAL)),
    "upgrade": Story(start(DAY), lambda life: buy(life, WEEK)),
    "renewal": Story(start(TOTAL), renew),
    "refused renewal": Story(begin_refused_renewal, renew),
    "refund": Story(start(WEEK), refund),
    "withdrawal": Story(start(DAY, WEEK), take_back),
    "cancellation": Story(start(TOTAL), cancel),
    "cancellation, effect": Story(begin_notice, take_effect),
    "cancellation, undone": Story(begin_notice, undo),
    "unwatched desk": Story(begin_unwatched, pay_unwatched),
    "outage, time": Story(begin_outage(DAY), give_back),
    "outage, invoice": Story(begin_outage(TOTAL), give_back),
    "outage, money": Story(begin_outage(DAY, OutageCredit.REFUND), give_back),
}


@dataclass
class Stage:
    """Tells a story from the beginning, as often as wanted."""

    till: Till
    person: People
    server: redis.Redis
    patch: pytest.MonkeyPatch

    def tell(self, story: Story, fatal: int | None = None) -> tuple[list[str], dict[str, object]]:
        """Tell it with a death at the step `fatal`; return the steps up to there, and the end state."""
        self._clear()
        killer = Killer(fatal)
        with self.patch.context() as patch, killer.listen():
            killer.install(patch)
            life = Life(self.till, killer)
            killer.fatal = None
            story.begin(life)
            killer.steps.clear()
            killer.fatal = fatal
            story.act(life)
            steps = list(killer.steps)
            killer.fatal = None
            life.settle()
        issue_due(60)
        assert reconcile()["different"] == 0
        return steps, read_end_state(self.till)

    def _clear(self) -> None:
        engine().dispose()
        databases.clean(str(make_url(str(engine().url)).database))
        self.server.flushdb()
        self.till.shop.clock.move_to(BEGINNING)
        self.till.shop.control.reset()
        self.till.person = self.person(confirmed=True)
        add_desk()


@pytest.fixture
def stage(
    till: Till, person: People, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    yield Stage(till, person, redis_server, monkeypatch)
    engine().dispose()


def check_deaths(stage: Stage, story: Story, every: int) -> None:
    steps, expected = stage.tell(story)
    assert any("commit" in each for each in steps)
    for number in range(min(every, len(steps)) // 2, len(steps), every):
        reached, end = stage.tell(story, number)
        assert len(reached) > number, "the story does not repeat itself"
        assert end == expected, f"killed at step {number}: {steps[number]}"


@pytest.mark.parametrize("name", ["purchase", "refund"])
def test_a_death_at_some_steps_changes_nothing(stage: Stage, name: str) -> None:
    check_deaths(stage, STORIES[name], every=180)


@pytest.mark.journey
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", STORIES)
def test_a_death_at_each_step_changes_nothing(stage: Stage, name: str) -> None:
    check_deaths(stage, STORIES[name], every=1)
