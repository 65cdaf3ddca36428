"""Withdrawals without a login: strangers learn nothing from the answers, and end no plan at once; typed names and numbers."""

import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from api.ground import separate_parts
from api.jobs import schedule as jobs
from api.models.base import new_id
from api.models.payment import Payment
from api.models.user import Grant, User
from api.payments.declarations import forms, service
from api.payments.declarations.forms import ACKNOWLEDGED_A_DAY
from api.payments.declarations.schemas import LONGEST_NAME, LONGEST_REFERENCE, clean_name, clean_reference
from configs.ground.clock import clock
from configs.ground.encryption import encrypt
from configs.ground.signing import ConfirmDeclaration, WithdrawOrder, sign, write_token
from configs.world.withdrawal_period import ZONE
from tests.api.messages import read_text
from tests.api.payments.declarations.orders import (
    buy,
    count_mails,
    list_amounts,
    list_mails,
    read_declarations,
    withdraw,
)
from tests.api.payments.till import Till
from tests.factories import remove, rows
from tests.in_turn import in_turn

FORM = "/l/retractation"
STORED_A_DAY = 5  # in place of 20


@pytest.fixture
def few_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "STORED_A_DAY", STORED_A_DAY)


def declare(
    till: Till, named: Payment | str, email: str = "camille@example.org", **fields: str
) -> TestResponse:
    """Send the last step of the form."""
    number = named if isinstance(named, str) else str(named.order_number)
    data = {"name": "Camille Martin", "email": email, "order": number, "confirmed": "true"}
    return till.shop.client.post(FORM, data=data | fields)


def press(till: Till, which: str = "confirm") -> TestResponse:
    """Press a button behind the link of the newest acknowledgement."""
    row = read_declarations()[-1]
    return till.shop.client.post(f"/l/{write_token(ConfirmDeclaration(row.id))}", data={which: "true"})


def runs(till: Till) -> bool:
    """Return whether the buyer's plan runs."""
    return any(each.ends_at > clock() for each in rows(Grant) if each.user_id == till.person.id)


def test_the_form_has_two_steps_with_the_prescribed_words_and_its_acknowledgement_a_link(till: Till) -> None:
    client, order = till.shop.client, buy(till)
    fields = {"name": " Camille  Martin", "email": "camille@example.org", "order": f"n° {order.order_number}"}
    assert ">renoncer au contrat ici</button>" in client.get(FORM).text
    step = client.post(FORM, data=fields)
    assert step.status_code == 200
    assert ">confirmer la rétractation</button>" in step.text
    assert all(
        part in step.text for part in ("Camille Martin", "camille@example.org", str(order.order_number))
    )
    assert read_declarations() == [], "nothing is declared before the second step"
    assert ">renoncer au contrat ici</button>" in client.post(FORM, data=fields | {"change": "true"}).text
    done = declare(till, order)
    at = clock().astimezone(ZONE)
    assert f"{at:%H:%M:%S}" in done.text
    (row,) = read_declarations()
    assert (row.made_at, row.confirmed_at, row.applied_at) == (clock(), None, None)
    assert row.takes_effect_at == clock() + timedelta(days=3)
    assert runs(till)
    (mail,) = list_mails("withdrawal_received")
    assert (mail.address, mail.user_id) == ("camille@example.org", None)
    text, typed = read_text(mail), ("Camille Martin", "camille@example.org", str(order.order_number))
    assert all(part in text for part in (*typed, "20 novembre 2026 à 10:00:00"))
    assert "URGENCE" not in text, "what was ordered is told to who typed it nowhere"
    (path,) = re.findall(r"http://localhost:4000(/l/declaration\.\S+)", text)
    assert "confirmer la rétractation" in client.get(path).text
    assert read_declarations()[0].confirmed_at is None, "a mail scanner opens every link"


def test_the_link_applies_it_from_the_second_in_which_it_was_made(till: Till) -> None:
    order = buy(till)
    till.shop.pass_time(days=1)
    declare(till, order)
    till.shop.pass_time(days=1)
    for _ in range(2):
        answer = press(till)
        assert (answer.status_code, "12,85\u00a0€" in answer.text) == (200, True)
    assert list_amounts() == [1285]
    assert count_mails("withdrawn") == 1
    assert not runs(till)


def test_without_the_link_it_applies_three_days_after_it_was_declared_as_of_then(till: Till) -> None:
    order = buy(till)
    till.shop.pass_time(days=6, hours=23)
    declare(till, order)
    till.shop.pass_time(days=3, seconds=-1)
    assert jobs.apply_declarations()["due"] == 0
    till.shop.pass_time(seconds=1)
    assert jobs.apply_declarations()["due"] == 1
    assert list_amounts() == [9], "an hour of seven days was left"


def test_who_reads_the_address_undoes_what_a_stranger_declared_so_that_it_counts_no_more(till: Till) -> None:
    order = buy(till)
    declare(till, order)
    assert "annulée" in press(till, "undo").text
    assert "annulée" in press(till).text, "undone is undone"
    till.shop.pass_time(days=4)
    jobs.apply_declarations()
    assert runs(till)
    assert list_amounts() == []
    withdraw(till, order)
    assert list_amounts() == [643], "three of seven days"


@pytest.mark.parametrize("confirmed", [True, False])
def test_somebody_else_s_order_number_ends_nothing(
    till: Till, settings_env: Callable[..., None], confirmed: bool
) -> None:
    """A stranger who knows the number, and reads an address of their own."""
    settings_env(SUPPORT_EMAIL="aide@example.org")
    order = buy(till)
    declare(till, order, "stranger@example.org")
    if confirmed:
        assert "aucune commande" in press(till).text
    till.shop.pass_time(days=4)
    jobs.apply_declarations()
    (row,) = read_declarations()
    assert (row.refused_because, row.payment_id) == ("no_order", None)
    assert runs(till)
    assert list_amounts() == []
    (told,) = list_mails("payment_trouble")
    assert told.params["detail"].startswith(f"declaration {row.id}: no_order")
    for number in range(5):
        declare(till, "2222222222", f"x{number}@example.org")
    till.shop.pass_time(days=4)
    jobs.apply_declarations()
    assert count_mails("payment_trouble") == 2, "once a day, however many"


def test_the_answer_is_the_same_whoever_is_named(till: Till) -> None:
    order = buy(till)
    named = [
        ("camille@example.org", str(order.order_number)),
        ("camille@example.org", "2222222222"),
        ("stranger@example.org", str(order.order_number)),
        ("nobody@example.org", "2222222222"),
        ("nobody@example.org", str(new_id())),
    ]
    answers = set()
    for email, number in named:
        answer = declare(till, number, email)
        assert answer.status_code == 200
        answers.add(answer.text.replace(email, "…"))
    assert len(answers) == 1
    assert count_mails("withdrawal_received") == len(named)
    assert len({read_text(each).count("\n") for each in list_mails("withdrawal_received")}) == 1


def test_a_double_click_is_one_declaration_and_several_of_one_order_pay_back_once(till: Till) -> None:
    order, page = buy(till), str(new_id())
    for _ in range(3):
        assert declare(till, order, declaration=page).status_code == 200
    assert len(read_declarations()) == 1
    declare(till, order, "stranger@example.org", declaration=page)
    assert len(read_declarations()) == 2, "other words are another declaration"
    declare(till, order)
    withdraw(till, order)
    till.shop.pass_time(days=4)
    jobs.apply_declarations()
    assert [each.refused_because for each in read_declarations()].count("withdrawn_before") == 2
    assert list_amounts() == [1499]
    assert count_mails("withdrawn") == 1


def test_the_first_of_several_declarations_is_the_second_that_counts(till: Till) -> None:
    """Two days of seven pass before the one that takes effect; none had passed at the first."""
    order = buy(till)
    declare(till, order)
    till.shop.pass_time(days=2)
    declare(till, order)
    press(till)
    assert list_amounts() == [1499]


def test_a_plan_that_was_used_whole_is_refused_with_the_reason(till: Till) -> None:
    order = buy(till)
    till.shop.pass_time(days=8)
    declare(till, order)
    assert "utilisée jusqu’à sa fin" in press(till).text
    assert "reconnu que le droit de rétractation se perd" in read_text(list_mails("withdrawn")[0])
    assert list_amounts() == []


LONG = "é" * 10_000
BAD = {
    "long name": ({"name": LONG}, 422),
    "long address": ({"email": f"{LONG}@example.org"}, 422),
    "no letter": ({"name": "\u202e\u200b 12"}, 422),
    "no address": ({"email": "camille"}, 422),
    "header": ({"email": "camille@example.org\r\nBcc: x@example.org"}, 422),
    "NUL": ({"name": "Camille\0"}, 422),
    "id": ({"declaration": "7"}, 422),
    "direction": ({"name": "Camille\u202e nitraM"}, 200),
    "surrogate": ({"name": "Camille\ud83d"}, 200),
    "markup": ({"name": "<script>alert(1)</script>"}, 200),
}


@in_turn("which", BAD)
def test_bad_input_is_refused_or_cleaned(till: Till, which: str) -> None:
    fields, status = BAD[which]
    data = {
        "name": "Camille",
        "email": "camille@example.org",
        "order": "7KQ2M9XWPA",
        "confirmed": "true",
    } | fields
    raw = {name: text.encode("utf-8", "surrogatepass") for name, text in data.items()}
    answer = till.shop.client.post(FORM, data=raw)
    assert answer.status_code == status, answer.text
    assert status == 422 or "\u202e" not in answer.text
    for row in read_declarations():
        assert row.name
        assert row.name.replace(" ", "").isalpha()
        assert "script>" not in read_text(list_mails("withdrawal_received")[0]).lower()


def test_one_address_gets_three_mails_a_day_and_is_not_locked_out_by_them(
    till: Till, client: FlaskClient, few_stored: None
) -> None:
    for number in range(STORED_A_DAY + 2):
        answer = client.post(
            FORM,
            data={"name": "X", "email": "victim@example.org", "order": "7KQ2M9XWPA", "confirmed": "true"},
            environ_overrides={"REMOTE_ADDR": f"192.0.2.{number}"},
        )
        assert answer.status_code == (200 if number < STORED_A_DAY else 429)
    assert count_mails("withdrawal_received") == ACKNOWLEDGED_A_DAY
    assert len(read_declarations()) == STORED_A_DAY
    notice = {"name": "X", "email": "victim@example.org", "reference": "7KQ2M9XWPA", "wished": "2026-11-25"}
    answer = client.post("/l/resilier", data=notice | {"confirmed": "true"})
    assert answer.status_code == 429, "both forms count together, and tell nothing of an address"
    till.shop.pass_time(days=1, seconds=1)
    assert declare(till, "7KQ2M9XWPA", "victim@example.org").status_code == 200
    assert count_mails("withdrawal_received") == ACKNOWLEDGED_A_DAY + 1


def test_strangers_use_up_neither_the_turn_nor_the_mail_of_who_names_the_order(
    till: Till, client: FlaskClient, few_stored: None
) -> None:
    """Wrong numbers with somebody's address; then the order itself, by its owner or by who knows it."""
    order = buy(till)
    till.shop.pass_time(days=1)
    fields = {"name": "X", "email": "camille@example.org", "order": "7KQ2M9XWPA", "confirmed": "true"}
    for number in range(STORED_A_DAY):
        client.post(FORM, data=fields, environ_overrides={"REMOTE_ADDR": f"192.0.2.{number}"})
    assert declare(till, "2222222222").status_code == 429
    for _ in range(STORED_A_DAY - 1):
        assert declare(till, order).status_code == 200
    told = list_mails("withdrawal_received")
    assert len(told) == ACKNOWLEDGED_A_DAY + STORED_A_DAY - 1, "what may take effect is never silent"
    assert str(order.order_number) in read_text(max(told, key=lambda each: each.id))


def test_wrong_numbers_leave_the_mail_of_who_names_the_order_of_a_deleted_account(till: Till) -> None:
    order = buy(till)
    remove(User, User.id == till.person.id)
    for _ in range(ACKNOWLEDGED_A_DAY + 1):
        declare(till, "7KQ2M9XWPA")
    number = str(order.order_number)
    for typed in (number, number.lower(), f"{number[:5]}-{number[5:]}", number):
        assert declare(till, typed).status_code == 200
    told = [number in read_text(each).upper().replace("-", "") for each in list_mails("withdrawal_received")]
    assert sorted(told) == [False] * ACKNOWLEDGED_A_DAY + [True] * ACKNOWLEDGED_A_DAY
    press(till)
    assert list_amounts() == [1499]


def test_any_number_that_fail_keep_no_other_from_its_turn(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        declare(till, "7KQ2M9XWPA", f"x{number}@example.org")
        till.shop.pass_time(seconds=1)
    order = buy(till)
    declare(till, order)
    till.shop.pass_time(days=4)
    real = service.apply_declaration
    bad = {each.id for each in read_declarations()[:5]}

    def fail(declaration_id: UUID) -> None:
        assert declaration_id not in bad
        real(declaration_id)

    monkeypatch.setattr(separate_parts, "_AT_ONCE", 2)
    monkeypatch.setattr(service, "apply_declaration", fail)
    assert jobs.apply_declarations() == {"due": 6, "failed": 5}
    assert list_amounts() == [1499]


def test_the_order_mail_s_link_works_after_the_account_is_gone(till: Till) -> None:
    order = buy(till)
    path = f"/l/{write_token(WithdrawOrder(order.id))}"
    till.shop.pass_time(days=1)
    remove(User, User.id == till.person.id)
    client = till.shop.client
    page = client.get(path)
    assert page.status_code == 200
    assert 'name="email"' in page.text, "the acknowledgement has nowhere else to go"
    assert read_declarations() == [], "a mail scanner opens every link"
    assert client.post(path, data={"name": "Camille"}).status_code == 422
    for _ in range(2):
        done = client.post(path, data={"name": "Camille", "email": "new@example.org"})
        assert (done.status_code, "Votre rétractation est enregistrée" in done.text) == (200, True)
    (mail,) = list_mails("withdrawal_received")
    assert (mail.address, "URGENCE 7J" in read_text(mail)) == ("new@example.org", True)
    assert list_mails("withdrawn")[0].address == "new@example.org"
    assert len(list_amounts()) == 1
    assert [(each.made_by, each.user_id) for each in read_declarations()] == [("link", None)]


def test_after_the_account_is_gone_the_form_needs_the_press(till: Till) -> None:
    order = buy(till)
    remove(User, User.id == till.person.id)
    declare(till, order)
    till.shop.pass_time(days=4)
    jobs.apply_declarations()
    assert [each.refused_because for each in read_declarations()] == ["no_order"]
    declare(till, order)
    assert "Votre rétractation est enregistrée" in press(till).text
    assert len(list_amounts()) == 1


def test_the_link_shows_the_order_and_declares_by_its_button_only(till: Till) -> None:
    order = buy(till)
    path = f"/l/{write_token(WithdrawOrder(order.id))}"
    page = till.shop.client.get(path).text
    assert all(part in page for part in (str(order.order_number), "14,99\u00a0€", "vendredi 4 décembre 2026"))
    assert ">confirmer la rétractation</button>" in page
    assert till.shop.client.post(path).status_code == 200
    assert list_amounts() == [1499]
    (mail,) = list_mails("withdrawal_received")
    assert mail.user_id == till.person.id


def test_links_of_what_does_not_exist_say_so(client: FlaskClient) -> None:
    gone = str(new_id())
    for path in (
        f"/l/{write_token(WithdrawOrder(UUID(gone)))}",
        f"/l/{write_token(ConfirmDeclaration(UUID(gone)))}",
    ):
        assert (client.get(path).status_code, client.post(path).status_code) == (410, 410)
    for path in (
        "/l/withdraw.x",
        f"/l/withdraw.{encrypt(gone)}",
        f"/l/declaration.{sign('declaration', {}, 'link_key')}",
    ):
        assert (client.get(path).status_code, client.post(path).status_code) == (400, 400)


@in_turn(
    "typed, name",
    [
        ("  Camille   Martin ", "Camille Martin"),
        ("J.-P. d’Été-Nuñez, Jr.", "J.-P. d’Été-Nuñez, Jr."),
        ("محمد بن عبد الله", "محمد بن عبد الله"),
        ("E\u0301lodie", "Élodie"),
        ("Camille\u202enitraM\u2066x\u200b", "CamillenitraMx"),
        ("Camille\r\nBcc: x@example.org\0", "Camille Bcc x example. org"),
        ("<b>Camille</b>", "b Camille b"),
        ("https://evil.example/pay?x=1", "https evil. example pay x"),
        ("Anne\u2010Marie Le\u00a0Gall", "Anne-Marie Le Gall"),
        ("Lopez\u2013Garcia \u2212 Ines", "Lopez-Garcia - Ines"),
        ("N\u02bcDiaye, O`Brien, L\u2018A", "N'Diaye, O'Brien, L'A"),
        ("DIALLO/BARRY Awa", "DIALLO BARRY Awa"),
        ("Jean\u00adne", "Jeanne"),
        ("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"),
        ("Gagné 1000 euros sur evil.com", "Gagné euros sur evil. com"),
        ("Camille\ud800", "Camille"),
    ],
)
def test_a_name_keeps_its_letters_and_nothing_that_acts(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@in_turn("typed", ["", "   ", "\u202e\u200b", "1234", "🙂", "\0", "...", "\ud800"])
def test_what_has_no_letter_is_no_name(typed: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        clean_name(typed)


@given(st.text(max_size=300))
def test_whatever_is_typed_becomes_a_short_line_that_can_be_stored(typed: str) -> None:
    try:
        name = clean_name(typed)
    except ValueError:
        return
    assert 0 < len(name) <= LONGEST_NAME
    assert name.isprintable() or {unicodedata.category(each) for each in name} & {"Cf"}
    name.encode()
    assert not set(name) & set('<>@/:\\"\n\r\t\0\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069')


@in_turn(
    "typed, number",
    [
        ("7KQ2M9XWPA", "7KQ2M9XWPA"),
        ("N° de commande : 23456-789AB", "23456789AB"),
        ("Order number: 23456 789AB", "23456789AB"),
        ("« 23456\u202f789AB »", "23456789AB"),
        ("23456 \u2212 789AB", "23456789AB"),
        ("RDVPriority, commande n°\u00a023456-789AB du 3 octobre 2026", "23456789AB"),
        ("12 34-xyz", "1234-xyz"),
        ("Commande n°7KQ2M9XWPA", "7KQ2M9XWPA"),
        ("Nº7KQ2M-9XWPA", "7KQ2M9XWPA"),
        ("commande no7KQ2M 9XWPA du 12 mars", "7KQ2M9XWPA"),
        ("NR3KQ2M9XW", "NR3KQ2M9XW"),
        ("".join(chr(ord(each) + 0xFEE0) for each in "7KQ2M9XWPA"), "7KQ2M9XWPA"),  # full width
        ("\u202e7KQ2M9XWPA", "7KQ2M9XWPA"),
        ("\u0667KQ\u0662M\u0669XWPA", "7KQ2M9XWPA"),  # an Arabic keyboard's figures
        ("01a20378-32a3-7645-b8a2-defa64f5ae87", "01a20378-32a3-7645-b8a2-defa64f5ae87"),
    ],
)
def test_a_number_loses_what_stands_around_it(typed: str, number: str) -> None:
    assert clean_reference(typed) == number


@given(st.text(max_size=300))
def test_whatever_is_typed_as_a_number_is_short_and_plain(typed: str) -> None:
    try:
        number = clean_reference(typed)
    except ValueError:
        return
    assert 0 < len(number) <= LONGEST_REFERENCE
    assert number.isascii()
