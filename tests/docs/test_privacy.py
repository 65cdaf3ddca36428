"""The record of docs/privacy.md names each column of each table once, in words that the page defines."""

import re
from collections import Counter
from pathlib import Path

from api.background.jobs import list_jobs
from api.models.all import RECORDS

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
Row = tuple[str, ...]


def read_table(heading: str) -> list[Row]:
    """Return the rows of the first table under a heading, without its two head lines."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1]
    found = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert found, heading
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in found[0].splitlines()[2:]]


def recorded_columns(rows: list[Row]) -> Counter[tuple[str, str]]:
    """Return how often each column of each table has a line."""
    return Counter((table.strip("`"), name) for table, names, *_ in rows for name in names.split(", "))


def test_each_column_of_each_table_has_one_line_and_each_line_a_column() -> None:
    columns = [(each.__tablename__, name) for each in RECORDS for name in each.__table__.columns.keys()]  # noqa: SIM118 -- a ColumnCollection iterates over columns
    assert recorded_columns(read_table("Record")) == Counter(columns)


def test_the_words_of_the_record_are_defined() -> None:
    purposes = {purpose for purpose, *_ in read_table("Why personal data is processed")}
    words = {word for word, *_ in read_table("How long")}
    used_purposes, used_words = set[str](), set[str]()
    for _, _, why, kept, _ in read_table("Record"):
        used_purposes |= set(why.split(", "))
        used_words.add(kept)
    assert used_purposes == purposes
    assert used_words == words


def test_the_jobs_that_enforce_it_are_scheduled() -> None:
    named = {job for *_, enforced in read_table("How long") for job in re.findall(r"`(\w+)`", enforced)}
    assert named
    assert named <= {job.name for job in list_jobs()}


def test_the_recipients_of_the_record_are_described() -> None:
    known = " ".join(recipient for recipient, *_ in read_table("Who receives it"))
    for *_, goes_to in read_table("Record"):
        for name in re.findall(r"\b(?:Stripe|SendGrid|SMTP|Twilio|Telegram)\b", goes_to):
            assert name in known
