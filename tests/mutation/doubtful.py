"""Mutations that make a page doubtful without breaking it: words of trouble, hiding, quotes, neighbours, other names.

Together with those of mutants.py they are all ways to break a page.
"""

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import replace

from lxml import html

from tests.mutation import mutants as ways
from tests.mutation.mutants import Mutant, any_node, broken, json_documents
from tests.mutation.pages import Original, Truth

Way = Callable[[Original, Original, random.Random], Mutant]
TROUBLES = (
    "Une erreur est survenue : aucun créneau n'a pu être chargé.",
    "Maintenance en cours, aucun rendez-vous disponible.",
    "Trop de requêtes : plus aucune disponibilité affichée.",
    "Aucun rendez-vous trouvé pour ce dossier.",
    "La recherche a échoué, il n'y a plus de créneaux à afficher.",
    "Plus de créneaux bientôt disponibles !",
    "Aucun créneau ne peut être affiché.",
    "An error occurred: no slots",
)
MESSAGES = ("message", "msg", "text")
SENTENCES = (
    "Il n'existe plus de plage horaire libre pour votre demande de rendez-vous.",
    "Il n'y a pas calendrier disponible pour votre demande.",
    "Malheureusement, aucun créneau correspondant à votre recherche n'a été trouvé.",
    "Aucun créneau disponible à partir de cette date. Veuillez réessayer ultérieurement.",
    "Ce lien a été désactivé définitivement",
)
OWN = re.compile(r"(?=Il n.existe plus de plage|Il n.y a pas (?:de )?calendrier|Malheureusement,)")
_NEXT = re.compile(
    r'"(?:next\w*|date)": *"\d{4}'
)  # a day ahead, which a message takes back only by its own error
_DWR = re.compile(r'(?<=msg[:=])"(?:[^"\\]|\\.)*"')
QUOTES = (
    "<p>Aide : le message « {} » veut dire que tout est pris.</p>",
    "<aside><p>{}</p></aside>",
    "<blockquote>{}</blockquote>",
    "<div role='dialog'><p>{}</p></div>",
    "<footer><p>{}</p></footer>",
    "<details><summary>Aide</summary><p>{}</p></details>",
    "<textarea>{}</textarea>",
    "<p hidden>{}</p>",
    '<div style="display: none"><p>{}</p></div>',
)
HIDES = ({"hidden": ""}, {"style": "display:none"}, {"style": "color: red; visibility: hidden"})
NEIGHBOURS: tuple[dict[str, object], ...] = (
    {"phone_number": "+33100000000"},
    {"text": "Prise de rendez-vous", "phone_number": "+33100000000"},
    {"total": 0},
    {"count": 0, "results": []},
    {"id": 5, "name": "Mairie", "slots_count": 0},
    {"user": None, "features": []},
    {"reason": "no_availabilities"},
    {"next": None, "error": None},
)


def words_of_trouble(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Let an answer speak of trouble and of slots in one message: it proves no absence any more."""
    trouble, documents = chance.choice(TROUBLES), json_documents(original.text)
    if len(documents) == 1 and isinstance(documents[0], dict):
        told = {key: value for key, value in documents[0].items() if key not in MESSAGES}
        text = json.dumps({**told, chance.choice(MESSAGES): trouble}, ensure_ascii=False)
        mutant = broken(original, text, "trouble", may_erase=True)
    elif _DWR.search(original.text):
        said = json.dumps(trouble)
        mutant = broken(original, _DWR.sub(lambda _: said, original.text), "trouble")
    else:
        text = OWN.sub("Une erreur est survenue : ", original.text)
        mutant = broken(original, text, "trouble")
    untouched = mutant.text == original.text
    named = original.truth.is_open or bool(original.truth.hours) or _NEXT.search(original.text)
    return replace(mutant, may_cover=untouched or bool(named))


def hidden_by_itself(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Hide one node by an attribute."""
    root = deepcopy(original.page.root)
    for name, value in chance.choice(HIDES).items():
        any_node(root, chance).set(name, value)
    return broken(original, html.tostring(root, encoding="unicode"), "hidden", may_erase=True, may_mend=True)


def sentence_quoted(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Quote a platform's sentence in a help text, or in an invisible place."""
    quote = chance.choice(QUOTES).format(chance.choice(SENTENCES))
    end = chance.choice(("</main>", "</form>", "</body>"))
    text = original.text.replace(end, f"{quote}{end}", 1) if end in original.text else original.text + quote
    return broken(original, text, "quoted")


def neighbours_answer(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Send the JSON object of another of the site's endpoints."""
    text = json.dumps(chance.choice(NEIGHBOURS))
    return broken(replace(original, truth=Truth()), text, "neighbour")


def key_renamed(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Call one key of a JSON text otherwise wherever it stands, also in a script's state."""
    keys = sorted(set(re.findall(r'"(\w+)": ?', original.text))) or ["x"]
    key = chance.choice(keys)
    new = chance.choice(
        (f"{key}s", f"new_{key}", key.title(), f"{key}V2", "date" + key[:1].upper() + key[1:])
    )
    text = re.sub(rf'"{key}"(?=: ?)', f'"{new}"', original.text)
    return broken(original, text, "key renamed", may_erase=True, may_mend=True)


DOUBTFUL_JSON: tuple[Way, ...] = (words_of_trouble, neighbours_answer, key_renamed)
DOUBTFUL: tuple[Way, ...] = (
    words_of_trouble,
    hidden_by_itself,
    sentence_quoted,
    hidden_by_itself,
    key_renamed,
)
JSON_WAYS: tuple[Way, ...] = (
    *DOUBTFUL_JSON,
    ways.one_thing_less,
    ways.one_field_renamed,
    ways.one_list_emptied,
    ways.one_value_otherwise,
    ways.items_doubled_and_shuffled,
    ways.cut_off,
    ways.in_the_wrong_charset,
    ways.as_an_error,
    ways.two_bodies,
    ways.replaced_by_a_wall,
)
WAYS: tuple[Way, ...] = (
    *DOUBTFUL,
    ways.nodes_in_another_order,
    ways.one_node_less,
    ways.one_attribute_changed,
    ways.many_things,
    ways.cut_off,
    ways.in_another_language,
    ways.in_the_wrong_charset,
    ways.as_an_error,
    ways.glued,
    ways.text_in_anothers_frame,
    ways.grafted,
    ways.replaced_by_a_wall,
    ways.many_things,
    ways.cut_off,
)


def mutants(
    original: Original, others: Sequence[Original], chance: random.Random, rounds: int
) -> Iterable[Mutant]:
    """Yield broken pages, each way in turn, for so many rounds."""
    chosen = JSON_WAYS if json_documents(original.text) else WAYS
    for way in chosen * rounds:
        yield way(original, chance.choice(others), chance)
