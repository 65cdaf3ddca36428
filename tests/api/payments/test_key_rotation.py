"""Rotation of Stripe's keys: programs that have the old and the new one work side by side, and no event is lost."""

from collections.abc import Callable
from datetime import timedelta

from api.payments import jobs
from configs.ground.clock import clock
from tests.api.payments.shop import Shop, list_grants
from tests.api.payments.test_webhook import event, paid
from tests.clients import Person

Put = Callable[..., None]
# Stripe signs with both secrets until the old one expires: https://docs.stripe.com/webhooks#roll-endpoint-secrets
SECRETS = ("whsec_old", "whsec_new,whsec_old", "whsec_new")


def sign_event(shop: Shop, *secrets: str) -> dict[str, str]:
    """Return the header of an event that is signed with each of these secrets."""
    at = int(clock().timestamp())
    signed = [shop.control.sign(event(), at=at, secret=each)["Stripe-Signature"] for each in secrets]
    return {"Stripe-Signature": ",".join([f"t={at}", *(each.partition(",")[2] for each in signed)])}


def test_every_program_takes_an_event_while_the_webhook_s_secret_is_rolled(
    shop: Shop, settings_env: Put
) -> None:
    both = sign_event(shop, "whsec_new", "whsec_old")
    for secrets in SECRETS:
        settings_env(STRIPE_WEBHOOK_SECRET=secrets)
        assert shop.post(event(), both) == 200, secrets
    assert shop.post(event(), sign_event(shop, "whsec_new")) == 200
    assert shop.post(event(), sign_event(shop, "whsec_old")) == 403


def test_an_event_that_only_the_new_secret_signed_comes_again_to_a_program_that_has_it(
    shop: Shop, camille: Person, settings_env: Put
) -> None:
    """An old secret that ends at once: Stripe repeats what a program refuses, for three days."""
    delivery = paid(shop, camille)
    settings_env(STRIPE_WEBHOOK_SECRET="whsec_old")
    assert shop.post(delivery.body, delivery.headers) == 403
    settings_env(STRIPE_WEBHOOK_SECRET="whsec_tests,whsec_old")
    shop.deliver([delivery])
    assert len(list_grants(camille.id)) == 1


def test_payments_go_on_while_the_key_is_replaced(shop: Shop, camille: Person, settings_env: Put) -> None:
    for key in ("sk_test_old", "sk_test_new", "sk_test_old"):  # Stripe takes both until the old one expires
        settings_env(STRIPE_SECRET_KEY=key)
        shop.buy(camille.id)
    assert len(list_grants(camille.id)) == 3
    delivery = paid(shop, camille)
    shop.control.mode("unauthorized")  # a program that still has the old key when it expires
    shop.deliver([delivery])
    assert len(list_grants(camille.id)) == 3
    shop.control.mode("normal")
    settings_env(STRIPE_SECRET_KEY="sk_test_new")
    shop.clock.shift(timedelta(seconds=70))
    jobs.work_off()
    assert len(list_grants(camille.id)) == 4
