import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.fetching.decompression import Broken, NotAccepted, TooLarge, unpack

LIMIT = 10_000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "": lambda body: body,
    "identity": lambda body: body,
}


@given(st.binary(max_size=LIMIT), st.lists(st.sampled_from(sorted(PACK)), max_size=3))
def test_what_was_packed_comes_out_again(body: bytes, names: list[str]) -> None:
    packed = body
    for name in names:
        packed = PACK[name](packed)
    if body or not any(names):
        assert unpack(packed, [", ".join(names)], LIMIT) == body


@given(st.binary(min_size=1, max_size=500), st.sampled_from(["gzip", "deflate"]), st.data())
def test_whatever_is_missing_at_the_end_is_noticed(body: bytes, name: str, data: st.DataObject) -> None:
    packed = PACK[name](body)
    kept = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(Broken):
        unpack(packed[:kept], [name], LIMIT)


@given(st.binary(min_size=1, max_size=500))
def test_no_body_raises_anything_else(body: bytes) -> None:
    for name in ("gzip", "deflate"):
        with suppress(Broken, TooLarge):
            assert len(unpack(body, [name], LIMIT)) <= LIMIT


def test_members_of_a_gzip_follow_one_another_and_padding_is_left() -> None:
    assert unpack(gzip.compress(b"bon") + gzip.compress(b"jour") + b"\0\0", ["gzip"], LIMIT) == b"bonjour"


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(TooLarge, match="more than 10000 bytes"):
        unpack(gzip.compress(b"\0" * 50_000_000), ["gzip"], LIMIT)
    with pytest.raises(TooLarge):
        unpack(gzip.compress(b"x" * 6000) * 2, ["gzip"], LIMIT)


def test_no_more_than_ten_members_of_a_gzip_are_unpacked() -> None:
    member = gzip.compress(b"x")
    assert unpack(member * 10, ["gzip"], LIMIT) == b"x" * 10
    with pytest.raises(Broken, match="more than 10 members"):
        unpack(member * 11, ["gzip"], LIMIT)


def test_an_encoding_that_was_not_asked_for_is_named() -> None:
    with pytest.raises(NotAccepted, match="'zstd'"):
        unpack(b"x", ["gzip, zstd"], LIMIT)
