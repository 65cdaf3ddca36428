"""Notices of cancellation: when they take effect, that a stranger ends nothing, and that their owner undoes them."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from api.ground.errors import ApiError
from api.models.base import session
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment, Refund, Subscription
from api.models.user import Grant, User
from api.payments.declarations.cancellations import read_own_contract
from api.payments.declarations.forms import LINKED_A_DAY
from api.payments.declarations.service import keep_own, undo_own
from api.payments.gateway.client import call
from configs.ground.clock import clock
from configs.ground.signing import CancelOrder, ConfirmCancellation, WithdrawOrder, write_token
from tests.api.payments.declarations.orders import (
    FORM,
    TEN_DAYS,
    TOTAL,
    at_stripe,
    buy,
    cancel,
    count_mails,
    list_amounts,
    list_mails,
    move,
    paid_until,
    press,
    read_notices,
    send,
    settle,
    withdraw,
)
from tests.api.payments.shop import list_commands, list_messages
from tests.api.payments.till import Till
from tests.clients import Answer
from tests.factories import change, remove, rows
from tests.samples import try_first


def test_the_form_shows_all_once_more_and_can_be_corrected(till: Till) -> None:
    client, order = till.shop.client, buy(till, TOTAL)
    typed = {"name": "Camille  Martin", "email": "camille@example.org", "reference": str(order.order_number)}
    page = client.get(FORM)
    assert (page.status_code, "Résilier votre contrat" in page.text) == (200, True)
    step = client.post(FORM, data=typed | {"wished": "2026-11-25"})
    assert ">notification de la résiliation</button>" in step.text
    assert all(each in step.text for each in ("Camille Martin", str(order.order_number), "25 novembre 2026"))
    back = client.post(FORM, data=typed | {"wished": "2026-11-25", "change": "true"})
    assert 'value="2026-11-25" selected' in back.text
    assert rows(Declaration) == []
    done = send(till, order.order_number)
    assert f"{clock():%M:%S}" in done.text, "the second"
    assert len(read_notices()) == 1


def test_ten_days_come_first_and_the_end_of_the_period_is_a_choice(till: Till) -> None:
    page = till.shop.client.get(FORM)
    values = re.findall(r'<option value="([^"]*)"( selected)?>', page.text)
    assert values[0] == ("2026-11-30", "")
    assert [each for each, _ in values[1:]] == [f"2026-11-{day}" for day in range(20, 30)] + ["periodEnd"]
    assert not any(selected for _, selected in values), "the browser chooses the first"
    typed = {
        "name": "Camille",
        "email": "camille@example.org",
        "reference": "7KQ2M9XWPA",
        "wished": "periodEnd",
    }
    step = till.shop.client.post(FORM, data=typed)
    assert "rien n’est remboursé" in step.text
    back = till.shop.client.post(FORM, data=typed | {"change": "true"})
    assert 'value="periodEnd" selected' in back.text


def test_a_stranger_ends_nothing_before_ten_days_and_the_owner_is_told_at_once(till: Till) -> None:
    order = buy(till, TOTAL)
    until = paid_until(till)
    assert send(till, order.order_number, "stranger@example.org").status_code == 200
    (row,) = read_notices()
    assert (row.takes_effect_at, row.confirmed_at) == (row.made_at + TEN_DAYS, None)
    mails = list_mails("cancel_noticed")
    assert sorted(str(each.address) for each in mails) == [till.person.email, "stranger@example.org"]
    move(till, row.made_at + TEN_DAYS - timedelta(seconds=1))
    assert (paid_until(till), rows(Refund), at_stripe(till)["cancel_at"]) == (until, [], None)
    assert undo_own(till.person.id), "at the last second"
    move(till, row.made_at + TEN_DAYS + timedelta(days=1))
    assert (paid_until(till), rows(Refund)) == (until, [])


def test_without_an_answer_it_takes_effect_after_ten_days_also_where_the_job_is_late(till: Till) -> None:
    order = buy(till, TOTAL)
    send(till, order.order_number, "camille@example.org")
    (row,) = read_notices()
    assert row.takes_effect_at
    till.shop.clock.move_to(row.takes_effect_at + timedelta(seconds=1))
    with pytest.raises(ApiError) as late:  # the token of the route has expired
        keep_own(till.person.id)
    assert (late.value.status, late.value.word) == (409, "undo-too-late")
    move(till, clock())
    with pytest.raises(ApiError) as ended:
        keep_own(till.person.id)
    assert (ended.value.status, ended.value.word) == (409, "no-subscription")
    assert not undo_own(till.person.id), "it has taken effect"
    assert paid_until(till) == row.takes_effect_at
    assert [each.reason.value for each in rows(Refund)] == ["cancelled"]
    assert at_stripe(till)["status"] == "canceled"
    assert "cancelled" in list_messages()


def test_the_mail_s_link_confirms_and_undoes(till: Till) -> None:
    order = buy(till, TOTAL)
    until = paid_until(till)
    send(till, order.order_number)
    (row,) = read_notices()
    assert till.shop.client.get(f"/l/{write_token(ConfirmCancellation(row.id))}").text
    assert read_notices()[0].confirmed_at is None, "GET changes nothing"
    for _ in range(2):
        assert "25 novembre 2026" in press(till.shop.client, row, "confirm").text
    (row,) = read_notices()
    assert f"{row.takes_effect_at:%Y-%m-%dT%H:%M}" == "2026-11-25T23:00"
    settle(till)
    assert at_stripe(till)["cancel_at"], "it does not renew"
    for _ in range(2):
        assert "le contrat continue" in press(till.shop.client, row, "undo").text
    settle(till)
    assert at_stripe(till)["cancel_at"] is None
    (contract,) = rows(Subscription)
    assert (contract.cancel_wanted_at, contract.cancel_at, list_commands()) == (None, None, [])
    move(till, until + timedelta(hours=2))
    assert paid_until(till) > until, "it was renewed"
    assert list_messages().count("cancelled") == 0


def test_the_end_of_the_period_waits_for_it_also_without_an_answer(till: Till) -> None:
    order = buy(till, TOTAL)
    until = paid_until(till)
    send(till, order.order_number, wished="periodEnd")
    (row,) = read_notices()
    move(till, row.made_at + TEN_DAYS)
    assert (read_notices()[0].takes_effect_at, paid_until(till)) == (until, until)
    assert at_stripe(till)["cancel_at"] == int(until.timestamp())
    move(till, until + timedelta(hours=2))
    assert (paid_until(till), rows(Refund)) == (until, [])
    assert read_notices()[0].applied_at
    assert len(rows(Payment)) == 1, "no renewal"


def test_a_period_that_ends_within_the_ten_days_is_renewed_and_what_is_unused_goes_back(till: Till) -> None:
    order = buy(till, TOTAL)
    until = paid_until(till)
    move(till, until - timedelta(days=4))
    send(till, order.order_number, wished="periodEnd")
    (row,) = read_notices()
    move(till, until + timedelta(hours=2))
    assert paid_until(till) > until
    assert row.takes_effect_at
    move(till, row.takes_effect_at)
    assert paid_until(till) == row.takes_effect_at
    (refund,) = rows(Refund)
    assert 2999 * 24 / 31 <= refund.amount_cents <= 2999 * 25 / 31 + 1
    assert at_stripe(till)["status"] == "canceled"


def test_a_flood_leaves_bounded_rows_and_mails(till: Till) -> None:
    order = buy(till, TOTAL)
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda n: send(till, order.order_number, f"s{n % 40}@example.org").status_code, range(40)
            )
        )
    assert set(answers) <= {200, 429}
    notices = read_notices()
    assert len(notices) <= 20, "of one network address an hour"
    assert sum(each.subscription_id is not None for each in notices) == LINKED_A_DAY
    owners = [each for each in list_mails("cancel_noticed") if each.user_id]
    assert len(owners) == LINKED_A_DAY
    assert count_mails("cancel_noticed") <= 20 + LINKED_A_DAY
    assert undo_own(till.person.id)
    assert not [each for each in read_notices() if each.subscription_id and each.is_open], "all at once"


def test_what_cannot_be_is_said_beside_its_field_and_else_the_answer_is_the_same_for_everybody(
    till: Till,
) -> None:
    order = buy(till, TOTAL)
    for wished in ("2026-11-19", "2026-12-01", "tomorrow", "2026-W48-1", "2026-02-30", "9" * 5000, ""):
        assert send(till, order.order_number, wished=wished).status_code == 422, wished[:12]
    for fields in ({"name": "x" * 10_000}, {"name": "\u202e\u2066"}, {"email": "x"}, {"reference": "\0"}):
        assert send(till, fields.pop("reference", order.order_number), **fields).status_code == 422
    assert rows(Declaration) == []
    assert send(till, order.order_number, name="Cam\u202eille \u2067Martin").status_code == 200
    assert read_notices()[0].name == "Camille Martin"
    texts = set()
    for email in ("camille@example.org", "nobody@example.org"):
        for number in (order.order_number, "22222AAAAA"):
            answer = send(till, number, email)
            assert answer.status_code == 200
            texts.add(answer.text.replace(email, "ADDRESS").replace("\n", ""))
    assert len(texts) == 1


def test_a_day_after_the_period_ends_with_the_period_once_it_is_confirmed(till: Till) -> None:
    order = buy(till, TOTAL)
    until = paid_until(till)
    move(till, until - timedelta(days=2))
    day = (clock() + timedelta(days=6)).date().isoformat()
    send(till, order.order_number, wished=day)
    (row,) = read_notices()
    press(till.shop.client, row, "confirm")
    assert read_notices()[0].takes_effect_at == until
    assert undo_own(till.person.id)
    with pytest.raises(ApiError) as refused:
        cancel(till.person.id, {"on": day})
    assert refused.value.errors[0].rule == "after_period"


def test_after_deletion_nothing_is_revived_and_the_links_still_answer(till: Till) -> None:
    order = buy(till, TOTAL)
    cancel(till.person.id, {"on": "2026-11-25"})
    (row,) = read_notices()
    remove(User, User.id == till.person.id)
    settle(till)
    for which in ("undo", "confirm"):
        assert press(till.shop.client, row, which).status_code == 200
    link = f"/l/{write_token(CancelOrder(order.id))}"
    for page in (till.shop.client.get(link), till.shop.client.post(link, data={"wished": "periodEnd"})):
        assert (page.status_code, "cet abonnement n’est pas en cours" in page.text) == (200, True)
    assert send(till, order.order_number).status_code == 200
    move(till, clock() + TEN_DAYS)
    assert at_stripe(till)["status"] == "canceled"
    assert rows(Grant) == []


def test_the_link_of_a_mail_shows_both_choices_and_gives_notice(till: Till) -> None:
    order = buy(till, TOTAL)
    link = f"/l/{write_token(CancelOrder(order.id))}"
    page = till.shop.client.get(link)
    assert all(each in page.text for each in ("24,41", "20 décembre 2026"))
    step = till.shop.client.get(link, query_string={"wished": "2026-11-25"})
    assert ">notification de la résiliation</button>" in step.text
    assert rows(Declaration) == []
    for _ in range(2):
        said = till.shop.client.post(link, data={"wished": "2026-11-25"}).text
        assert "Résiliation notifiée" in said
        assert 'href="/dashboard"' in said
    (row,) = read_notices()
    assert (row.made_by, row.confirmed_at) == (DeclaredBy.LINK, row.made_at)
    for other in ("x", write_token(WithdrawOrder(order.id)), write_token(ConfirmCancellation(order.id))):
        forged = other.replace(other.partition(".")[0], "cancel", 1)
        assert till.shop.client.get(f"/l/{forged}").status_code == 400


@pytest.mark.parametrize(("zone", "hour"), [
    ("America/Martinique", 23), pytest.param("Pacific/Noumea", 14, marks=pytest.mark.journey),
])  # fmt: skip
def test_each_end_that_a_page_offers_is_taken_in_the_zone_of_the_account(
    till: Till, zone: str, hour: int
) -> None:
    link = f"/l/{write_token(CancelOrder(buy(till, TOTAL).id))}"
    change(User, time_zone=zone)
    till.shop.clock.move_to(datetime(2026, 11, 22, hour, 30, tzinfo=UTC))
    with session() as s:
        contract = read_own_contract(s, till.person.id)
    offered = [each.wished for each in contract.choices] if contract else []
    for each in (offered[0], offered[1], offered[-1]):
        assert till.shop.client.post(link, data={"wished": each}).status_code == 200, each
        undo_own(till.person.id)


def test_taken_back_in_stripe_s_portal_the_notice_is_undone(till: Till) -> None:
    buy(till, TOTAL)
    until = paid_until(till)
    cancel(till.person.id, {"on": "2026-11-25"})
    settle(till)
    (contract,) = rows(Subscription)
    assert (contract.cancel_wanted_at, contract.cancel_at) == (until, until)
    call(lambda c: c.v1.subscriptions.update(str(at_stripe(till)["id"]), {"cancel_at": ""}))
    till.shop.deliver()
    assert [each.undone_at is None for each in read_notices()] == [False]
    assert not undo_own(till.person.id), "it is undone"
    move(till, until - timedelta(days=1))
    assert (paid_until(till), rows(Refund)) == (until, [])


def test_two_at_once_are_one_notice_and_one_undo_which_says_when_it_renews(till: Till) -> None:
    buy(till, TOTAL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: cancel(till.person.id, {"on": "2026-11-25"}), range(4)))
        assert (len(read_notices()), count_mails("cancel_noticed")) == (1, 1)
        assert sorted(pool.map(lambda _: undo_own(till.person.id), range(4))) == [False, False, False, True]
    settle(till)
    assert at_stripe(till)["cancel_at"] is None
    assert till.post("cancel", {"on": "2026-11-25"}).status_code == 200
    settle(till)
    answers = [undo(till), undo(till)]
    assert [each.status_code for each in answers] == [200, 200]
    assert [each.json for each in answers] == [{"renewsAt": f"{paid_until(till):%Y-%m-%dT%H:%M:%SZ}"}] * 2
    settle(till)
    assert (at_stripe(till)["cancel_at"], read_notices()[-1].undone_at is None) == (None, False)


def test_the_link_of_an_old_mail_ends_no_later_subscription(till: Till) -> None:
    old = f"/l/{write_token(CancelOrder(buy(till, TOTAL).id))}"
    till.shop.client.post(old, data={"wished": clock().date().isoformat()})
    (row,) = read_notices()
    assert row.takes_effect_at
    move(till, row.takes_effect_at)
    till.shop.buy(till.person.id, TOTAL)
    for page in (till.shop.client.get(old), till.shop.client.post(old, data={"wished": "periodEnd"})):
        assert (page.status_code, "cet abonnement n’est pas en cours" in page.text) == (200, True)
    assert len(read_notices()) == 1


def undo(till: Till) -> Answer:
    return till.person.send("POST", "/api/billing/cancel/undo")


def read_type(answer: Answer) -> str:
    return str(answer.json["type"]).rpartition(":")[2]


def test_an_end_of_the_portal_or_by_a_withdrawal_stays(till: Till) -> None:
    order = buy(till, TOTAL)
    till.shop.control.cancel_subscription(at_stripe(till)["id"], at_period_end=True)
    till.shop.deliver()
    assert read_type(undo(till)) == "undo-too-late"
    withdraw(till, order)
    assert read_type(undo(till)) == "undo-too-late"
    settle(till)
    assert at_stripe(till)["status"] == "canceled"


def test_an_end_that_was_decided_for_the_same_second_is_not_ordered_again(till: Till) -> None:
    buy(till, TOTAL)
    change(Subscription, cancel_wanted_at=paid_until(till))
    cancel(till.person.id, {"periodEnd": True})
    assert (rows(Declaration), list_commands(), count_mails("cancel_noticed")) == ([], [], 0)
    cancel(till.person.id, {"on": "2026-11-25"})
    assert len(read_notices()) == 1, "a sooner end takes its place"


def read_cancellations() -> list[Declaration]:
    return [each for each in read_notices() if each.kind is DeclarationKind.CANCELLATION]


@pytest.mark.parametrize("wish", try_first([{"on": "2026-11-25"}, {"periodEnd": True}], 1))
def test_a_withdrawal_closes_the_notice_that_waits(till: Till, wish: dict[str, object]) -> None:
    order = buy(till, TOTAL)
    cancel(till.person.id, wish)
    till.shop.pass_time(days=1)
    done = withdraw(till, order)
    (notice,) = read_cancellations()
    assert (notice.refused_because, notice.undone_at) == ("ended_before", None)
    press(till.shop.client, notice, "undo")
    assert not undo_own(till.person.id)
    settle(till)
    move(till, notice.made_at + timedelta(days=40))
    assert list_amounts() == [done.refund_cents], "for all days left, once"
    assert at_stripe(till)["status"] == "canceled"
    assert "cancelled" not in list_messages()


def test_no_undo_revives_a_withdrawn_contract_while_stripe_is_away(till: Till) -> None:
    order = buy(till, TOTAL)
    cancel(till.person.id, {"periodEnd": True})
    settle(till)
    till.shop.control.mode("error_500")
    withdraw(till, order)
    send(till, order.order_number)
    *_, late = read_cancellations()
    for which in ("confirm", "undo"):
        press(till.shop.client, late, which)
    assert not undo_own(till.person.id)
    till.shop.control.mode("normal")
    till.shop.clock.shift(timedelta(minutes=30))
    settle(till)
    assert at_stripe(till)["status"] == "canceled"


def test_a_withdrawal_after_the_notice_took_effect_gives_no_cent_twice(till: Till) -> None:
    order = buy(till, TOTAL)
    cancel(till.person.id, {"on": "2026-11-25"})
    (notice,) = read_cancellations()
    assert notice.takes_effect_at
    move(till, notice.takes_effect_at)
    (unused,) = list_amounts()
    till.shop.pass_time(days=2)
    done = withdraw(till, order)
    assert (done.refund_cents or 0) + unused <= order.amount_cents
    assert (done.refund_cents, list_amounts()) == (0, [unused])
    assert paid_until(till) == notice.takes_effect_at
