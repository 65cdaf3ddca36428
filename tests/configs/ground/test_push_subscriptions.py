"""Subscriptions to web push: their address of a contact, the hosts that are listed, and VAPID keys."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from configs.ground.push_subscriptions import (
    PushSubscription,
    is_listed,
    read_subscription,
)
from configs.settings import settings
from configs.settings.push_keys import (
    check_auth,
    check_public_key,
    draw_keys,
    read_private_key,
    write_public_key,
)
from tests.browser_keys import draw_p256dh


def test_a_subscription_is_written_and_read_without_the_sign_of_a_mail() -> None:
    made = PushSubscription("https://fcm.googleapis.com/fcm/send/a@b:c%40d", draw_p256dh(), "A" * 22)
    assert "@" not in made.as_address()
    assert read_subscription(made.as_address()) == made
    assert made.host == "fcm.googleapis.com"


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "100000017", '{"endpoint": "x", "auth": "y"}'])
def test_what_is_no_subscription_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- json's texts are many
        read_subscription(text)


@pytest.mark.parametrize(
    ("host", "is_taken"),
    [
        ("fcm.googleapis.com", True),
        ("x.fcm.googleapis.com", False),
        ("googleapis.com", False),
        ("updates.push.services.mozilla.com", True),
        ("a.b.push.services.mozilla.com", True),
        ("push.services.mozilla.com", False),
        ("evilpush.services.mozilla.com", False),
        ("web.push.apple.com", True),
        ("wns2-par02p.notify.windows.com", True),
        ("notify.windows.com.example.org", False),
        ("", False),
    ],
)
def test_hosts_of_the_four_makers_are_listed(host: str, is_taken: bool) -> None:
    assert is_listed(host, settings().push_hosts) is is_taken


def test_keys_of_a_subscription_lose_their_padding() -> None:
    key = draw_p256dh()
    assert check_public_key(f"{key}=") == key
    assert check_auth("A" * 22 + "==") == "A" * 22


def test_a_drawn_pair_belongs_together() -> None:
    private_key, public_key = draw_keys()
    assert isinstance(read_private_key(private_key), ec.EllipticCurvePrivateKey)
    assert write_public_key(read_private_key(private_key)) == public_key
