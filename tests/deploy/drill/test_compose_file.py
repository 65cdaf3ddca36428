"""Services of production as Docker would start them, read from the compose file and the Dockerfiles."""

import pytest

from deploy.drill.compose_file import Volume, fill_in, read_service, read_variables

SETTINGS = {"SERVER_NAME": "rdv.test", "SUPPORT_EMAIL": "aide@rdv.test", "API_URL": "https://rdv.test"}


def test_a_program_has_its_image_its_settings_and_its_secrets() -> None:
    api = read_service("api", SETTINGS, SETTINGS)
    assert api.image == "api"
    assert api.command[:2] == ["gunicorn", "api.app:create_app()"]
    assert api.user == "10001:10001"
    assert api.environment["API_URL"] == "https://rdv.test"
    assert api.environment["APP_ENV"] == "production"
    assert api.environment["STATE_DIR"] == "/var/lib/rdvpriority"
    assert {"jwt_secret", "database_url_api"} <= set(api.secrets)
    assert Volume("proofs", "/var/lib/proofs", is_writable=False) in api.volumes
    assert {each.source for each in api.volumes if each.is_writable} == {"api"}
    assert api.tmpfs[0] == "/tmp:size=64m,mode=1777"
    assert api.capabilities == []
    assert api.health == ["python", "-m", "deploy.health_check", "api"]
    assert api.stop_seconds == 15


def test_a_command_of_the_compose_file_replaces_the_image_s() -> None:
    background = read_service("background", SETTINGS, SETTINGS)
    assert (background.image, background.command) == ("api", ["python", "-m", "api.background"])
    assert background.environment["PROGRAM"] == "background"
    assert background.health[-1] == "background"


def test_a_mail_server_gives_its_secret_to_those_that_send_mail() -> None:
    with_mail_server = SETTINGS | {"MAIL_PROVIDERS": "sendgrid,smtp"}
    for name in ("background", "notifier"):
        assert "smtp_url" in read_service(name, SETTINGS, with_mail_server).secrets
        assert "smtp_url" not in read_service(name, SETTINGS, SETTINGS).secrets
    assert "smtp_url" not in read_service("api", SETTINGS, with_mail_server).secrets


def test_nginx_keeps_the_rights_that_it_needs_and_no_settings() -> None:
    nginx = read_service("nginx", SETTINGS, SETTINGS)
    assert nginx.image is None
    assert nginx.command == ["/bin/sh", "/etc/rdvpriority/start.sh"]
    assert nginx.environment == {
        "SERVER_NAME": "rdv.test", "API_ADDRESSES": "api:4000", "HOOKS_ADDRESS": "hooks:4000",
        "LIVE_ADDRESS": "stream:4000",
    }  # fmt: skip
    assert nginx.capabilities == ["chown", "net_bind_service", "setgid", "setuid"]
    assert nginx.user == "0:0"


def test_a_shell_s_own_variables_are_left_to_the_shell() -> None:
    redis = read_service("redis", SETTINGS, SETTINGS)
    assert 's/.*/requirepass "&"/' in redis.command[-1]
    assert redis.health[:2] == ["sh", "-c"]
    assert '"$(cat ' in redis.health[2]
    assert redis.user == "999:999"


def test_what_runs_once_has_no_health_check() -> None:
    assert read_service("migrate", SETTINGS, SETTINGS).health == []


def test_an_image_s_variables_are_read() -> None:
    found = read_variables("browser")
    assert found["HOME"] == "/tmp"
    assert found["PROGRAM"] == "crawler"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${SERVER_NAME}/x", "rdv.test/x"),
        ("${MISSING:-default}", "default"),
        ("${SERVER_NAME:-default}", "rdv.test"),
        ("$$HOME", "$HOME"),
        ("plain", "plain"),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, filled: str) -> None:
    assert fill_in(text, SETTINGS) == filled


def test_a_variable_that_is_not_given_is_named() -> None:
    with pytest.raises(LookupError, match=r"ACME is not given: where to"):
        fill_in("${ACME:?where to}", SETTINGS)
