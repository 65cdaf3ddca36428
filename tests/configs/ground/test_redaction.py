"""Logs hold no person's address and no key."""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.ground.redaction import MASK, mask, mask_entry, mask_text
from configs.ground.signing import sign


class _Word(StrEnum):
    SLOTS = "slots"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to jean.dupont+x@example.fr now", "to ***@example.fr now"),
        ("<a@b.example.fr>,c@d.fr", "<***@b.example.fr>,***@d.fr"),
        ("+33612345678", "***78"),
        ("+33 6 12 34 56 78.", "***78."),
        ("06 12 34 56 78", "***78"),
        ("06.12.34.56.78", "***78"),
        ("tel:0612345678", "tel:***78"),
        ("0033612345678", "***78"),
        ("06\u00a012\u00a034\u00a056\u00a078", "***78"),
        ("+33\u202f6\u202f12\u202f34\u202f56\u202f78", "***78"),
        ("Bearer 0f3a.bc-12_34", "Bearer ***"),
        ("+262692123456", "***56"),
        (
            "https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage",
            "https://api.telegram.org/bot***/sendMessage",
        ),
        ("postgresql://rdv:p%40ss@db:5432/rdv", "postgresql://***@db:5432/rdv"),
        ("redis://:word@redis:6379", "redis://***@redis:6379"),
        ("http://user:pass@proxy.example.fr:80", "http://***@proxy.example.fr:80"),
        ("sk_live_abcDEF123", "***"),
        ("key SG.abc-def.ghi_jkl", "key ***"),
        ("whsec_123abc", "***"),
        ("row (1, $2b$12$WApznUOJfkEGSmYRfnkrPOr466oFDCaj4b6HY3EXGvfxm43seywhm, user)", "row (1, ***, user)"),
    ],
)
def test_personal_data_and_keys_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T08:09:25.123456+00:00",
        "2026-01-02 03:04:05",
        "127.77.0.91:8800",
        "0190a3c2-1111-7222-8333-444455556666",
        "1795161600",
        "https://www.essonne.gouv.fr/booking/create/23014/4",
        "evry-courcouronnes_91/naturalisation",
        "crawler.platforms.ezbooking",
        "12 slots, 345 ms, 6 requests",
        "-0.000123",
        "",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert mask_text(text) == text


def test_a_signed_link_is_masked() -> None:
    assert mask_text(f"GET /api/links/{sign('stop', {'alert': 1})} 200") == "GET /api/links/*** 200"


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (3, 3),
        (None, None),
        (True, True),
        ({"to": ["a@b.fr", {"x": ("a@b.fr",)}]}, {"to": ["***@b.fr", {"x": ["***@b.fr"]}]}),
        (ValueError("a@b.fr"), "ValueError('***@b.fr')"),
        (_Word.SLOTS, "slots"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (b"a@b.fr", "b'***@b.fr'"),
        ({"a@b.fr"}, ["***@b.fr"]),
        ({"a@b.fr": 550, 7: {"c@d.fr": "x"}}, {"***@b.fr": 550, 7: {"***@d.fr": "x"}}),
    ],
)
def test_values_are_masked_all_the_way_down(value: Any, masked: Any) -> None:
    assert mask(value) == masked


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "JWT_SECRET",
        "LINK_KEY",
        "data_keys",
        "Authorization",
        "api_key",
        "token",
        "access_token",
        "Cookie",
    ],
)
def test_a_key_that_names_a_secret_hides_its_value(key: str) -> None:
    assert mask_entry(key, "x") == MASK
    assert mask({"a": {key: "x"}}) == {"a": {key: MASK}}


_local = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-_", min_size=1, max_size=20)


@given(st.text(), _local, st.text())
def test_no_surroundings_save_an_address(before: str, local: str, after: str) -> None:
    assert f"{local}@example.fr" not in mask_text(f"{before} {local}@example.fr {after}")


@given(
    st.sampled_from("1234567"),
    st.text("0123456789", min_size=8, max_size=8),
    st.sampled_from(["", " ", ".", "-"]),
)
def test_no_spelling_saves_a_phone_number(kind: str, rest: str, gap: str) -> None:
    pairs = gap.join([rest[:2], rest[2:4], rest[4:6], rest[6:]])
    for number in (f"0{kind}{gap}{pairs}", f"+33{gap}{kind}{gap}{pairs}"):
        assert mask_text(f"to {number} now") == f"to {MASK}{rest[-2:]} now"
