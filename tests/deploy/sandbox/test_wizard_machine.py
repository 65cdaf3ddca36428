"""The wizard against a model of ten lines: any order of steps, choices, slots that open and go."""

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from deploy.sandbox.running import Running

FORM = 16105
BASE = f"/booking/create/{FORM}"
PLANNINGS = (16106, 16107)
plannings = st.sampled_from(PLANNINGS)
SENTENCE = "Il n'existe plus de plage horaire libre"


class Wizard(RuleBasedStateMachine):
    """One visitor of one form with two plannings; the model is where the visitor may be."""

    sandbox: ClassVar[Running]
    arrives: ClassVar[Callable[[str | int], Any]]

    @initialize()
    def arrive(self) -> None:
        self.sandbox.reset()
        self.visitor = type(self).arrives(93)
        self.open: dict[int, int] = dict.fromkeys(PLANNINGS, 0)
        self.known = self.accepted = self.read_terms = False
        self.chosen: int | None = None

    @property
    def free(self) -> bool:
        return self.chosen is not None and self.open[self.chosen] > 0

    @rule(planning=plannings, count=st.integers(1, 3))
    def slots_open(self, planning: int, count: int) -> None:
        self.sandbox.open_slots(93, FORM, planning=planning, count=count)
        self.open[planning] += count

    @rule(planning=plannings)
    def slots_go(self, planning: int) -> None:
        taken = self.sandbox.take_slots(93, FORM, planning=planning)
        assert len(taken) == self.open[planning]
        self.open[planning] = 0

    @rule()
    def read_conditions(self) -> None:
        assert 'id="condition"' in self.visitor.get(f"{BASE}/0").text
        self.known = True

    @rule()
    def accept_conditions(self) -> None:
        answer = self.visitor.send(f"{BASE}/0", condition="on", nextButton="x")
        if not self.known:
            assert (answer.status, self.known) == (200, False)
            self.known = True
            return
        assert answer.location == f"{BASE}/1"
        self.accepted, self.chosen, self.read_terms = True, None, False

    @rule(planning=plannings)
    def choose(self, planning: int) -> None:
        answer = self.visitor.send(f"{BASE}/1", planning=str(planning), nextButton="x")
        if not self.accepted:
            assert answer.location == f"{BASE}/0"
            return
        self.chosen = planning
        assert answer.location == f"{BASE}/{3 if self.free else 2}"

    @rule()
    def look_at_the_verdict(self) -> None:
        answer = self.visitor.get(f"{BASE}/2")
        self.expect(answer, at=2, page=self.chosen is not None and not self.free)
        assert (SENTENCE in answer.text) == (answer.status == 200)

    @rule()
    def look_at_the_terms(self) -> None:
        self.expect(self.visitor.get(f"{BASE}/3"), at=3, page=self.free)

    @rule()
    def accept_the_terms(self) -> None:
        answer = self.visitor.send(f"{BASE}/3", nextButton="Etape suivante")
        if self.accepted and self.free:
            assert answer.location == f"{BASE}/4"
            self.read_terms = True
        else:
            assert answer.location != f"{BASE}/4"

    @rule()
    def look_at_the_calendar_page(self) -> None:
        answer = self.visitor.get(f"{BASE}/4")
        self.expect(answer, at=4, page=self.chosen is not None and self.read_terms)
        if answer.status == 200:
            assert f"::assign::{FORM}::{self.chosen}::" in answer.text

    @rule(planning=plannings)
    def ask_for_all_weeks(self, planning: int) -> None:
        call = f"/ezjscore/call/bookingserver::planning::assign::{FORM}::{planning}"
        pages = [self.visitor.get(f"{call}::{days}") for days in range(0, 35, 7)]
        if not self.accepted:
            assert {page.location for page in pages} == {f"{BASE}/0"}
            return
        assert sum(page.text.count(f"{BASE}/5/") for page in pages) == self.open[planning]

    def expect(self, answer: Any, *, at: int, page: bool) -> None:
        """A page where the model allows it, otherwise a way to another step."""
        assert answer.status == (200 if page else 302)
        if not self.accepted:
            assert answer.location == f"{BASE}/0"
        elif not page:
            assert answer.location != f"{BASE}/{at}"

    @invariant()
    def nothing_is_reserved(self) -> None:
        assert self.sandbox.reservations(93) == 0


def test_the_wizard_agrees_with_its_model(sandbox: Running, visit: Callable[[str | int], Any]) -> None:
    wired = type("WiredWizard", (Wizard,), {"sandbox": sandbox, "arrives": staticmethod(visit)})
    few = settings(max_examples=30, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(wired, settings=few)
