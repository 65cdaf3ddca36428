"""The account of calls finds one attempt too many, one after the key, and a person who wanted none."""

from datetime import UTC, datetime

import pytest

from deploy.chaos.call_accounts import OurCall, settle_calls

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANA = "+33639980001"


def attempts(*ends: str) -> list[OurCall]:
    return [OurCall(str(number), "s", number, has_key=end == "key") for number, end in enumerate(ends, 1)]


def rang(**times: int) -> dict[str, list[datetime]]:
    return {name.removeprefix("n"): [AT] * number for name, number in times.items()}


def test_three_attempts_without_a_key_are_in_order() -> None:
    times = rang(n1=1, n2=1, n3=1)
    account = settle_calls(attempts("no", "no", "no"), lambda key: times.get(key, []), {ANA}, {ANA})
    assert (account.series, account.rang, account.differences) == (1, 3, [])


@pytest.mark.parametrize(
    ("ends", "times", "words"),
    [
        (("no", "no"), rang(n1=3, n2=1), "rang 4 times"),
        (("key", "no"), rang(n1=1, n2=1), "rang again after the key of attempt 1"),
    ],
)
def test_what_should_not_have_rung_is_named(
    ends: tuple[str, ...], times: dict[str, list[datetime]], words: str
) -> None:
    account = settle_calls(attempts(*ends), lambda key: times.get(key, []), {ANA}, {ANA})
    (difference,) = account.differences
    assert words in difference


def test_an_attempt_that_waits_after_the_key_rang_for_nobody() -> None:
    times = rang(n1=1)
    account = settle_calls(attempts("key", "no"), lambda key: times.get(key, []), {ANA}, {ANA})
    assert (account.ended_by_key, account.differences) == (1, [])


def test_a_person_who_wants_no_calls_is_named() -> None:
    (difference,) = settle_calls([], lambda _: [], {ANA, "+33639980002"}, {ANA}).differences
    assert difference.startswith("+33639980002 was called")
