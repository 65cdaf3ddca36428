"""The catalogues of the pages' texts have what templates and code say, and nothing else."""

import re

import pytest
from flask import Flask
from flask_babel import ngettext

from api.pages.catalogues import TRANSLATED, list_text_folders, load_translations, read_catalogue
from api.pages.update_texts import extract_texts, list_untranslated

FOLDERS = {folder.parent.name: folder for folder in list_text_folders()}
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|%(?!\()|<[^>]*>")


def parts(text: object) -> list[str]:
    return list(text) if isinstance(text, tuple | list) else [str(text)]


@pytest.mark.parametrize("area", FOLDERS)
def test_a_catalogue_has_the_texts_of_its_area_all_translated(area: str) -> None:
    found = {str(each.id) for each in extract_texts(FOLDERS[area]) if each.id}
    assert found, "an area without texts needs no folder for them"
    for language in TRANSLATED:
        catalogue = read_catalogue(FOLDERS[area] / f"{language}.po", language)
        assert {str(each.id) for each in catalogue if each.id} == found, (
            f"{area}, {language}: run `make texts`"
        )
        assert list_untranslated(catalogue) == []
        assert [each.id for each in catalogue if each.fuzzy and each.id] == []
        assert not catalogue.obsolete


@pytest.mark.parametrize("area", FOLDERS)
def test_a_translation_has_the_placeholders_of_its_text(area: str) -> None:
    for language in TRANSLATED:
        for message in read_catalogue(FOLDERS[area] / f"{language}.po", language):
            if message.id:
                wanted = sorted(set(_PLACEHOLDER.findall(parts(message.id)[-1])))
                for text in parts(message.string):
                    assert sorted(set(_PLACEHOLDER.findall(text))) == wanted, text


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_text_has_one_translation_in_all_areas(language: str) -> None:
    known: dict[str, object] = {}
    for folder in FOLDERS.values():
        for message in read_catalogue(folder / f"{language}.po", language):
            if message.id:
                assert known.setdefault(str(message.id), message.string) == message.string


def test_each_language_counts_in_its_own_way(app: Flask) -> None:
    one, many = "Patientez %(count)s minute, puis réessayez.", "Patientez %(count)s minutes, puis réessayez."
    said = {}
    for language in ("fr", "en", "ar"):
        with app.test_request_context(f"/?lang={language}"):
            said[language] = [ngettext(one, many, count, count=count) for count in (0, 1, 2, 3, 11, 100)]
    assert said["fr"][0] == "Patientez 0 minute, puis réessayez."  # French counts nothing in the singular
    assert said["en"][:2] == ["Wait 0 minutes, then try again.", "Wait 1 minute, then try again."]
    assert len({re.sub(r"\d+", "", text) for text in said["ar"]}) == 5


def test_a_text_that_no_catalogue_has_stays_french() -> None:
    assert load_translations("ar").gettext("Texte inconnu") == "Texte inconnu"
