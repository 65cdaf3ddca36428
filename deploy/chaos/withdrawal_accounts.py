"""Account of the withdrawals of a run: each has its receipt, and what is owed went back by the stand-in. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from deploy.chaos.accounting import may_be_unheard
from deploy.chaos.inbox import ShopperMail
from deploy.chaos.journal import OpeningJournal

SUBJECTS = ("Accusé de réception de votre rétractation", "Your withdrawal was received")
DELIVERS = ("payments-worker", "background", "gunicorn")  # beside the notifier's workers
Key = TypeVar("Key")
Value = TypeVar("Value")
_ABOUT = timedelta(seconds=30)  # in which a worker writes that a mail was taken
_PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True)
class WithdrawnPayment:
    """The order of a withdrawn contract, or a renewal of it; cents. `went_back` is the stand-in's sum.

    `bought`: seconds of its plan; `began_at`: its first second, None where no grant tells any more. `informed_at`: when
    the order mail, with the notice of the right, was handed over.
    """

    id: str
    amount: int
    paid_at: datetime
    informed_at: datetime | None
    bought: int
    began_at: datetime | None
    withdrawn: int  # planned for the withdrawal, and not refused
    others: int  # for any other reason
    went_back: int

    def owes(self, declared_at: datetime) -> tuple[int, int]:
        """Return the fewest and the most cents that go back: those of the time left, all without the notice.

        Where it is not known when the plan began, it did not begin before it was paid.
        """
        if self.informed_at is None or self.informed_at > declared_at:
            return self.amount, self.amount
        fewest = self._price(declared_at, self.began_at or self.paid_at)
        is_known = self.began_at and not self.others and declared_at - self.informed_at > _ABOUT
        return fewest, fewest if is_known else self.amount

    def _price(self, declared_at: datetime, began_at: datetime) -> int:
        used = min(max(int((declared_at - began_at).total_seconds()), 0), self.bought)
        return -(-self.amount * (self.bought - used) // self.bought)


@dataclass(frozen=True)
class OurWithdrawal:
    """A withdrawal as our tables have it. `open`: its time has come, and it was neither applied nor refused."""

    id: str
    number: str
    made_at: datetime
    open: bool
    applied: bool
    refund: int | None
    payments: tuple[WithdrawnPayment, ...]


@dataclass(frozen=True)
class WithdrawalAccount:
    """Numbers, and every difference in words."""

    applied: int
    cents: int
    copies_allowed: int
    differences: tuple[str, ...]


def settle_withdrawals(
    ours: Sequence[OurWithdrawal],
    answered: Iterable[str],
    mails: Iterable[ShopperMail],
    journal: OpeningJournal,
) -> WithdrawalAccount:
    """Hold declarations beside what their authors were told and paid. `answered`: those that the API promised."""
    differences = [f"withdrawal {each}: answered, and lost" for each in set(answered) - {w.id for w in ours}]
    receipts = [each for each in mails if each.subject.startswith(SUBJECTS)]
    copies = 0
    for each in ours:
        if each.open:
            differences.append(f"still waits: withdrawal {each.id}")
        mine = [mail for mail in receipts if each.number in mail.text]
        allowed, wrong = _check_receipts(each, mine, journal)
        copies += allowed
        differences += wrong + _check_money(each)
    done = [each for each in ours if each.applied]
    return WithdrawalAccount(
        len(done), sum(each.refund or 0 for each in done), copies, tuple(sorted(differences))
    )


def _check_receipts(
    ours: OurWithdrawal, mails: Sequence[ShopperMail], journal: OpeningJournal
) -> tuple[int, list[str]]:
    """Return how many copies are allowed, and what is wrong: there is one receipt, and it names the second."""
    ids = {each.notifications for each in mails}
    if len(ids) != 1:
        return 0, [f"withdrawal {ours.id}: {len(ids)} receipts"]
    second = f"{ours.made_at.astimezone(_PARIS):%H:%M:%S}"
    wrong = [
        f"withdrawal {ours.id}: its receipt is without {second}" for mail in mails if second not in mail.text
    ]
    allowed = 0
    for mail in sorted(mails, key=lambda mail: mail.received_at)[:-1]:
        if may_be_unheard(mail.received_at, "email", journal, DELIVERS):
            allowed += 1
        else:
            wrong.append(f"withdrawal {ours.id}: its receipt came twice")
    return allowed, wrong


def _check_money(ours: OurWithdrawal) -> list[str]:
    if not ours.applied:
        return []
    wrong = []
    planned = sum(each.withdrawn for each in ours.payments)
    others = any(each.others for each in ours.payments)
    # Where the dashboard was quicker, Stripe refused what was planned, and the rest was planned in its place.
    if planned != ours.refund and not (others and planned < (ours.refund or 0)):
        wrong.append(f"withdrawal {ours.id}: says {ours.refund} cents, {planned} were planned")
    for each in ours.payments:
        fewest, most = each.owes(ours.made_at)
        if not fewest <= each.went_back <= most:
            wrong.append(
                f"withdrawal {ours.id}: of {each.amount} cents of {each.id} {each.went_back} went back,"
                f" {fewest} are owed"
            )
    return wrong


def group(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Return the values of each key."""
    found: dict[Key, list[Value]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found
