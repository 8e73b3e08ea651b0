# SPDX-License-Identifier: Apache-2.0
"""Every request for a state, from every state, with and without the right Transaction UID."""

import pytest

from healthvision.domains.integration import states
from healthvision.domains.integration.errors import BadTransaction, WrongState

HELD, OTHER = "2.25.1", "2.25.2"
S, P, D, X = states.STATES
# state, wanted, Transaction UID -> state after, 'warning', BadTransaction or WrongState
TABLE = [
    (S, S, HELD, WrongState),
    (S, P, HELD, P),
    (S, P, "", BadTransaction),
    (S, D, HELD, WrongState),
    (S, X, HELD, WrongState),
    (P, S, HELD, WrongState),
    (P, P, HELD, WrongState),
    (P, P, OTHER, WrongState),
    (P, D, HELD, D),
    (P, D, OTHER, BadTransaction),
    (P, D, "", BadTransaction),
    (P, X, HELD, X),
    (P, X, OTHER, BadTransaction),
    (D, S, HELD, WrongState),
    (D, P, HELD, WrongState),
    (D, D, HELD, "warning"),
    (D, D, OTHER, BadTransaction),
    (D, X, HELD, WrongState),
    (X, S, HELD, WrongState),
    (X, P, HELD, WrongState),
    (X, D, HELD, WrongState),
    (X, X, HELD, "warning"),
    (X, X, OTHER, BadTransaction),
]


class TestMove:
    @pytest.mark.parametrize(("state", "wanted", "given", "outcome"), TABLE)
    def test_follows_the_table_of_the_standard(
        self, state: str, wanted: str, given: str, outcome: str | type[Exception]
    ) -> None:
        held = "" if state == S else HELD
        if isinstance(outcome, type):
            with pytest.raises(outcome):
                states.move(state, wanted, held, given)
            return
        found = states.move(state, wanted, held, given)
        assert (found.to or "warning") == outcome
        assert bool(found.warning) == (outcome == "warning")

    def test_the_table_has_every_pair(self) -> None:
        assert {(a, b) for a, b, *_ in TABLE} == {
            (a, b) for a in states.STATES for b in (S, P, D, X)
        }


class TestMayUpdate:
    @pytest.mark.parametrize(
        ("state", "given", "problem"),
        [
            (S, "", None),
            (S, HELD, BadTransaction),
            (P, HELD, None),
            (P, "", BadTransaction),
            (P, OTHER, BadTransaction),
            (D, HELD, WrongState),
            (X, HELD, WrongState),
        ],
    )
    def test_only_the_claimer_changes_a_claimed_item(
        self, state: str, given: str, problem: type[Exception] | None
    ) -> None:
        if problem is None:
            states.may_update(state, HELD, given)
            return
        with pytest.raises(problem):
            states.may_update(state, HELD, given)
