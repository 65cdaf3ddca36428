import pytest

from crawler.address_cache import LONGEST, cache_short


def test_short_addresses_are_remembered_and_long_ones_are_not() -> None:
    asked: list[tuple[str | None, ...]] = []

    @cache_short
    def join(first: str, second: str | None) -> str:
        asked.append((first, second))
        return f"{first} {second}"

    for _ in range(2):
        assert join("a", None) == "a None"
        assert join("a", "b" * LONGEST) == f"a {'b' * LONGEST}"
    assert [len(second or "") for _, second in asked] == [0, LONGEST, LONGEST]


def test_an_error_is_not_remembered() -> None:
    tries: list[str] = []

    @cache_short
    def refuse(address: str) -> str:
        tries.append(address)
        raise ValueError(address)

    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            refuse("x")
    assert len(tries) == 2
