"""Error reports: what arrives at Sentry, and what a Sentry in trouble costs."""

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog

from configs.ground import logs
from configs.ground.logs import build_report, remove_personal_data, set_up_logs
from configs.settings import SettingsRefused, load
from tests.configs.settings.test_settings import PRODUCTION
from tests.in_turn import in_turn
from tests.running_sandbox import Running
from tests.waiting import until

Put = Callable[..., None]
FAR = "https://0123456789abcdef@o1.ingest.de.sentry.io/42"
NEAR = "http://key@127.0.0.1:9000/1"
TOKEN = "Zx8qLm2VtY0pRk4sWn6bAc"
PERSONAL = (
    "jean.dupont@example.fr", "+33 6 12 34 56 78", "06 12 34 56 78", "https://rdvpriority.fr/l/abc?x=1", "203.0.113.7",
    "2001:db8::1", "'Jean Dupont'", "« Jean Dupont »", TOKEN, "0" * 40,
    "postgresql://rdv:secret@db.internal:5432/rdv",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _unsent_forgotten() -> Iterator[None]:
    yield
    transport = sentry_sdk.get_client().transport
    if transport:
        transport._worker._queue.queue.clear()  # type: ignore[attr-defined]
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def reports(sandbox: Running, settings_env: Put) -> Callable[[int], list[dict[str, Any]]]:
    """Log as the program `tests`, with reports; the function gives that many that arrived."""
    settings_env(SENTRY_DSN=sandbox.sentry_dsn, LOG_FORMAT="json")
    set_up_logs("tests")
    return lambda number: until(
        lambda: found if len(found := sandbox.error_reports()) >= number else None, 20
    )


def _fail(text: str) -> None:
    secret = f"local {text}"
    raise ValueError(f"{secret}: {text}\nDETAIL: Failing row contains (Jean Dupont)")


@in_turn(
    "text, left",
    [
        ('invalid input syntax for type json: "Jean Dupont', "invalid input syntax for type json: ***"),
        ('{"first_name": "Jean Dupont", "phone": "x"}', '{"first_name": ***, ***: ***}'),
        ("{'last_name': 'Dupont'}", "{'last_name': ***}"),
        ("no user 'Jean O'Connor' found", "no user *** found"),
        ("bad b'Jean Dupont' here", "bad *** here"),
        (r'bad "Jean \"le\" Dupont" here', "bad *** here"),
        ('5" of "Jean Dupont"', "5***"),
        ("“Jean Dupont”, \u2018Jean Dupont’, „Jean Dupont“, `Jean`", "***, ***, ***, ***"),
        ("call (415) 555-2671 now", "call (*** now"),
        ("call 06\u00a012\u00a034\u00a056\u00a078 now", "call *** now"),
        ("call 06/12/34/56/78 now", "call *** now"),
        ("refused by ::ffff:203.0.113.7.", "refused by ******"),
        ("with url: /unsubscribe?email=jean%40example.fr (Caused", "with url: *** (Caused"),
        ("to fcm.googleapis.com/fcm/send/dQw4:APA91bH now", "to *** now"),
        ("chat -1001234567890, chat_id=1234567, chat 123456", "***, ***, ***"),
        ("user @jean_dupont blocked", "user *** blocked"),
        ("key BNcRdreALRFX+kOOUHK1EtK2/taz5Ry4YfYCA0QTpQt== bad", "key *** bad"),
        ("Authorization: Bearer abc, Accept: x", "***"),
        ("mail Set-Cookie: s=1; Path=/", "mail ***"),
        ("FR76 3000 6000 0112 3456 7890 189", "FR***"),
    ],
)
def test_what_libraries_write_about_a_person_is_removed(text: str, left: str) -> None:
    assert remove_personal_data(text) == left


@in_turn(
    "text",
    [
        "a job failed",
        "0190d2f4-7a1b-7c3d-8e4f-0123456789ab",
        'relation "match_answers" does not exist',
        "evry-courcouronnes_91/titre-sejour-renouvellement",
        "the planner doesn't answer, it's away",
        "SSL error 0x1408F10B after 300 s",
    ],
)
def test_what_names_no_person_stays(text: str) -> None:
    assert remove_personal_data(text) == text


def test_an_error_arrives_without_personal_data(reports: Callable[[int], list[dict[str, Any]]]) -> None:
    for number, personal in enumerate(PERSONAL, start=1):
        try:
            _fail(personal)
        except ValueError:
            structlog.get_logger("notifier.jobs").exception(
                "not sent", notification="0190d2f4-7a1b-7c3d-8e4f-0123456789ab", user="u-1", address=personal
            )
        report = reports(number)[-1]
        text = json.dumps(report, ensure_ascii=False)
        command = json.dumps(sys.argv[0])  # quoted: "-c" of a test's process may be in a path, too
        for part in (personal.strip("'« »"), "Jean", "DETAIL", "u-1", "secret", os.uname().nodename, command):
            assert part not in text.replace("local", "")
        assert report["extra"] == {"notification": "0190d2f4-7a1b-7c3d-8e4f-0123456789ab"}
        assert report["tags"] == {"program": "tests"}
        assert report["release"] == "rdvpriority@0.1.0"
        (error,) = report["exception"]["values"]
        assert error["type"] == "ValueError"
        assert re.fullmatch(r"local \*\*\*:? \*\*\*", error["value"])
        last = error["stacktrace"]["frames"][-1]
        assert (last["function"], last["module"]) == ("_fail", "tests.configs.ground.test_error_reports")
        assert not {"vars", "abs_path", "context_line", "pre_context"} & last.keys()


def test_nothing_else_of_an_event_leaves() -> None:
    given: Any = {
        "event_id": "1",
        "user": {"email": "jean@example.fr"},
        "request": {"data": "x", "headers": {"Cookie": "x"}, "query_string": "x", "url": "x"},
        "server_name": "host",
        "contexts": {"trace": {}},
        "modules": {"x": "1"},
        "breadcrumbs": {"values": [{}]},
        "extra": {"sys.argv": ["x"], "address": "x"},
        "tags": {"program": "api", "url": "x"},
        "message": "x",
        "transaction": "/l/x",
    }
    line = {"event": "not sent to jean@example.fr", "address": "x", "job": "send to jean@example.fr"}
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, line, None, None)
    assert build_report("api", given, {"log_record": record}) == {
        "event_id": "1",
        "logentry": {"message": "not sent to ***"},
        "tags": {"program": "api"},
        "extra": {"job": "send to ***"},
    }


CRASH = """
import threading
from configs.ground.logs import set_up_logs
set_up_logs("crash")
thread = threading.Thread(target=lambda: {}["in_thread"])
thread.start()
thread.join()
raise RuntimeError("for jean@example.fr")
"""


def _run(code: str, dsn: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    given = {**os.environ, "SENTRY_DSN": dsn, "LOG_FORMAT": "json", **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, timeout=240
    )


def test_an_error_that_ends_a_program_is_logged_as_json_and_reported(sandbox: Running) -> None:
    done = _run(CRASH, sandbox.sentry_dsn)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["a thread ends by an error", "the program ends by an error"]
    assert "jean@" not in done.stderr
    types = [each["exception"]["values"][0]["type"] for each in sandbox.error_reports()]
    assert types == ["KeyError", "RuntimeError"]
    assert {each["level"] for each in sandbox.error_reports()} == {"fatal"}


def test_no_line_stops_a_program_by_what_it_gives_as_its_error(settings_env: Put) -> None:
    settings_env(SENTRY_DSN=NEAR)
    set_up_logs("tests")
    for given in (1, "text", (None, None, None)):
        logging.getLogger("x").error({"event": "odd", "exc_info": given})


@pytest.mark.rule("3.11")
def test_a_proxy_of_the_environment_takes_no_report(sandbox: Running) -> None:
    proxy = "http://192.0.2.1:3128"
    _run("import logging; from configs.ground.logs import set_up_logs; set_up_logs('x'); logging.error('x')",
         sandbox.sentry_dsn, HTTP_PROXY=proxy, http_proxy=proxy, HTTPS_PROXY=proxy, no_proxy="")  # fmt: skip
    assert len(sandbox.error_reports()) == 1


@pytest.mark.parametrize("mode", ["timeout", "error_500"])
def test_a_sentry_in_trouble_slows_nothing(
    reports: Callable[[int], list[dict[str, Any]]],
    sandbox: Running,
    mode: str,
) -> None:
    set_up_logs("tests")
    sandbox.provider_mode("sentry", mode)
    log = logging.getLogger("x")
    log.error("first")  # makes the client
    before = time.thread_time(), time.monotonic()
    for _ in range(300):
        log.error("again")
    worked, waited = time.thread_time() - before[0], time.monotonic() - before[1]
    # A machine that others keep busy takes longer than the work; an answer that is waited for takes seconds each.
    assert waited < worked * 10 + 5


@pytest.mark.usefixtures("reports")
def test_notes_and_chained_errors_leave_without_personal_data(sandbox: Running) -> None:
    cause = LookupError("no 'Jean Dupont'")
    cause.add_note("asked by Jean Dupont")
    group = ExceptionGroup("2 for jean@example.fr", [ValueError("'Jean'"), KeyError("Jean")])
    group.__cause__ = cause  # as `raise … from`
    logging.getLogger("x").error("group", exc_info=group)
    # One of the test before, on its way to a Sentry that hung, may come first
    report = until(lambda: next((each for each in sandbox.error_reports() if "exception" in each), None), 20)
    assert not re.search("jean", json.dumps(report), re.IGNORECASE)
    assert len(report["exception"]["values"]) == 4


@pytest.mark.journey
def test_a_program_ends_though_sentry_hangs(sandbox: Running) -> None:
    sandbox.provider_mode("sentry", "timeout")
    code = (
        "import atexit, logging, time; from configs.ground.logs import set_up_logs; set_up_logs('x'); logging.error('x')\n"
        "began = time.monotonic(); atexit._run_exitfuncs()\n"
        "print(time.monotonic() - began)"
    )
    done = _run(code, sandbox.sentry_dsn)
    assert done.returncode == 0
    assert float(done.stdout) < 3 * logs.LAST_SECONDS


@pytest.mark.rule("3.11")
@in_turn("world", ["development", "sandbox", "test"])
def test_outside_production_only_a_sentry_of_this_machine_is_named(bare: Put, world: str) -> None:
    bare(APP_ENV=world, SENTRY_DSN=FAR)
    with pytest.raises(SettingsRefused, match="SENTRY_DSN leaves this machine"):
        load()
    bare(APP_ENV=world, SENTRY_DSN=NEAR)
    assert load().sentry_dsn


@pytest.mark.rule("3.10")
@in_turn(
    "dsn, says",
    [
        (FAR.replace("https", "http"), "SENTRY_DSN is not https"),
        ("https://sentry.io/42", "SENTRY_DSN: is no DSN"),
        ("ftp://key@sentry.io/1", "SENTRY_DSN: is no DSN"),
        ("x", "SENTRY_DSN: is no DSN"),
    ],
)
def test_production_refuses_other_dsns(bare: Put, dsn: str, says: str) -> None:
    bare(**PRODUCTION | {"SENTRY_DSN": dsn})
    with pytest.raises(SettingsRefused) as refused:
        load()
    assert says in str(refused.value)
    assert dsn not in str(refused.value).replace("SENTRY_DSN", "") or dsn == "x"
