"""CSV files of people: one with people to enter, checked line by line, and one of those whom the organisation helps.

Spreadsheets run a cell that begins like a formula: such a cell is written behind an apostrophe, and read without it.
https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.alerts.schemas import NewAlert
from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError
from api.models.organisation import Told
from api.organisations.callers import Caller, Right, note_act
from api.organisations.people import add_first_alert, enter_people
from api.organisations.person_queries import list_people
from api.organisations.schemas import NewPerson, PeopleFilter
from configs.ground.text import normalize_day
from configs.world.prefecture import prefectures

MOST_LINES, LARGEST_FILE = 500, 256 * 1024  # people, bytes
_MOST_ERRORS = 100  # that are told of one file
# By field of a person or of an alert: the names that its column may have, as a spreadsheet of ours has it first
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "label": ("nom", "label"),
    "language": ("langue", "language"),
    "email": ("courriel", "email"),
    "phone": ("telephone", "phone"),
    "told": ("prevenir", "told"),
    "prefectureId": ("prefecture",),
    "procedures": ("demarches", "procedures"),
    "limits.dateFrom": ("du", "from"),
    "limits.dateTo": ("au", "until"),
}
_OF_ALERT = ("prefectureId", "procedures", "limits.dateFrom", "limits.dateTo")
_TOLD = {"accompagnant": Told.CASEWORKER, "personne": Told.PERSON, "les deux": Told.BOTH}
_FORMULA = re.compile(r"[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a file, by number as an editor shows it: its person, and what the person waits for."""

    number: int
    person: NewPerson
    alert: NewAlert | None


def import_people(session: Session, caller: Caller, content: bytes) -> int:
    """Enter all people of a file, or none; return their number. Invitations are another step.

    Raises:
        ApiError: 403; 409 as `enter_people`; 422, each error with its line and column: `12.courriel`.
    """
    caller.require(Right.HELP)
    lines, errors = read_people(content), list[FieldError]()
    people = enter_people(session, caller, [each.person for each in lines])
    with session.no_autoflush:  # all alerts are written at once
        for line, person_id in zip(lines, people, strict=True):
            try:
                if line.alert:
                    add_first_alert(session, caller, person_id, line.alert)
            except ApiError as error:
                errors += _place(error, line.number)
    if errors:
        raise invalid(*errors[:_MOST_ERRORS])
    note_act(session, caller, "person.import", "person", None, number=len(lines))
    return len(lines)


def _place(error: ApiError, number: int) -> list[FieldError]:
    named = [
        FieldError(path=f"{number}.{_name(each.path)}", rule=each.rule, detail=each.detail)
        for each in error.errors
    ]
    return named or [FieldError(path=str(number), rule=error.word, detail=error.detail)]


def read_people(content: bytes) -> list[_Line]:
    """Return the people of a file.

    Raises:
        ApiError: 422, the file, or some lines of it, are not as docs/organisations.md#csv says.
    """
    rows = _read_rows(content)
    header = next(rows, (0, []))[1]
    columns = [_find_field(each) for each in header]
    unknown = [name for name, field in zip(header, columns, strict=True) if field is None]
    if unknown or not columns or max(Counter(columns).values()) > 1:
        names = ", ".join(several[0] for several in COLUMNS.values())
        raise _refuse("columns", f"the first line names columns, each once, of these: {names}")
    found, errors = list[_Line](), list[FieldError]()
    for number, cells in rows:
        if len(found) + len({each.path.partition(".")[0] for each in errors}) >= MOST_LINES:
            raise _refuse("too_many_lines", f"a file has at most {MOST_LINES} people: divide it")
        try:
            found.append(_read_line(number, dict(zip(columns, cells, strict=True))))
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                path = ".".join(str(part) for part in each["loc"])
                errors.append(
                    FieldError(path=f"{number}.{_name(path)}", rule=each["type"], detail=each["msg"])
                )
        except ValueError:
            detail = f"this line has {len(cells)} cells, and the first one {len(header)}"
            errors.append(FieldError(path=str(number), rule="cells", detail=detail))
    if errors:
        raise invalid(*errors[:_MOST_ERRORS])
    if not found:
        raise _refuse("empty", "there is nobody in this file: each line after the first is a person")
    return found


def _read_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not empty, with its number. UTF-8, or windows-1252 as Excel writes it in French."""
    if len(content) > LARGEST_FILE:
        raise _refuse("too_large", f"a file has at most {LARGEST_FILE // 1024} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    if "\0" in text or "�" in text:
        raise _refuse("encoding", "save it as CSV UTF-8: this is no text that can be read")
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(";,\t", key=first.count), strict=True)
    try:
        for cells in reader:
            if any(each.strip() for each in cells):
                yield reader.line_num, [_read_cell(each) for each in cells]
    except csv.Error as error:
        raise _refuse("quotes", f"line {reader.line_num} cannot be read: {error}") from None


def _read_cell(cell: str) -> str:
    text = cell.strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def _find_field(name: str) -> str | None:
    wanted = name.casefold().replace("é", "e")
    return next((field for field, names in COLUMNS.items() if wanted in names), None)


def _name(path: str) -> str:
    """Return the column that a field's error is about."""
    found = (names[0] for field, names in COLUMNS.items() if path == field or path.startswith(f"{field}."))
    return next(found, path)


def _read_line(number: int, cells: Mapping[str | None, str]) -> _Line:
    given = {str(field): text for field, text in cells.items() if text}
    person: dict[str, Any] = {name: text for name, text in given.items() if name not in _OF_ALERT}
    if told := person.get("told"):
        person["told"] = _TOLD.get(told.casefold(), told)
    alert: dict[str, Any] = {name: given[name] for name in _OF_ALERT[:2] if name in given}
    days = {name.partition(".")[2]: normalize_day(given[name]) for name in _OF_ALERT[2:] if name in given}
    if place := alert.get("prefectureId"):
        alert["prefectureId"] = _find_prefecture(place)
    if procedures := alert.get("procedures"):
        alert["procedures"] = [each.upper().replace("-", "_") for each in re.split(r"[\s,|]+", procedures)]
    wish = NewAlert.model_validate(alert | {"limits": days, "acceptWaiting": True}) if alert or days else None
    return _Line(number, NewPerson.model_validate(person), wish)


def _find_prefecture(text: str) -> str:
    """Return a prefecture's id, which may be given as the number of its department."""
    return next(
        (each.id for each in prefectures().values() if each.department == text.upper().zfill(2)), text
    )


def _refuse(rule: str, detail: str) -> ApiError:
    return invalid(FieldError(path="file", rule=rule, detail=detail))


def export_people(session: Session, caller: Caller) -> bytes:
    """Return the people of the organisation as a spreadsheet in French reads them: UTF-8 with a mark, semicolons.

    Raises:
        ApiError: 403.
    """
    people = list_people(session, caller, PeopleFilter())
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    names = ("reference", *(COLUMNS[each][0] for each in ("label", "language", "email", "phone", "told")))
    writer.writerow([*names, "accord", "alertes", "annonce"])
    for each in people:
        alerts = [f"{alert.prefecture}, {', '.join(alert.desks)} : {alert.state}" for alert in each.alerts]
        announced = max((alert.announced_at for alert in each.alerts if alert.announced_at), default=None)
        row = (each.label, each.language, each.email, each.phone, each.told, each.consent, " | ".join(alerts))
        at = announced.isoformat(timespec="minutes") if announced else ""
        writer.writerow([each.reference, *map(_defuse, row), at])
    return text.getvalue().encode("utf-8-sig")


def _defuse(cell: str | None) -> str:
    text = cell or ""
    return f"'{text}" if _FORMULA.match(text) else text
