"""Subscriptions to web push, and their keys."""

import pytest

from configs.ground import push_keys, push_subscriptions
from configs.settings import settings
from tests.browser_keys import draw_p256dh
from tests.in_turn import in_turn


def test_a_subscription_is_written_and_read_without_the_sign_of_a_mail() -> None:
    made = push_subscriptions.PushSubscription(
        "https://fcm.googleapis.com/fcm/send/a@b:c%40d", draw_p256dh(), "A" * 22
    )
    assert "@" not in made.as_address()
    assert push_subscriptions.read_subscription(made.as_address()) == made
    assert made.host == "fcm.googleapis.com"


@in_turn("text", ["", "null", "[]", "{}", "100000017", '{"endpoint": "x", "auth": "y"}'])
def test_what_is_no_subscription_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- json's texts are many
        push_subscriptions.read_subscription(text)


@in_turn(
    "host, is_taken",
    [
        ("fcm.googleapis.com", True),
        ("x.fcm.googleapis.com", False),
        ("jmt17.google.com", True),
        ("jmt17.google.com.example.org", False),
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
    assert push_subscriptions.is_listed(host, settings().push_hosts) is is_taken


def test_keys_of_a_subscription_lose_their_padding() -> None:
    key = draw_p256dh()
    assert push_keys.check_public_key(f"{key}=") == key
    assert push_keys.check_auth("A" * 22 + "==") == "A" * 22
