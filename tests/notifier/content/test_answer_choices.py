"""Buttons of slot alerts in a chat: four answers in every language, data that fits, names of several matches."""

from uuid import uuid4

import pytest

from configs.ground.bot_buttons import ALL, BACK, MOST_BYTES, AnswerButton, read_button, shorten_id
from configs.world.languages import MESSAGE_LANGUAGES
from notifier.content.outgoing_message import Choices
from notifier.content.slot_alert_content import ANSWERED, list_answer_choices, list_option_choices

ANSWERS = ["found", "too_late", "nothing_there", "stopped"]


def pressed(choices: Choices) -> list[AnswerButton]:
    """Return what the buttons send, once the tag is filled in."""
    key = shorten_id(uuid4())
    sent = [each.data.replace(ANSWERED, key) for row in choices for each in row]
    assert all(0 < len(data.encode()) <= MOST_BYTES for data in sent)
    read = [read_button(data) for data in sent]
    return [each for each in read if isinstance(each, AnswerButton)]


@pytest.mark.parametrize("language", MESSAGE_LANGUAGES)
def test_the_four_answers_are_offered_in_every_language(language: str) -> None:
    choices = list_answer_choices(language)
    assert [each.answer for each in pressed(choices)] == ANSWERS
    labels = [each.label for row in choices for each in row]
    assert len(set(labels)) == len(labels)
    assert all(label == label.strip() and "\n" not in label for label in labels)


def test_the_labels_are_those_of_the_mail() -> None:
    assert [[each.label for each in row] for row in list_answer_choices("fr")] == [
        ["Trouvé", "Trop tard"],
        ["La page ne montre rien"],
        ["Arrêter"],
    ]


def test_the_given_answer_is_marked() -> None:
    labels = [each.label for row in list_answer_choices("fr", "too_late") for each in row]
    assert [label for label in labels if label.startswith("✓")] == ["✓ Trop tard"]


def test_of_very_many_matches_as_many_have_a_button_as_telegram_takes() -> None:
    choices = list_option_choices("fr", "stopped", [(uuid4(), f"Paris (75) · {each}") for each in range(200)])
    assert len([each for row in choices for each in row]) <= 99, "one more leads to the page"
    assert pressed(choices)[-1].answer == BACK


@pytest.mark.parametrize("answer", ANSWERS)
def test_of_several_matches_each_has_a_button(answer: str) -> None:
    options = [(uuid4(), "Essonne (91) · Maman"), (uuid4(), "Paris (75) · " + "x" * 300)]
    choices = list_option_choices("fr", answer, options)
    sent = pressed(choices)
    assert [each.match for each in sent[:2]] == [match_id for match_id, _ in options]
    assert {each.answer for each in sent[:-1]} == {answer}
    assert (sent[-1].answer, sent[-1].match) == (BACK, None)
    assert (ALL in [each.match for each in sent]) is (answer != "found")
    labels = [each.label for row in choices for each in row]
    assert labels[0] == "1. Essonne (91) · Maman"
    assert max(map(len, labels)) < 50
