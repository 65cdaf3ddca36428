"""The order mail: it confirms the contract, so its day must be that of the contract."""

import re
from collections.abc import Callable

import pytest

from api.models.notification import Notification
from api.models.payment import Payment
from configs.ground.signed_links import WithdrawOrder, read_token
from configs.world.plan import PlanName
from configs.world.sales_terms import find_newest_version, read_consent
from tests.api.billing.till import Till, make_consent
from tests.api.messages import read_text
from tests.factories import one, rows


def test_the_day_of_the_order_is_that_of_its_payment(till: Till) -> None:
    till.shop.pass_time(hours=13, minutes=50)  # 23:50 in Paris
    answer = till.order(PlanName.URGENCE_24H)
    till.shop.pass_time(minutes=20)
    till.pay(answer)
    assert "Commande du 21 novembre 2026" in read_text(one(Notification, Notification.kind == "order"))


def test_the_program_that_sends_it_needs_no_key_of_logins(
    till: Till, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The background program hands the mail over before any alert, and has LINK_KEY only."""
    till.buy(PlanName.URGENCE_24H)
    monkeypatch.delenv("JWT_SECRET")
    settings_env(LINK_KEY="a key of the background program's", DATA_KEYS="")
    found = re.search(r"/l/(withdraw\.\S+)", read_text(one(Notification, Notification.kind == "order")))
    assert found
    (order,) = rows(Payment)
    assert read_token(WithdrawOrder, found[1]).payment == order.id


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("accepts", [True, False])
def test_19_the_order_mail_says_which_boxes_were_ticked(till: Till, language: str, *, accepts: bool) -> None:
    till.person.send("PATCH", "/api/users/profile", {"language": language})
    till.buy(PlanName.URGENCE_24H, consent=make_consent(acceptsHourThreshold=accepts))
    said, _, _ = read_text(rows(Notification, Notification.kind == "order")[-1], language).partition(
        {"fr": "Droit de", "en": "Right to"}[language]
    )
    ticked, _, left_open = said.partition({"fr": "pas cochée", "en": "did not tick"}[language])
    words = read_consent(find_newest_version(), language)
    assert all(each in ticked for each in (words.start_now, words.acknowledges_loss))
    assert (words.accepts_hour_threshold in ticked, words.accepts_hour_threshold in left_open) == (
        accepts, not accepts,
    )  # fmt: skip
