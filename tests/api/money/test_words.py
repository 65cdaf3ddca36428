"""What is said about money in writing: which boxes were ticked, and that a right outlives the account."""

import pytest

from api.models.notification import Notification
from configs.world.plan import PlanName
from configs.world.sales_terms import find_newest_version, read_consent
from tests.api.billing.till import Till, make_consent
from tests.api.messages import read_text
from tests.factories import rows


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
