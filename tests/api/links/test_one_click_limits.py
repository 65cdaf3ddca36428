"""One click counts by its link: a mail service posts for many readers, and a link is not used without end."""

import pytest
from flask.testing import FlaskClient

from api.middleware import rate_limits
from api.models.alert import Alert
from api.models.notification import Notification
from configs.world.plan import PlanName
from tests.api.links.test_unsubscribing import ONE_CLICK, UNDO, stop
from tests.clients import People
from tests.factories import add_alert, rows


def test_an_address_that_opened_very_many_links_still_stops_one(
    client: FlaskClient, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "GENERAL", "3 per 15 minutes")
    link = stop(add_alert(person().id))
    assert [client.get(link).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert client.post(f"{link}x", data=ONE_CLICK).status_code == 429, "a forged one counts by its address"
    assert client.post(link, data=ONE_CLICK).status_code == 200
    assert not rows(Alert)[0].waits


def test_one_link_is_not_used_without_end(client: FlaskClient, person: People) -> None:
    link = stop(add_alert(person().id))
    answers = [client.post(link, data=ONE_CLICK).status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]
    assert client.post(stop(add_alert(person("other@example.org").id)), data=ONE_CLICK).status_code == 200


def test_who_stops_and_undoes_again_and_again_causes_one_mail(client: FlaskClient, person: People) -> None:
    link = stop(add_alert(person(plan=PlanName.URGENCE_7J, confirmed=True).id))
    for _ in range(5):
        client.post(link, data=ONE_CLICK)
        client.post(link, data=UNDO)
    assert [row.kind for row in rows(Notification)] == ["last_way_stopped"]
