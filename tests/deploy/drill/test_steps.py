"""The steps of the drill: how they end, which of them fail the whole, and what is written of them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.drill import __main__ as drill
from deploy.drill import packages
from deploy.drill.images import read_size
from deploy.drill.machine import find_program, run_checked
from deploy.drill.namespace import MARK
from deploy.drill.production_files import NAME, PROVIDERS, write_settings
from deploy.drill.report import holds
from deploy.drill.step import CannotRun, Step, StepFailed, StepResult, StepState, Workplace
from deploy.drill.suite import read_servers

Put = Callable[..., None]


def end_well(_: Workplace) -> str:
    return "all of it"


def end_badly(_: Workplace) -> str:
    raise StepFailed("nginx says no")


def end_missing(_: Workplace) -> str:
    raise CannotRun("needs root")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Replace the steps by three that end differently; return where the report goes."""
    made = {"well": Step("w", end_well), "badly": Step("b", end_badly), "missing": Step("m", end_missing)}
    monkeypatch.setattr(drill, "STEPS", made)
    monkeypatch.setattr(drill, "_HOME", tmp_path / "drill")
    monkeypatch.setattr(drill, "remove_mount_point", lambda: None)
    monkeypatch.setattr("deploy.local.signals.listen", lambda: None)
    monkeypatch.delenv(MARK, raising=False)
    return tmp_path / "drill.json"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["--only", "well"], 0),
        (["--only", "badly"], 1),
        (["--only", "missing"], 1),
        (["--only", "well", "missing", "--allow-missing"], 0),
        (["--allow-missing"], 1),
    ],
)
def test_the_exit_code_says_whether_all_held(steps: Path, given: list[str], code: int) -> None:
    assert drill.main([*given, "--to", str(steps)]) == code


def test_the_report_has_each_step_and_why_it_did_not_hold(
    steps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drill.main(["--to", str(steps)])
    written = json.loads(steps.read_text())
    assert [(each["name"], each["state"], each["text"]) for each in written["steps"]] == [
        ("well", "held", "all of it"), ("badly", "failed", "nginx says no"), ("missing", "missing", "needs root"),
    ]  # fmt: skip
    assert written["cores"] > 0
    assert "nginx says no" in capsys.readouterr().out


def test_a_step_that_raises_anything_else_is_a_failure_of_its_own(
    steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: Workplace) -> str:
        raise ZeroDivisionError

    monkeypatch.setitem(drill.STEPS, "well", Step("w", break_down))
    assert drill.main(["--only", "well", "missing", "--to", str(steps)]) == 1
    states = [each["state"] for each in json.loads(steps.read_text())["steps"]]
    assert states == ["failed", "missing"]


def test_nothing_that_ran_is_no_proof() -> None:
    result = StepResult("x", StepState.MISSING, 0.1, "")
    assert holds([result], allow_missing=True)
    assert not holds([result], allow_missing=False)


def test_a_command_that_fails_shows_the_end_of_its_output() -> None:
    assert run_checked(["sh", "-c", "echo one; echo two >&2"]) == "one\ntwo\n"
    with pytest.raises(StepFailed, match="sh ended with 3: why"):
        run_checked(["sh", "-c", "echo why; exit 3"])
    with pytest.raises(StepFailed, match=r"sleep did not end within 0\.1 s"):
        run_checked(["sleep", "9"], seconds=0.1)


def test_a_program_that_is_missing_is_named_with_its_package() -> None:
    with pytest.raises(CannotRun, match=r"needs no-such-thing: install Debian's thing"):
        find_program("no-such-thing", "thing")


def test_packages_that_only_root_could_install_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packages, "list_missing", lambda: ["pgbouncer", "redis-server"])
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(CannotRun, match=r"apt-get: pgbouncer redis-server$"):
        packages.install_packages(Workplace(tmp_path, print))


def test_services_are_forbidden_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with packages.forbid_services(policy):
        assert run_checked(["sh", "-c", f"{policy} nginx start || echo $?"]) == "101\n"
    assert not policy.exists()
    policy.write_text("the machine's own")
    with packages.forbid_services(policy):
        assert policy.read_text() == "the machine's own"
    assert policy.exists()


def test_the_suite_counts_only_on_the_servers_that_were_wished() -> None:
    wished = "x\nservers: PostgreSQL 16.10, redis 7.0.15\ny"
    assert read_servers(wished) == "PostgreSQL 16.10, redis 7.0.15"
    for other in ("servers: PostgreSQL 18.4, redis 7.0.15", "servers: PostgreSQL 16.10, valkey 9.1.2", ""):
        with pytest.raises(StepFailed, match="the tests ran on"):
            read_servers(other)


def test_an_environment_that_prints_more_than_its_size_fails() -> None:
    assert read_size("api", "api: 277 MB\n") == 277
    with pytest.raises(StepFailed, match="stripe cannot be imported"):
        read_size("api", "stripe cannot be imported: no\napi: 277 MB\n")


def test_production_is_given_what_the_example_of_its_settings_names() -> None:
    made = write_settings()
    assert made["API_URL"] == f"https://{NAME}"
    assert made["BACKUP_RECIPIENTS"].startswith("age1")
    assert all(made[f"{name}_BASE_URL"].startswith("https://") for name in ("SENDGRID", "STRIPE", "TWILIO"))
    assert len(PROVIDERS) == 4
