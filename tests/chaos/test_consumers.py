"""Consumers of a chaos run: an act without an answer is repeated, and who left is known as gone only by an answer."""

import random
import urllib.error
from email.message import Message
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.chaos.consumers import Buyer, Consumers

BUYER = Buyer("shopper1@shop.example.org")


class Api:
    """Answers in turn; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    def ask(self, email: str, path: str, body: Any = None, method: str | None = None) -> Any:
        self.asked.append((path, email))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def refusal(code: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("/", code, "no", Message(), None)


def make(*answers: Any) -> Consumers:
    api: Any = Api(*answers)
    return Consumers(api, [BUYER])


def test_a_withdrawal_without_an_answer_is_sent_again() -> None:
    key = str(uuid4())
    consumers = make(ConnectionResetError(), {"declarationId": key})
    consumers.withdraw_own(BUYER, uuid4())
    assert consumers.answered == {UUID(key)}


def test_one_that_is_refused_is_not() -> None:
    consumers = make(refusal(409), {"declarationId": str(uuid4())})
    with pytest.raises(urllib.error.HTTPError):
        consumers.withdraw_own(BUYER, uuid4())
    assert consumers.answered == set()


@pytest.mark.parametrize("second", [None, refusal(401)])
def test_who_got_no_answer_is_leaving_until_there_is_one(second: Any) -> None:
    consumers = make(ConnectionResetError(), second)
    with pytest.raises(ConnectionResetError):
        consumers.leave(BUYER)
    assert (consumers.buyers, consumers.leaving, consumers.former) == ([], [BUYER], [])
    consumers.finish_leaving()
    assert (consumers.leaving, [each.buyer for each in consumers.former]) == ([], [BUYER])
    consumers.leave(BUYER)
    assert len(consumers.former) == 1


def test_an_account_asks_for_its_data_once() -> None:
    consumers = make({}, {})
    consumers.export(random.Random(1))
    with pytest.raises(IndexError):
        consumers.export(random.Random(1))
