"""Keys: their values, and the one line that each wrong one gets at start."""

from collections.abc import Callable

import pytest

from configs.settings import SettingsRefused, load
from configs.settings.keys import SEVERAL
from tests.configs.settings.test_settings import PRODUCTION, STRONG
from tests.rotation import NEW, OLD

Put = Callable[..., None]


def refused() -> list[str]:
    with pytest.raises(SettingsRefused) as caught:
        load()
    return str(caught.value).split("\n  ")[1:]


@pytest.mark.parametrize("name", SEVERAL)
def test_the_same_value_twice_is_named(bare: Put, name: str) -> None:
    bare(**{name.upper(): f"{NEW},{OLD},{NEW}"})
    assert refused() == [f"{name.upper()} has the same value twice: take one out"]


@pytest.mark.parametrize("text", [f"{NEW},", f",{NEW}", f"{NEW},,{OLD}", ",", f"{NEW}, "])
def test_an_empty_value_is_named(bare: Put, text: str) -> None:
    bare(DATA_KEYS=text)
    (line,) = [each for each in refused() if "empty" in each]
    assert line == "DATA_KEYS has an empty value beside a comma: write the value, or take the comma out"


@pytest.mark.parametrize("text", ["SG.a b", "SG.aé", "\ufeffSG.a", "SG.a\u200b"])
def test_a_providers_key_that_was_copied_wrongly_is_named(bare: Put, text: str) -> None:
    bare(SENDGRID_API_KEY=text)
    assert refused() == ["SENDGRID_API_KEY holds a space or a letter that no such key has: copy it again"]


def test_an_invisible_character_is_named(bare: Put) -> None:
    bare(JWT_SECRET=f"\ufeff{NEW}")
    assert refused() == ["JWT_SECRET holds an invisible character, such as a byte order mark: write it again"]


def test_production_names_each_weak_value_of_several(bare: Put) -> None:
    bare(**PRODUCTION | {"JWT_SECRET": f"{STRONG},short", "SCRAPYD_PASSWORD": f"{STRONG},{'a' * 40}"})
    assert refused() == [
        "JWT_SECRET is shorter than 32 bytes: draw it at random",
        "SCRAPYD_PASSWORD can be guessed: draw it at random",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SENDGRID_API_KEY", "SendGrid's begin with SG."),
        ("STRIPE_WEBHOOK_SECRET", "Stripe's begin with whsec_"),
        ("TELEGRAM_BOT_TOKEN", "@BotFather's are a number, a colon and a text"),
        ("TWILIO_AUTH_TOKEN", "Twilio's have 32 characters"),
    ],
)
def test_production_names_a_key_of_another_provider_or_a_part_of_one(bare: Put, name: str, hint: str) -> None:
    bare(**PRODUCTION | {name: STRONG[:-1]})
    assert refused() == [f"{name} is no such key, {hint}: copy it again"]


def test_no_line_shows_a_value(bare: Put) -> None:
    bare(**PRODUCTION | {"TWILIO_AUTH_TOKEN": "abcdefgh-abcdefgh", "DATA_KEYS": f"{STRONG},{STRONG}"})
    text = "\n".join(refused())
    assert "abcdefgh" not in text
    assert STRONG not in text
