import pytest
from flask import Flask

from api.accounts.schemas import RegistrationForm
from api.alerts.schemas import NewAlert
from api.errors import ApiError, invalid
from api.pages.forms import Form
from api.schemas import FieldError
from tests.in_turn import in_turn


def read(app: Flask, data: dict[str, object]) -> Form[NewAlert]:
    with app.test_request_context("/", method="POST", data=data):
        return Form.read(NewAlert)


def test_fields_are_those_of_the_json_route(app: Flask) -> None:
    form = read(app, {
        "prefectureId": "bobigny_93", "procedures[]": ["TITRE_SEJOUR", "NATURALISATION"], "limits.weekdays[]": ["1", "3"],
        "limits.dateFrom": "2026-12-01", "limits.hourFrom": "09:30", "name": "", "acceptWaiting": "true", "csrf_token": "x",
    })  # fmt: skip
    assert form.errors == {}
    assert form.value.limits.weekdays == [1, 3]
    assert (form.value.name, form.value.accept_waiting) == (None, True)
    assert f"{form.value.limits.hour_from:%H:%M}" == "09:30"


@in_turn(
    "day, hour",
    [
        ("31/12/2026", "9h30"),
        ("31.12.2026", "9:30"),
        ("٣١/١٢/٢٠٢٦", "۹:۳۰"),
        ("31 \u2013 12 \u2013 2026", "09 h 30"),
        ("31 12 2026", "09.30"),
        ("2026/12/31", "\uff10\uff19\uff1a\uff13\uff10"),
        ("\u200e2026-12-31", "9h30"),
    ],
)
def test_days_hours_and_figures_are_read_as_people_write_them(app: Flask, day: str, hour: str) -> None:
    form = read(app, {
        "prefectureId": "bobigny_93", "procedures[]": ["TITRE_SEJOUR"], "limits.weekdays[]": ["\u0661", " 3 "],
        "limits.dateTo": day, "limits.hourFrom": hour, "limits.hourTo": "18 h",
    })  # fmt: skip
    assert form.errors == {}
    limits = form.value.limits
    assert (limits.weekdays, str(limits.date_to)) == ([1, 3], "2026-12-31")
    assert (f"{limits.hour_from:%H:%M}", f"{limits.hour_to:%H:%M}") == ("09:30", "18:00")
    assert form.typed["limits.dateTo"] == day


def test_errors_stand_beside_their_fields_and_what_was_typed_stays(app: Flask) -> None:
    form = read(app, {
        "prefectureId": "x" * 200, "procedures[]": ["NOTHING"], "limits.weekdays[]": ["9", "lundi"],
        "limits.dateFrom": "demain", "name": "<b>",
    })  # fmt: skip
    assert set(form.errors) == {"prefectureId", "procedures[]", "limits.weekdays[]", "limits.dateFrom"}
    assert form.typed["limits.dateFrom"] == "demain"
    assert form.typed["limits.weekdays[]"] == ["9", "lundi"]
    with pytest.raises(ValueError, match="the form has errors"):
        _ = form.value


@pytest.mark.parametrize(
    "data", [{}, {"prefectureId": "\0"}, {"x" * 9000: "y"}, {"procedures[]": ["é"] * 200}]
)
def test_rubbish_is_an_error_of_the_form(app: Flask, data: dict[str, object]) -> None:
    assert read(app, data).errors


def test_an_invisible_character_is_an_error_beside_its_field(app: Flask) -> None:
    form = read(app, {"prefectureId": "bobigny_93", "procedures[]": ["VISA", "\0"], "name": "Ma\0man"})
    assert set(form.errors) == {"name", "procedures[]"}
    assert "invisible" in form.errors["name"]


def test_a_secret_is_never_shown_again(app: Flask) -> None:
    with app.test_request_context("/", method="POST", data={"email": "a@example.org", "password": "never"}):
        form = Form.read(RegistrationForm)
    assert "never" not in repr(form.typed)


def test_a_refusal_of_the_service_stands_beside_its_field(app: Flask) -> None:
    with app.test_request_context("/"):
        form = Form(RegistrationForm)
        form.refuse(invalid(FieldError(path="email", rule="email", detail="x")))
        form.refuse(ApiError(409, "address-taken", "x"), "email")  # the first error of a field stays
        form.refuse(ApiError(409, "unheard-of", "x"))
        assert form.errors["email"].startswith("Cette adresse n’est pas valable.")
        assert form.errors[""] == "Cette demande n’a pas été acceptée."
        with pytest.raises(ApiError):
            form.refuse(ApiError(503, "busy", "x"))
