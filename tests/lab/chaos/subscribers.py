"""Subscribers of a stack under chaos: the model of which alerts must arrive, compared with the inbox."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time

from api.models.alert import AlertTarget
from api.models.desk import DeskChange
from api.models.user import Channel
from configs.ground.push_subscriptions import PushSubscription
from configs.world.desk import Desk
from configs.world.plan import PlanName, plan
from deploy.sandbox.providers.push import make_subscription
from tests.factories import add_alert, add_contact, add_grant, add_user, save_all

EVERYWHERE = frozenset[str]()
SHOPPERS = "@shop.example.org"  # whose messages are no part of this model: they buy (shop.py)
Reached = tuple[Channel, str]  # a channel and the address on it


@dataclass(frozen=True)
class Person:
    """One user: the plan (None: it ran out), whether the alert is on, and the desks waited for (none: all).

    `wants_calls`: at every hour; nobody counts on a call. `has_browser`: gets push too.
    """

    number: int
    name: str
    plan: PlanName | None
    desks: frozenset[str] = EVERYWHERE
    by_name: bool = False
    enabled: bool = True
    wants_calls: bool = False
    has_browser: bool = False

    @property
    def browser(self) -> str:
        """Return the id of the subscription of this person's browser."""
        return f"browser-{self.name}"

    @property
    def addresses(self) -> dict[Channel, str]:
        """Return where this person can be reached: on all channels, whatever the plan allows.

        06 39 98 xx xx is kept by Arcep for films and examples: https://www.arcep.fr (décision 2018-0881)
        """
        return {
            Channel.EMAIL: f"{self.name}@example.org",
            Channel.SMS: f"+336399800{self.number:02}",
            Channel.TELEGRAM: f"1000000{self.number:02}",
        }

    def waits_for(self, desk_id: str) -> bool:
        """Whether this person has an alert for the desk."""
        return self.enabled and self.plan is not None and (not self.desks or desk_id in self.desks)

    def reached(self) -> set[Reached]:
        """Return the addresses that a slot alert goes to: those whose channel is in the plan."""
        allowed = plan(self.plan).channels if self.plan else ()
        return {(channel, address) for channel, address in self.addresses.items() if channel.value in allowed}


PEOPLE = (
    Person(1, "ana", PlanName.URGENCE_TOTAL, wants_calls=True, has_browser=True),
    Person(2, "bruno", PlanName.URGENCE_TOTAL, by_name=True),
    Person(3, "chloe", PlanName.URGENCE_7J, has_browser=True),
    Person(4, "david", PlanName.URGENCE_24H, frozenset({"evry-courcouronnes_91/naturalisation"})),
    Person(5, "eve", None),
    Person(6, "felix", PlanName.URGENCE_TOTAL, enabled=False),
)


def entitled(desk_id: str) -> set[Reached]:
    """Return every address that must get an alert for a slot of this desk; no other may."""
    return {reached for person in PEOPLE if person.waits_for(desk_id) for reached in person.reached()}


def settle_in(desks: Iterable[Desk], people: Iterable[Person] = PEOPLE) -> None:
    """Write people with contacts, grants and alerts, and tell the planner."""
    known = list(desks)
    for person in people:
        email, *others = person.addresses.items()
        user = add_user(email[1], calls_from=time(0), calls_until=time(23, 59)).id
        for channel, address in others:
            add_contact(user, channel, address)
        if person.has_browser:
            made = make_subscription(person.browser)
            address = PushSubscription(made["endpoint"], **made["keys"]).as_address()
            add_contact(user, Channel.PUSH, address, device_name=person.name)
        # One that lasts, or one that ran out. A clock that is off by a day changes neither.
        add_grant(user, person.plan or PlanName.URGENCE_TOTAL, days=30, starts=-60 + 45 * bool(person.plan))
        wanted = [desk for desk in known if not person.desks or desk.id in person.desks]
        places = sorted({(desk.prefecture_id, each) for desk in wanted for each in desk.procedures})
        targets = [AlertTarget(prefecture_id=where, procedure=what) for where, what in places]
        if person.by_name:
            targets = [AlertTarget(desk_id=desk.id) for desk in wanted]
        add_alert(user, *targets, enabled=person.enabled, voice_enabled=person.wants_calls)
    save_all(DeskChange(desk_id=desk.id, reason="people came") for desk in known)
