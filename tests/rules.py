"""The rules that must never break, by the number that their tests carry.

`@pytest.mark.rule("3.2")` marks a test that holds rule 2 of the design's section 3. 4 and 6 are statements of the
sections on the schedule and on notifications that a single test could lose.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULES = {
    "3.1": "Every check ends in one row with one outcome: a refusal, a time-out, half a page, a fault in a reader, a row that the database will not have",
    "3.2": "Slots and their absence are both proven: by a moment or the structural mark of an open desk, by the platform's own sentence for everything that was asked; a wall is neither",
    "3.3": "What was seen opens, whatever failed elsewhere; only a conclusive reading that covered a slot's place and day closes it; a late or overtaken result changes no slot; what is not seen and whose place and day are not covered lapses",
    "3.4": "A slot is told once while it stays open, and to everyone who waits, those who come later too; one that is back within five minutes is the same, later it is another",
    "3.5": "The table is the truth, the queue a nudge: committed together, nudged afterwards, found by the sweep when lost; whoever dies loses nothing",
    "3.6": "No database connection is held while a site or a provider answers; nothing blocks the crawl's event loop; a row that poisons its batch is tried alone",
    "3.7": "One slow site delays no other: one deadline over all requests of a check, more places than hosts that could hang",
    "3.8": "No captcha is solved, no slot taken, no user's login used",
    "3.9": "Politeness is in the code: a budget per host in requests, one visit to a host at a time, a floor between visits, rest after a block",
    "3.10": "Bad input gets a clear error: what, where, what to do",
    "3.11": "Outside production no program reaches another machine: downloader, channels, redirects, proxies",
    "3.12": "A part of a loop that fails is logged and named by health; the other parts run",
    "4.1": "Desks without subscribers come after all others, until they are half an hour late",
    "4.2": "A claim waits until its visit can prove something, and for no more than its bucket can hold",
    "4.3": "A request that may not be made counts as no failure",
    "4.4": "A Redis emptied twice, or restored from an older state, gives no two running checks one token and costs a desk one check",
    "4.5": "A clock that is a day off stops no check and tells no open slot twice",
    "4.6": "Desks start spread over their interval",
    "4.7": "Who begins or ends to wait is planned within seconds, whatever row says so",
    "4.8": "A captcha counts towards the pause, but not where the page always has one; unreadable pages slow and tell from the second on",
    "4.9": "No proof delays a check, a commit or an alert; what is kept is what was fetched; nothing leaves while its picture is taken; its link is good for an hour",
    "4.10": "A desk has one outage at most, which keeps its reason and ends with what was proven later",
    "4.11": "Nothing more is asked of a host that an operator stopped, not even what is paid for",
    "4.12": "Slots are called gone when a check five minutes later did not show them either",
    "4.13": "No reader's time grows faster than its page, whatever that repeats",
    "4.14": "A server that is frozen is given up on",
    "6.1": "A lease is respected, runs out, and is taken over; whoever is late changes nothing; what was not tried costs nothing",
    "6.2": "A provider's outage ends no slot alert; what may have arrived is sent again after ever longer waits, an SMS four times at most",
    "6.3": "A call to a provider ends in time as a whole, and only what was not sent counts as not taken",
    "6.4": "A notification that cannot be read keeps no other; an unknown kind waits for a newer worker",
    "6.5": "A dead letter is told anew by half an hour later, and never beside another message",
    "6.6": "A nudge that fails breaks nothing; a job whose database is away is one line",
    "6.7": "No contact is sent more slot alerts in an hour than its cap; what waits leaves as one message",
    "6.8": "No second holds more messages than the provider's rate, and none of lower priority delays a critical one",
    "11.1": "What one untrusted person saw is told to those who asked for doubt; all are told what a trusted person or two unrelated ones saw; nobody alone ends or corroborates",
    "6.9": "An SMS is never longer than its provider takes, and cuts no link",
}


@cache
def list_marks() -> list[tuple[str, str, str]]:
    """Return each mark: the rule's number, the test's file and name."""
    return list(_find_marks())


def _find_marks() -> Iterator[tuple[str, str, str]]:
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        text = file.read_text()
        if "mark.rule(" not in text:
            continue
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef):
                for number in _numbers(function):
                    yield number, str(file.relative_to(ROOT)), function.name


def _numbers(function: ast.FunctionDef) -> list[str]:
    calls = [each for each in function.decorator_list if isinstance(each, ast.Call)]
    marks = [each for each in calls if ast.unparse(each.func) == "pytest.mark.rule"]
    return [number for mark in marks for number in map(ast.literal_eval, mark.args)]
