"""What a browser keeps of the registration that it made, until its address is confirmed; and what was chosen before it.

The session holds it encrypted: the address can be shown and corrected and its mail sent again in the same way whether
or not it has an account, and nothing of that is stored here.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import parse_qs

from flask import session
from flask_babel import LazyString
from pydantic import ValidationError

from api.accounts.schemas import RegistrationForm
from api.alerts.schemas import NewAlert
from api.pages.choices import PROCEDURE_NAMES, find_place, find_procedure
from api.web.languages import read_language
from configs.ground.encryption import decrypt, encrypt
from configs.world.desk import Desk
from configs.world.plan import Plan, PlanName, plan
from configs.world.prefecture import Prefecture, desks

_KEY = "registration"  # in the session


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """A registration that waits to be confirmed."""

    id: str
    email: str
    password_hash: str
    plan: PlanName | None
    target: str | None  # where its wish goes on

    @classmethod
    def read(cls) -> Self | None:
        """Return the registration of this browser, until its session ends."""
        try:
            return cls(**json.loads(decrypt(session[_KEY])))
        except (KeyError, ValueError, TypeError):
            return None

    def keep(self) -> None:
        """Have the browser keep it, in place of an earlier one."""
        session[_KEY] = encrypt(json.dumps(asdict(self)))

    @property
    def form(self) -> RegistrationForm:
        """What was typed, without the password."""
        typed = {"email": self.email, "plan": self.plan, "language": read_language(), "phone": None}
        return RegistrationForm.model_construct(**dict[str, Any](typed))


def forget_registration() -> None:
    """Forget the registration of this browser: its address is confirmed."""
    session.pop(_KEY, None)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen before the registration, as its page repeats it."""

    plan: Plan | None
    place: Prefecture | None
    procedures: list[LazyString]
    desks: list[Desk]

    @property
    def may_be_stored(self) -> bool:
        """Whether it needs no explicit consent: a desk that reveals health waits for the box of the order."""
        return not any(each.reveals_health for each in self.desks)


def describe_choice(target: str | None) -> Choice | None:
    """Return what the target after a registration names; None where it names no wish."""
    given = {name: values[-1] for name, values in parse_qs((target or "").partition("?")[2]).items()}
    try:
        wish = NewAlert.model_validate_json(given.get("alert", ""))
        ids, place_id, procedures = wish.desk_ids, wish.prefecture_id or "", list(wish.procedures)
    except ValidationError:
        procedure = find_procedure(given.get("procedure", ""))
        ids, place_id = [given.get("desk", "")], given.get("prefecture", "")
        procedures = [procedure] if procedure else []
    named = [desks()[each] for each in ids if each in desks()]
    place = find_place(place_id or (named[0].prefecture_id if named else ""))
    sold = plan(given["plan"]) if given.get("plan") in set(PlanName) - {PlanName.NONE} else None
    names = [PROCEDURE_NAMES[each] for each in procedures]
    return Choice(sold, place, names, named) if sold or place else None
