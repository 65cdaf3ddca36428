"""Ways to break a page, or to make it doubtful. Each takes an original, another and a random source, and returns the page and its losses."""

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree, html
from lxml.html import defs

from crawler.reading import Page
from tests.mutation.pages import Original, Truth

Tree = html.HtmlElement
ENGLISH = {
    "plage horaire": "time slot",
    "calendrier disponible": "calendar available",
    "libre": "free",
    "complet": "taken",
    "Etape suivante": "Next step",
    "Semaine du": "Week of",
    "surchargé": "overloaded",
    "Il n'existe plus": "There is no more",
}
CHARSETS = ("utf-16", "utf-16-be", "latin-1", "cp037", "utf-7", "ascii", "hex", "shift_jis", "koi8-r")
FORM = "9845"  # the golden desk's, its place where it offers no choice
BOT_WALL = re.compile(r"(?i)id=.(?:challenge-form|cf-error-details)|_cf_chl_opt|<iframe[^>]+_incapsula_")
HIDING = ("script", "style", "noscript", "template", "textarea")
Change = Callable[[Any, random.Random], None]
Way = Callable[[Original, Original, random.Random], "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """A broken page. `text`: all it says, decoded as meant; `may_erase`: whether whole nodes may be gone for good;
    `may_mend`: whether what was wrong with the page may be. `truth`: the most that it can prove. `walled`: a bot wall's or an error's answer, whatever else is in it.
    `may_cover`: False where its only absence is taken back by words of trouble.
    """

    page: Page
    text: str
    truth: Truth
    how: str
    may_erase: bool = False
    may_mend: bool = False
    walled: bool = False
    may_cover: bool = True


def broken(original: Original, text: str, how: str, **more: bool) -> Mutant:
    page = replace(original.page, body=text.encode("utf-8", "replace"))
    return Mutant(page, text, original.truth, how, **more)


# Nodes


def _drop(root: Tree, chance: random.Random) -> None:
    node = any_node(root, chance)
    if node.getparent() is not None:
        node.drop_tree()


def _empty(root: Tree, chance: random.Random) -> None:
    node = any_node(root, chance)
    node[:], node.text = [], None


def _shuffle(root: Tree, chance: random.Random) -> None:
    node = any_node(root, chance)
    children = list(node)
    chance.shuffle(children)
    node[:] = children


def _move(root: Tree, chance: random.Random) -> None:
    node, into = any_node(root, chance), any_node(root, chance)
    void = into.tag in defs.empty_tags  # what is moved into those is written nowhere
    if node.getparent() is not None and not void and into not in list(node.iter()):
        into.append(node)


def _double(root: Tree, chance: random.Random) -> None:
    node = any_node(root, chance)
    if (parent := node.getparent()) is not None:
        parent.append(deepcopy(node))


def _attribute(root: Tree, chance: random.Random) -> None:
    """Remove, rename, shout, cut short or swap one attribute."""
    node = chance.choice([each for each in root.iter(etree.Element) if each.attrib] or [root])
    if not node.attrib:
        return
    name = chance.choice(sorted(node.attrib))
    value = node.attrib.pop(name)
    way = chance.randrange(5)
    if way == 1:
        node.set(f"data-{name}", value)
    elif way == 2:
        node.set(name, value.upper())
    elif way == 3:
        node.set(name, value[: chance.randrange(len(value) + 1)])
    elif way == 4:
        twin = chance.choice([each for each in root.iter(etree.Element) if name in each.attrib] or [node])
        node.set(name, twin.get(name, value))
        twin.set(name, value)


def _hide(root: Tree, chance: random.Random) -> None:
    """Move a node to an invisible place: a comment, a script, a template."""
    node = any_node(root, chance)
    parent = node.getparent()
    if parent is None:
        return
    hidden = _hidden(node, chance.choice(("comment", *HIDING)))
    hidden.tail, node.tail = node.tail, None
    parent.insert(parent.index(node), hidden)
    parent.remove(node)


def _hidden(node: Tree, how: str) -> Any:
    text = html.tostring(node, encoding="unicode", with_tail=False)
    if how == "comment":
        return etree.Comment(text.replace("--", "- -"))
    hidden = html.Element(how)
    if how in ("template", "noscript"):
        hidden.append(deepcopy(node))
        hidden[0].tail = None
    else:
        hidden.text = text
    return hidden


def any_node(root: Tree, chance: random.Random) -> Tree:
    return chance.choice(list(root.iter(etree.Element)))


KEEPING = (_shuffle, _move, _double)
ERASING = (_drop, _empty, _attribute, _hide)


def _change_tree(how: str, choose: Callable[[random.Random], Sequence[Change]], **may: bool) -> Way:
    def way(original: Original, _other: Original, chance: random.Random) -> Mutant:
        root = deepcopy(original.page.root)
        for change in choose(chance):
            change(root, chance)
        return broken(original, html.tostring(root, encoding="unicode"), how, may_mend=True, **may)

    return way


nodes_in_another_order = _change_tree("order", lambda chance: chance.choices(KEEPING, k=chance.randint(1, 3)))
one_node_less = _change_tree("less", lambda chance: [chance.choice(ERASING)], may_erase=True)
one_attribute_changed = _change_tree("attribute", lambda _chance: [_attribute])
many_things = _change_tree(
    "many", lambda chance: chance.choices(KEEPING + ERASING, k=chance.randint(2, 5)), may_erase=True
)


# Texts


def cut_off(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Truncate: what came last never came, and nothing else was touched."""
    return broken(original, original.text[: chance.randrange(len(original.text))], "cut off", may_mend=True)


def in_another_language(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Translate some or all of the words."""
    text = original.text
    for french in chance.sample(sorted(ENGLISH), k=chance.randint(1, len(ENGLISH))):
        text = text.replace(french, ENGLISH[french])
    return broken(original, text, "language")


def in_the_wrong_charset(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Send it in one charset and call it another."""
    really, said = chance.choice((*CHARSETS[:5], "utf-8")), chance.choice(CHARSETS)
    body = original.text.encode(really, "replace")
    headers = {**original.page.headers, "content-type": f"text/html; charset={said}"}
    page = replace(original.page, body=body, headers=headers if chance.random() < 0.7 else {})
    return Mutant(page, original.text, original.truth, f"charset {really} called {said}")


def as_an_error(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Send it with a status that refuses."""
    status = chance.choice((401, 403, 404, 410, 429, 500, 502, 503, 520))
    page = replace(original.page, status=status)
    return Mutant(page, original.text, original.truth, f"status {status}", walled=True)


# JSON: one document, or one on each line


def json_documents(text: str) -> list[Any]:
    """Return the documents of a text, none where it is anything else."""
    for texts in ([text], text.splitlines()):
        try:
            return [json.loads(each) for each in texts]
        except json.JSONDecodeError:
            continue
    return []


def _nodes(document: Any) -> list[Any]:
    """Return every list and object in a document that holds something."""
    inner = document.values() if isinstance(document, dict) else document
    here = [document] if isinstance(document, list | dict) and document else []
    return here + [node for each in inner for node in _nodes(each)] if here else []


def _change_json(how: str, change: Change) -> Way:
    """Change one list or object; the documents themselves are such a list."""

    def way(original: Original, _other: Original, chance: random.Random) -> Mutant:
        documents = json_documents(original.text)
        change(chance.choice(_nodes(documents)), chance)
        text = "\n".join(json.dumps(each, ensure_ascii=False) for each in documents)
        return broken(original, text, how, may_erase=True, may_mend=True)

    return way


def _less(node: Any, chance: random.Random) -> None:
    key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
    del node[key]


def _renamed(node: Any, chance: random.Random) -> None:
    if isinstance(node, dict):
        key = chance.choice(list(node))
        node[chance.choice((f"{key}s", key.upper(), f"_{key}"))] = node.pop(key)


def _emptied(node: Any, _chance: random.Random) -> None:
    node.clear()


def _otherwise(node: Any, chance: random.Random) -> None:
    key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
    node[key] = chance.choice((None, "", "x", True, -1, 0.5, [], {}, [None], str(node[key])))


def _more(node: Any, chance: random.Random) -> None:
    if isinstance(node, list):
        node.insert(chance.randrange(len(node) + 1), deepcopy(chance.choice(node)))
        chance.shuffle(node)


JSON_CHANGES = {
    "less": _less, "renamed": _renamed, "emptied": _emptied, "otherwise": _otherwise, "doubled": _more,
}  # fmt: skip


def two_bodies(original: Original, other: Original, chance: random.Random) -> Mutant:
    """Send two bodies as one, behind each other, as lines or not."""
    between = chance.choice(("", "\n", ","))
    one, two = chance.sample((original.text, other.text), 2)
    return replace(_both(original, other, one + between + two, "and"), may_erase=True, may_mend=True)


# Two pages


def _both(original: Original, other: Original, text: str, how: str) -> Mutant:
    """Allow what both prove, the other's as if it had come to what was asked here."""
    ask = original.page.ask
    there = other.truth.covered if ask.window else other.truth.alone
    place = None if ask.place.key in ("", FORM) else ask.place.key
    here = tuple(replace(each, place_key=place) for each in there)
    truth = original.truth.and_(replace(other.truth, covered=here))
    page = replace(original.page, body=text.encode("utf-8", "replace"), status=200)
    return Mutant(page, text, truth, f"{how} {other.name}", walled=BOT_WALL.search(text) is not None)


def glued(original: Original, other: Original, chance: random.Random) -> Mutant:
    """Send two pages as one: one behind the other, or one inside the other's body."""
    one, two = (original.text, other.text) if chance.random() < 0.5 else (other.text, original.text)
    # With its title, which may be what says that it answers nothing.
    inside = re.sub(r"(?is)^.*?(?=<title>|<body[^>]*>)|</?(?:head|body|html)\b[^>]*>", "", two)
    text = (
        one + two
        if chance.random() < 0.5 or "</body>" not in one
        else one.replace("</body>", f"{inside}</body>")
    )
    return _both(original, other, text, "glued to")


def text_in_anothers_frame(original: Original, other: Original, chance: random.Random) -> Mutant:
    """Write the text of one page into an element of another."""
    root = deepcopy(original.page.root)
    any_node(root, chance).text = " ".join(
        map(str, other.page.root.xpath("//body//text()[not(ancestor::script)]"))
    )
    mutant = _both(original, other, html.tostring(root, encoding="unicode"), "with the text of")
    return replace(mutant, may_erase=True, may_mend=True)


def grafted(original: Original, other: Original, chance: random.Random) -> Mutant:
    """Put a node of one page into another."""
    root = deepcopy(original.page.root)
    chance.choice(root.xpath("//body/descendant-or-self::*[not(self::script or self::style)]")).append(
        deepcopy(any_node(other.page.root, chance))
    )
    mutant = _both(original, other, html.tostring(root, encoding="unicode"), "with a node of")
    return replace(mutant, may_erase=True, may_mend=True)


def replaced_by_a_wall(original: Original, other: Original, _chance: random.Random) -> Mutant:
    """Send another page's body, a wall's among them, with status 200 instead of what was asked."""
    return _both(replace(original, truth=Truth()), other, other.text, "replaced by")


# Doubtful, but not broken: words of trouble, hiding, quotes, neighbours, other names

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


JSON_WAYS: tuple[Way, ...] = (
    words_of_trouble,
    neighbours_answer,
    key_renamed,
    *(_change_json(how, change) for how, change in JSON_CHANGES.items()),
    cut_off,
    in_the_wrong_charset,
    as_an_error,
    two_bodies,
    replaced_by_a_wall,
)
WAYS: tuple[Way, ...] = (
    words_of_trouble,
    hidden_by_itself,
    sentence_quoted,
    hidden_by_itself,
    key_renamed,
    nodes_in_another_order,
    one_node_less,
    one_attribute_changed,
    many_things,
    cut_off,
    in_another_language,
    in_the_wrong_charset,
    as_an_error,
    glued,
    text_in_anothers_frame,
    grafted,
    replaced_by_a_wall,
    many_things,
    cut_off,
)


def mutants(
    original: Original, others: Sequence[Original], chance: random.Random, rounds: int
) -> Iterable[Mutant]:
    """Yield broken pages, each way in turn, for so many rounds."""
    chosen = JSON_WAYS if json_documents(original.text) else WAYS
    for way in chosen * rounds:
        yield way(original, chance.choice(others), chance)
