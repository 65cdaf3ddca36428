"""POST /api/hooks/alertmanager: alarms of Prometheus open and end incidents, in whatever order and how often they come."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.background import jobs
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification
from api.models.user import Channel, Contact
from api.operations.alarms import acknowledge
from api.operations.prometheus_alarms import UNHEARD_AFTER
from configs.clock import clock
from notifier.content.messages import render
from notifier.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kind_of
from tests.api.operations.operators import BOTH, Written, add_operator, get_incident, list_written
from tests.api.world import rows

pytestmark = pytest.mark.usefixtures("frozen")

PATH = "/api/hooks/alertmanager"
TOKEN, OLD = "tests-alertmanager-new", "tests-alertmanager-old"
MINUTE = timedelta(minutes=1)
ALARM = Written("operations_alarm", Channel.TELEGRAM, again=False)
CONFIG = Path(__file__).parents[2] / "deploy" / "prometheus" / "alertmanager.yml"


@pytest.fixture(autouse=True)
def _token(client: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(ALERTMANAGER_TOKEN=f"{TOKEN},{OLD}")


def fired(
    name: str = "QueueOld", starts_at: datetime | None = None, status: str = "firing", **labels: str
) -> dict[str, Any]:
    """Return an alert as Alertmanager 0.25 writes it."""
    at = f"{starts_at or clock():%Y-%m-%dT%H:%M:%S.%f}789Z"
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical", **labels},
        "annotations": {"summary": "Un travail attend", "runbook": f"docs/operations.md#{name.lower()}"},
        "startsAt": at,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=1",
        "fingerprint": "0123456789abcdef",
    }


def call_with(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "operators",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://x:9093",
        "alerts": list(alerts),
    }  # fmt: skip


def send(client: FlaskClient, *alerts: dict[str, Any], token: str = TOKEN) -> TestResponse:
    return client.post(PATH, json=call_with(*alerts), headers={"Authorization": f"Bearer {token}"})


def is_open() -> bool:
    return get_incident().ends_at is None


def test_an_alarm_that_fires_is_an_incident_that_operators_hear_of(client: FlaskClient) -> None:
    add_operator(*BOTH)
    answer = send(client, fired(queue="critical"))
    assert (answer.status_code, answer.json) == (200, {"received": True})
    incident = get_incident()
    assert (incident.reason, incident.subject) == (
        IncidentReason.PROMETHEUS_ALARM, "QueueOld (queue=critical)",
    )  # fmt: skip
    assert incident.ends_at is None
    assert list_written() == [ALARM]


def test_the_message_says_what_is_wrong_and_where_to_look(client: FlaskClient) -> None:
    add_operator(*BOTH)
    send(client, fired(queue="critical"))
    text = read_alarm()
    for part in (
        "Un travail attend",
        "QueueOld (queue=critical)",
        "docs/operations.md#queueold",
        "Critique.",
    ):
        assert part in text


def read_alarm() -> str:
    (row,) = rows(Notification)
    with session() as s:
        contact = s.get_one(Contact, row.contact_id)
        context = kind_of(row.kind).prepare(s, ClaimedRow.of(row), contact, clock())
    assert isinstance(context, TemplateContext)
    made = render(row.kind, row.channel, "fr", context)
    return made.text or made.html


def test_it_ends_when_it_is_resolved(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    begun = clock()
    send(client, fired(starts_at=begun))
    frozen.shift(5 * MINUTE)
    send(client, fired(starts_at=begun, status="resolved"))
    assert get_incident().ends_at == clock()


def test_a_repetition_changes_nothing(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    begun = clock()
    for _ in range(3):
        send(client, fired(starts_at=begun))
        frozen.shift(MINUTE)
    assert list_written() == [ALARM]
    for _ in range(3):
        send(client, fired(starts_at=begun, status="resolved"))
        frozen.shift(MINUTE)
    assert get_incident().ends_at == begun + 3 * MINUTE


def test_an_end_that_comes_before_its_beginning_leaves_nothing_open(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    add_operator(*BOTH)
    begun = clock()
    frozen.shift(MINUTE)
    send(client, fired(starts_at=begun, status="resolved"))
    send(client, fired(starts_at=begun))
    assert not is_open()
    assert list_written() == []


def test_a_new_firing_after_its_end_is_told_again(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    add_operator(*BOTH)
    begun = clock()
    send(client, fired(starts_at=begun))
    frozen.shift(MINUTE)
    send(client, fired(starts_at=begun, status="resolved"))
    frozen.shift(MINUTE)
    send(client, fired())
    assert [each.ends_at is None for each in rows(Incident)].count(True) == 1
    assert list_written() == [ALARM, ALARM]


def test_the_late_end_of_an_earlier_firing_ends_no_later_one(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    begun = clock()
    frozen.shift(10 * MINUTE)
    send(client, fired())
    send(client, fired(starts_at=begun, status="resolved"))
    assert is_open()


def test_where_alarms_of_one_subject_fire_and_end_in_one_call_it_fires(client: FlaskClient) -> None:
    begun = clock()
    one, other = fired(starts_at=begun, instance="a"), fired(starts_at=begun, status="resolved", instance="b")
    send(client, one, other)
    assert is_open()


def test_two_calls_at_once_open_one_incident(client: FlaskClient) -> None:
    add_operator(*BOTH)
    begun = clock()

    def send_one(_: int) -> int:
        return send(client.application.test_client(), fired(starts_at=begun)).status_code

    with ThreadPoolExecutor(4) as workers:
        assert set(workers.map(send_one, range(8))) == {200}
    assert is_open()
    assert list_written() == [ALARM]


def test_a_beginning_and_its_end_at_once_leave_nothing_open(client: FlaskClient) -> None:
    begun = clock()

    def send_one(number: int) -> int:
        status = "resolved" if number % 2 else "firing"
        return send(client.application.test_client(), fired(starts_at=begun, status=status)).status_code

    with ThreadPoolExecutor(4) as workers:
        assert set(workers.map(send_one, range(8))) == {200}
    assert not [each for each in rows(Incident) if each.ends_at is None]


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer é"]
)
def test_a_call_without_the_token_is_refused(header: str, client: FlaskClient) -> None:
    answer = client.post(PATH, json=call_with(fired()), headers={"Authorization": header})
    assert answer.status_code == 403
    assert rows(Incident) == []


def test_an_old_token_is_taken_until_it_is_taken_out(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    assert send(client, fired(), token=OLD).status_code == 200
    settings_env(ALERTMANAGER_TOKEN=TOKEN)
    assert send(client, fired(), token=OLD).status_code == 403
    settings_env(ALERTMANAGER_TOKEN="")
    assert send(client, fired(), token="").status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000,
        json.dumps({"version": "3", "alerts": []}).encode(),
        json.dumps({"version": "4", "alerts": [{"status": "firing"}]}).encode(),
        json.dumps({"version": "4", "alerts": [{"status": "off", "labels": {}, "startsAt": "now"}]}).encode(),
        json.dumps(
            {"version": "4", "alerts": [{"status": "firing", "labels": {"a": 1}, "startsAt": "2026-11-23T10:00:00Z"}]}
        ).encode(),
        json.dumps(
            {"version": "4", "alerts": [{"status": "firing", "labels": {}, "startsAt": "2026-11-23T10:00:00"}]}
        ).encode(),
    ],
)  # fmt: skip
def test_what_is_no_call_is_refused(body: bytes, client: FlaskClient) -> None:
    answer = client.post(PATH, data=body, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 422
    assert "no call of Alertmanager" in answer.text
    assert rows(Incident) == []


def test_ten_thousand_alarms_in_one_call_are_refused(client: FlaskClient) -> None:
    alerts = [fired(queue=str(each)) for each in range(10_000)]
    assert send(client, *alerts).status_code == 413
    small = [{"status": "firing", "labels": {}, "startsAt": "2026-11-23T10:00:00Z"}] * 10_000
    assert send(client, *small).status_code == 422
    assert send(client, *alerts[:101]).status_code == 422
    assert rows(Incident) == []


def test_texts_are_bounded_and_printable(client: FlaskClient) -> None:
    labels = {f"label{each}": "x" * 3000 for each in range(60)}
    alert = fired("N\u202ename\n" + "n" * 3000)
    alert["labels"] |= labels
    alert["annotations"] = {"summary": "s\x1b[31m\x00" + "s" * 3000, "runbook": "r" * 3000}
    add_operator(*BOTH)
    assert send(client, alert).status_code == 200
    incident = get_incident()
    assert incident.alarm_params is not None
    assert len(incident.subject) < 600
    assert len(incident.alarm_params["summary"]) <= 301
    assert len(incident.alarm_params["runbook"]) <= 121
    texts = (incident.subject, *incident.alarm_params.values())
    assert all(each.isprintable() for each in texts if isinstance(each, str))
    assert read_alarm()


def test_a_start_in_the_future_begins_now(client: FlaskClient) -> None:
    ahead = clock() + timedelta(hours=1)
    send(client, fired(starts_at=ahead))
    assert get_incident().starts_at == clock()
    send(client, fired(starts_at=ahead, status="resolved"))
    assert not is_open()


def test_a_start_long_ago_is_taken(client: FlaskClient) -> None:
    alert = fired() | {"startsAt": "0001-01-01T00:00:00Z"}
    assert send(client, alert).status_code == 200


def test_an_alarm_that_is_not_repeated_ends(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    begun = clock()
    send(client, fired(starts_at=begun))
    frozen.shift(timedelta(hours=1))
    send(client, fired(starts_at=begun))
    heard = clock()
    frozen.shift(UNHEARD_AFTER - MINUTE)
    jobs.watch_operations()
    assert is_open()
    frozen.shift(MINUTE)
    jobs.watch_operations()
    assert get_incident().ends_at == heard
    send(client, fired(starts_at=begun))
    assert [each.ends_at is None for each in rows(Incident)] == [False, True], "it fires after all"


def test_it_is_told_once_more_and_its_acknowledgement_stops_that(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    add_operator(*BOTH)
    send(client, fired())
    with session() as s:
        acknowledge(s, get_incident().id)
    frozen.shift(timedelta(hours=1))
    assert jobs.repeat_alarms() == {"mails": 0}
    assert is_open(), "it lasts until its cause is gone"


def test_a_flood_of_one_rule_is_told_five_times_and_goes_on_once_some_are_over(client: FlaskClient) -> None:
    add_operator(*BOTH)
    begun = clock()
    jobs_failing = [fired("JobsFailing", begun, job=f"job{number:02}") for number in range(40)]
    send(client, *jobs_failing[:20])
    send(client, *jobs_failing)
    assert list_written() == [ALARM] * 5
    assert len(rows(Incident)) == 40
    summaries = sorted(row.params["summary"] for row in rows(Notification))
    assert summaries[:4] == ["Un travail attend"] * 4
    assert summaries[4] == "Un travail attend (les alarmes suivantes de JobsFailing ne sont que dans /admin)"
    send(client, fired("QueueOld"))
    assert list_written() == [ALARM] * 6, "another rule is not part of the flood"
    over = [each | {"status": "resolved"} for each in jobs_failing[:3]]
    send(client, *over, *jobs_failing[3:])
    assert list_written() == [ALARM] * 9


def test_the_watchdog_is_no_incident(client: FlaskClient) -> None:
    assert send(client, fired("Watchdog")).status_code == 200
    assert rows(Incident) == []


def test_while_the_database_is_away_the_call_comes_again(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")
    assert send(client, fired()).status_code == 503


def test_alertmanager_repeats_and_bounds_its_calls_as_we_expect() -> None:
    made = yaml.safe_load(CONFIG.read_text())
    assert made["route"]["repeat_interval"] == "1h", "UNHEARD_AFTER is three of them"
    assert timedelta(hours=3) == UNHEARD_AFTER
    (hook,) = made["receivers"][0]["webhook_configs"]
    assert hook["max_alerts"] == 100
    assert hook["url"].endswith(PATH)


def test_a_server_that_is_away_is_one_alarm_and_not_one_of_each_read() -> None:
    made = yaml.safe_load(CONFIG.read_text())
    (rule,) = [each for each in made["inhibit_rules"] if "MetricsFailing" in str(each["target_matchers"])]
    assert rule["source_matchers"] == ["alertname = HealthPartDown", 'part =~ "database|redis"']
    assert rule["target_matchers"] == ['alertname =~ "MetricsFailing|MetricsSlow"']
