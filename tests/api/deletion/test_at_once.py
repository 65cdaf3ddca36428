"""Requests that wait for a deletion which is not committed yet: they are answered once the account is gone."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from api.declarations.schemas import WithdrawalForm
from api.declarations.service import confirm, receive_form
from api.deletion.service import delete_account
from api.models.base import session
from api.models.declaration import Declaration
from api.models.export import Export
from api.models.payment import Payment
from configs.ground.object_store import Blobs
from tests.api.deletion.leaving import is_one_waiting
from tests.api.invoices.documents import pay
from tests.clients import Person, problem
from tests.factories import change, rows


def while_deleting(person: Person, act: Callable[[], Any]) -> Future[Any]:
    """Begin an act within the transaction of a deletion, which is committed when the act waits for it."""
    with ThreadPoolExecutor(1) as pool:
        with session() as s:
            delete_account(s, person.id, understood=True)
            s.flush()
            begun = pool.submit(act)
            while not begun.done() and not is_one_waiting():
                pass
        begun.exception(10)
        return begun


def name_order(person: Person) -> WithdrawalForm:
    change(Payment, Payment.id == pay(person.id), order_number="7KQ2M9XWPA")
    return WithdrawalForm(name="Camille", email=person.email, order="7KQ2M9XWPA")


def test_a_form_s_declaration_is_stored(camille: Person, blobs: Blobs) -> None:
    wish = name_order(camille)
    assert while_deleting(camille, lambda: receive_form(wish, "fr", bool)).result().id
    (row,) = rows(Declaration)
    assert (row.reference, row.user_id) == ("7KQ2M9XWPA", None)


def test_a_declaration_is_confirmed(camille: Person, blobs: Blobs) -> None:
    wish = name_order(camille)
    change(Payment, order_number="2KQ2M9XWPA")
    row = receive_form(wish, "fr", bool)
    with session() as s:  # it names the order only now
        s.execute(sa.update(Payment).values(order_number="7KQ2M9XWPA"))
    while_deleting(camille, lambda: confirm(row.id)).result()
    assert [each.confirmed_at is not None for each in rows(Declaration)] == [True]


def test_an_export_is_refused(camille: Person, blobs: Blobs) -> None:
    answer = while_deleting(camille, lambda: camille.get("/api/users/export")).result()
    assert (answer.status_code, problem(answer)[1]) == (401, "token-revoked")
    assert rows(Export) == []
