"""Data of the order page: the quote, the alert, and the words of the boxes."""

from dataclasses import dataclass
from datetime import datetime

from api.accounts.queries import read_account
from api.accounts.schemas import Account
from api.alerts.health_consent import find_revealing_desks
from api.alerts.queries import read_alert_page
from api.alerts.schemas import AlertAnswer, AlertQuery, NewAlert
from api.alerts.targets import build_targets, find_prefecture
from api.alerts.watchability import must_wait_for_watch
from api.billing.queries import list_history
from api.billing.quotes import AFTER_WITHDRAWAL, build_quote
from api.billing.schemas import QuoteAnswer
from api.errors import ApiError
from api.middleware.auth import current_user, current_user_id
from api.middleware.public_answers import read_cached
from api.models.base import autocommit_session
from api.models.payment import PaymentStatus
from api.models.user import Channel, ContactState
from api.outlook.queries import read_outlook
from api.outlook.schemas import Outlook
from api.pages.plan.order_form import write_wish
from api.pages.plan.order_note import OrderNote, build_note
from api.pages.procedure_names import PROCEDURE_NAMES
from api.paging import PageQuery
from api.users.queries import read_channel_states
from configs.settings import settings
from configs.world.plan import Plan, PlanName, plan
from configs.world.prefecture import Prefecture
from configs.world.sales_terms import ConsentSentences, find_newest_version, read_consent

_RECENT = PageQuery(limit=20)


@dataclass(frozen=True, slots=True)
class ShownWish:
    """The alert that the payment creates. `unwatched`: it cannot be sold; what there is instead."""

    json: str
    place: Prefecture
    procedures: list[str]  # names
    desks: list[str]  # labels of those that are waited for by name
    is_watched: bool
    outlook: Outlook | None  # where it is not watched
    revealing: list[str]  # labels of its desks that reveal health: it needs explicit consent


@dataclass(frozen=True, slots=True)
class OrderPage:
    """The page of an order. Without a quote the plan cannot be ordered, at the earliest from `held_until` on."""

    plan: Plan
    is_month_after_withdrawal: bool  # why it cannot be ordered
    account: Account
    has_bounced: bool  # messages to the account's address come back
    quote: QuoteAnswer | None
    held_until: datetime | None
    wish: ShownWish | None
    alerts: list[AlertAnswer]  # that wait already
    terms_version: str
    sentences: ConsentSentences
    sentences_language: str
    methods: tuple[str, ...]
    newest_paid: str  # id of the newest paid order
    note: OrderNote | None


def read_order_page(name: PlanName, wish: NewAlert | None) -> OrderPage:
    """Return what the order of a plan shows to who is signed in."""
    user_id, quote, held_until, after_withdrawal = current_user_id(), None, None, False
    with autocommit_session() as s:
        account = read_account(s, user_id)
        alerts = read_alert_page(s, user_id, AlertQuery()).items
        states = read_channel_states(s, user_id)
        try:
            quote = build_quote(s, current_user(), name)
        except ApiError as error:
            held_until, after_withdrawal = error.available_from, error.word == AFTER_WITHDRAWAL
    version, language = find_newest_version(), account.language if account.language == "en" else "fr"
    return OrderPage(
        plan=plan(name),
        is_month_after_withdrawal=after_withdrawal,
        account=account,
        has_bounced=states.get(Channel.EMAIL) is ContactState.BOUNCED,
        quote=quote,
        held_until=held_until,
        wish=describe_wish(wish) if wish else None,
        alerts=alerts,
        terms_version=version,
        sentences=read_consent(version, language),
        sentences_language=language,
        methods=settings().stripe_payment_methods,
        newest_paid=find_newest_paid(),
        note=build_note(quote) if quote else None,
    )


def find_newest_paid() -> str:
    """Return the id of the newest order that is paid; the empty text without one."""
    with autocommit_session() as s:
        found = list_history(s, current_user_id(), _RECENT).items
    paid = (str(each.id) for each in found if each.status is PaymentStatus.COMPLETED and not each.renewal)
    return next(paid, "")


def describe_wish(wish: NewAlert) -> ShownWish | None:
    """Return an alert as the page shows it; None where its place does not exist."""
    try:
        place = find_prefecture(wish)
        build_targets(wish.model_copy(update={"accept_health": True}))
    except ApiError:
        return None
    is_watched = _can_be_watched(wish, place)
    return ShownWish(
        json=write_wish(wish),
        place=place,
        procedures=[str(PROCEDURE_NAMES[each]) for each in wish.procedures],
        desks=[desk.label for desk in place.desks if desk.id in wish.desk_ids],
        is_watched=is_watched,
        outlook=None if is_watched else _read_outlook(wish, place),
        revealing=sorted({desk.label for desk in find_revealing_desks(wish, place)}),
    )


def _can_be_watched(wish: NewAlert, place: Prefecture) -> bool:
    try:
        with autocommit_session() as s:
            return not must_wait_for_watch(s, wish.model_copy(update={"accept_waiting": False}), place)
    except ApiError:
        return False


def _read_outlook(wish: NewAlert, place: Prefecture) -> Outlook | None:
    if not wish.procedures:
        return None
    procedure = wish.procedures[0]
    return read_cached(
        Outlook, f"outlook:{place.id}:{procedure}", lambda s: read_outlook(s, place, procedure)
    )
