"""Mutations that break a page. Each takes an original and a random source, and returns the page and its losses."""

import json
import random
import re
from collections.abc import Callable, Sequence
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


def _tree(
    original: Original, ways: Sequence[Callable[[Tree, random.Random], None]], chance: random.Random
) -> str:
    root = deepcopy(original.page.root)
    for way in ways:
        way(root, chance)
    return html.tostring(root, encoding="unicode")


def nodes_in_another_order(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Shuffle, move, double: everything is still there."""
    return broken(
        original,
        _tree(original, chance.choices(KEEPING, k=chance.randint(1, 3)), chance),
        "order",
        may_mend=True,
    )


def one_node_less(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Drop, empty, hide one node, or change an attribute."""
    return broken(
        original, _tree(original, [chance.choice(ERASING)], chance), "less", may_erase=True, may_mend=True
    )


def one_attribute_changed(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Change one attribute."""
    return broken(original, _tree(original, [_attribute], chance), "attribute", may_mend=True)


def many_things(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Do several of it at once."""
    ways = chance.choices(KEEPING + ERASING, k=chance.randint(2, 5))
    return broken(original, _tree(original, ways, chance), "many", may_erase=True, may_mend=True)


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


def _json(
    original: Original, change: Callable[[Any, random.Random], None], chance: random.Random, how: str
) -> Mutant:
    """Change one list or object; the documents themselves are such a list."""
    documents = json_documents(original.text)
    change(chance.choice(_nodes(documents)), chance)
    text = "\n".join(json.dumps(each, ensure_ascii=False) for each in documents)
    return broken(original, text, how, may_erase=True, may_mend=True)


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


def one_thing_less(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Take one field or one item out."""
    return _json(original, _less, chance, "less")


def one_field_renamed(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Rename one field and keep its value."""
    return _json(original, _renamed, chance, "renamed")


def one_list_emptied(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Empty one list or object."""
    return _json(original, _emptied, chance, "emptied")


def one_value_otherwise(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Put something of another kind where a value stood."""
    return _json(original, _otherwise, chance, "otherwise")


def items_doubled_and_shuffled(original: Original, _other: Original, chance: random.Random) -> Mutant:
    """Double an item of a list and change their order."""
    return _json(original, _more, chance, "doubled")


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
