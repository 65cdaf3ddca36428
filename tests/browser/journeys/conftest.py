"""One whole stack for all journeys, and people in front of real browsers."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from api.models.slot import SlotRow
from deploy.local.seed import seed
from deploy.local.stack import Stack
from deploy.sample_desk_files import only
from deploy.sandbox.addresses import STRIPE, url
from deploy.sandbox.control_client import StripeControl
from tests.browser.journeys.seats import Seat
from tests.browser.navigators.person import Person, Words
from tests.browser.site import MakeContext
from tests.browser.watch import Watch
from tests.lab.bench.latency import hasty, take_all
from tests.waiting import until
from tests.whole.conftest import quiet_stack
from tests.whole.visitor import LOOK, Visitor

DESK = "evry-courcouronnes_91/naturalisation"
_PATIENCE = 60_000  # milliseconds, for a page of a busy machine
# What fails is soon tried again, and soon given up.
_SOON = {
    "RETRY_SECONDS": "0.2",
    "RETRY_MAX_SECONDS": "1",
    "GIVE_UP_SECONDS": "3",
    "STRIPE_RETRY_SECONDS": "1",
}
MakePerson = Callable[[Seat], Person]


def keep_few_desks(text: str) -> str:
    """Keep the desks of one system, and those of Nanterre, one of which a captcha hides; that one alone."""
    if 'department: "92"' in text:
        return only("rdvpref", text)
    return only("ezbooking", hasty(text))


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with quiet_stack(keep_few_desks, **_SOON) as made:
        seed(made)
        yield made


@pytest.fixture(scope="package")
def stripe(stack: Stack) -> StripeControl:
    return StripeControl(url(STRIPE, stack.ports.providers))


@pytest.fixture
def make_person(stack: Stack, make_context: MakeContext, watch: Watch) -> MakePerson:
    """Return what seats a new person in front of a browser."""
    expect.set_options(timeout=_PATIENCE)
    watch.trust(url(STRIPE, stack.ports.providers))
    watch.trust(stack.environment["LIVE_URL"])
    front = f"http://127.0.0.1:{stack.ports.api}"

    def make(seat: Seat) -> Person:
        _forget_limits(stack)
        context = make_context(front, language=seat.language, width=seat.width, javascript=seat.javascript)
        context.set_default_timeout(_PATIENCE)
        visitor = Visitor(stack, f"{uuid4().hex}@example.org")
        words = Words(seat.language)
        return Person(context.new_page(), words, visitor, front, seat.hands, seat.javascript)

    return make


@pytest.fixture
def closed_desk(stack: Stack) -> Callable[[], None]:
    """Take all slots of the desk that people wait for, and return what does so again."""

    def take() -> None:
        take_all(stack)
        until(lambda: not _count_open_slots(stack), pause=LOOK)

    take()
    return take


def _forget_limits(stack: Stack) -> None:
    """Let each person be as good as the first of the hour: all of them come from one network address."""
    with redis.Redis.from_url(stack.environment["REDIS_URL"]) as server:
        for key in server.scan_iter("api:throttle*"):
            server.delete(key)


def _count_open_slots(stack: Stack) -> int:
    with Session(sa.create_engine(stack.environment["DATABASE_URL"])) as session:
        open_now = sa.select(sa.func.count()).where(SlotRow.desk_id == DESK, SlotRow.gone_at.is_(None))
        return session.scalar(open_now) or 0
