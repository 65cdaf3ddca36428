"""Wishes: what a person asks to be alerted of, resolved once to its place, desks, targets, and what may be begun."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from api.alerts.health_consent import check_health_consent
from api.alerts.schemas import Limits, NewAlert
from api.alerts.targets import build_columns, find_desks, select_open
from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError
from api.models.alert import Alert, AlertTarget
from api.models.watchability import Hindrance, Standing, Standings, find_slightest, read_standings
from configs.ground.clock import clock
from configs.world.desk import Desk, Procedure, zone_of
from configs.world.prefecture import Prefecture, UnknownDesk, UnknownPrefecture, desk, prefecture

_WAIT = "POST /api/alerts with acceptWaiting: true to be told when that changes"


@dataclass(frozen=True, slots=True)
class _Part:
    """One procedure or desk of a wish: its path in the body, its name, and its desks."""

    path: str
    name: str
    desks: tuple[Desk, ...]

    def explain(self, standings: Standings) -> str:
        """Return why none of its desks is watchable, by the one that is nearest to it."""
        found = find_slightest(standings[each.id] for each in self.desks)
        if found is None:
            return f"no page for {self.name} is known"
        if found.hindrance in (Hindrance.HIDDEN, Hindrance.PEOPLE):
            return f"{found.reason} for {self.name}: we see that the page exists, and no more"
        if found.hindrance is not Hindrance.UNWATCHED:
            return f"{found.reason} for {self.name}"
        reasons = dict.fromkeys(filter(None, (each.unwatched_because for each in self.desks)))
        return f"{self.name} is not watched: {', '.join(reasons)}"


@dataclass(frozen=True, slots=True)
class ResolvedWish:
    """A wish with all that was looked up of it; `targets` are not yet in a session."""

    wish: NewAlert
    place: Prefecture
    targets: list[AlertTarget]
    desks: list[Desk]  # all of it that the files have, in the order of their ids
    standings: Standings  # of all desks of the place
    parts: tuple[_Part, ...]

    @property
    def watchable(self) -> list[Desk]:
        """Return its desks whose slots can be watched now; with none it can only wait."""
        return [each for each in self.desks if self.standings[each.id].is_watchable]

    @property
    def must_wait(self) -> bool:
        """Whether nothing may be begun about it but to wait for a desk of it to be watchable."""
        return not self.watchable

    @property
    def is_free(self) -> bool:
        """Whether no check can watch it, but people report what they see at a desk of it: it needs no plan."""
        return self.must_wait and any(self.standings[each.id].is_reported for each in self.desks)

    @property
    def unwatchable(self) -> list[Standing]:
        """Return the standings of its other desks."""
        return [found for each in self.desks if not (found := self.standings[each.id]).is_watchable]

    def check(self, *, is_sold: bool = False) -> None:
        """Refuse a wish that nothing can be begun about, unless it accepts to wait; `is_sold`: by checks.

        Where one desk is watchable it is taken with those that are not, but not with a part of which no page is known.

        Raises:
            ApiError: 422 `not_watched`, for each part with the reason and alternatives; `health_consent` where nothing
                but that is missing: for an alert that cannot be had it is good for nothing.
        """
        nowhere = [each for each in self.parts if not each.desks]
        if self.must_wait and not self.wish.accept_waiting and (is_sold or not self.is_free):
            raise self._refuse(self.parts)
        if nowhere and not self.must_wait:
            raise self._refuse(nowhere)
        check_health_consent(self.wish, self.place)

    def _refuse(self, parts: Collection[_Part]) -> ApiError:
        there = list_watchable(self.place, self.standings)
        instead = f"{_name_alternatives(there, self.place)}; {_WAIT}"
        details = [(each.path, f"{each.explain(self.standings)}; {instead}") for each in parts]
        return invalid(
            *(FieldError(path=path, rule="not_watched", detail=detail) for path, detail in details)
        )


def resolve_wish(session: Session, wish: NewAlert) -> ResolvedWish:
    """Look up all that a wish is about, once.

    Raises:
        ApiError: 422, naming each wrong field and its possible values.
    """
    place = find_prefecture(wish)
    if errors := list(_check_desks(wish, place)):
        raise invalid(*errors)
    limits = build_columns(wish.limits)
    targets = [
        *(AlertTarget(prefecture_id=place.id, procedure=each, **limits) for each in wish.procedures),
        *(AlertTarget(desk_id=each, **limits) for each in dict.fromkeys(wish.desk_ids)),
    ]
    about = find_desks(targets)
    if errors := list(_check_limits(wish.limits, place, about)):
        raise invalid(*errors)
    parts = tuple(_list_parts(wish, place))
    return ResolvedWish(wish, place, targets, about, read_standings(session, place.desks), parts)


def check_wish(session: Session, wish: NewAlert) -> ResolvedWish:
    """Resolve a wish that stands in an order, as its field `alert`, and refuse one that no check can watch.

    Raises:
        ApiError: 422, with the path of each wrong field; `not_watched` with alternatives.
    """
    try:
        found = resolve_wish(session, wish)
        found.check(is_sold=True)
    except ApiError as error:
        below = [
            each.model_copy(update={"path": f"alert.{each.path}" if each.path else "alert"})
            for each in error.errors
        ]
        raise invalid(*below) from None
    return found


def find_prefecture(wish: NewAlert) -> Prefecture:
    """Return the prefecture of a requested alert.

    Raises:
        ApiError: 422, there is no such prefecture or desk.
    """
    try:
        if wish.prefecture_id is not None:
            return prefecture(wish.prefecture_id)
        return prefecture(desk(wish.desk_ids[0]).prefecture_id)
    except UnknownPrefecture as error:
        raise invalid(FieldError(path="prefectureId", rule="unknown", detail=str(error))) from None
    except UnknownDesk as error:
        raise invalid(FieldError(path="deskIds.0", rule="unknown", detail=str(error))) from None


def explain_unwatched(place: Prefecture, procedure: Procedure, standings: Standings) -> str | None:
    """Return why the slots for a procedure are not seen at a prefecture; None where they are."""
    part = _build_part("", place, procedure)
    return None if any(standings[each.id].is_watchable for each in part.desks) else part.explain(standings)


def list_watchable(place: Prefecture, standings: Standings) -> list[Desk]:
    """Return the desks of a prefecture that are watchable by these standings."""
    return [each for each in place.desks if standings[each.id].is_watchable]


def is_free_to_enable(session: Session, alert: Alert) -> bool:
    """Return whether an alert that is to be enabled needs no plan, for people's reports alone serve it now.

    Raises:
        ApiError: 409, with the reason: nobody sees its slots. One that waits for a watch needs a watchable desk.
    """
    about = find_desks(alert.targets)
    standings = read_standings(session, about)
    if any(each.is_watchable for each in standings.values()):
        return False
    if any(each.is_reported for each in standings.values()):
        return True
    is_enough = (each.is_watchable if alert.awaits_watch else each.may_resume for each in standings.values())
    if not any(is_enough):
        whole = _Part("", "this alert", tuple(about))
        raise ApiError(409, "not-watched", whole.explain(standings))
    return False


def find_user_standings(session: Session, user_id: UUID) -> list[Standing]:
    """Return what may be begun about the desks of a user's alerts that are not over."""
    alerts = session.scalars(select_open(user_id)).all()
    return list(
        read_standings(session, (each for alert in alerts for each in find_desks(alert.targets))).values()
    )


def _list_parts(wish: NewAlert, place: Prefecture) -> Iterator[_Part]:
    for index, procedure in enumerate(wish.procedures):
        yield _build_part(f"procedures.{index}", place, procedure)
    for index, desk_id in enumerate(wish.desk_ids):
        yield _Part(f"deskIds.{index}", desk_id, (desk(desk_id),))


def _build_part(path: str, place: Prefecture, procedure: Procedure) -> _Part:
    serving = tuple(each for each in place.desks if procedure in each.procedures)
    return _Part(path, f"{procedure} at {place.id}", serving)


def _check_desks(wish: NewAlert, place: Prefecture) -> Iterator[FieldError]:
    known = {each.id for each in place.desks}
    for index, desk_id in enumerate(wish.desk_ids):
        if desk_id not in known:
            detail = f"{desk_id!r} is no desk of {place.id}; its desks: {_enumerate(known)}"
            yield FieldError(path=f"deskIds.{index}", rule="unknown", detail=detail)


def _check_limits(limits: Limits, place: Prefecture, about: list[Desk]) -> Iterator[FieldError]:
    sites = {known.site for known in about if known.site}
    for index, site in enumerate(limits.sites):
        if site not in sites:
            detail = f"these desks are not at {site!r}; their sites: {_enumerate(sites)}"
            yield FieldError(path=f"limits.sites.{index}", rule="unknown", detail=detail)
    today = clock().astimezone(zone_of(place.time_zone)).date()
    if limits.date_to and limits.date_to < today:
        yield FieldError(path="limits.dateTo", rule="past", detail="this day is over: choose a later one")
    elif not limits.leaves_days(today):
        detail = "none of these weekdays lies between today and dateTo: no slot could pass"
        yield FieldError(path="limits.weekdays", rule="excludes_everything", detail=detail)


def _enumerate(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))) or "none"


def _name_alternatives(seen: list[Desk], place: Prefecture) -> str:
    if not seen:
        return f"no slots of {place.id} are seen; where to look: {place.site}"
    served = _enumerate(procedure for each in seen for procedure in each.procedures)
    return f"watched there: desks {_enumerate(each.id for each in seen)}, procedures {served}"
