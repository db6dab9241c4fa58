"""What the differences of two canonical forms amount to."""

from __future__ import annotations

import pytest

from core.postgres.fingerprint import FOREIGN_KEY_ORDER, Difference
from core.retype.differences import Meaning, weigh
from core.retype.proof import advice_on

UUID, VARCHAR = "uuid", "character varying(36)"
KEY = Difference("column public.users.id", "type", UUID, VARCHAR)


@pytest.mark.parametrize(
    ("difference", "meaning"),
    [
        (Difference("column public.deals.owner_id", "type", UUID, VARCHAR), "key type"),
        (Difference("column public.deals.value", "type", "integer", "bigint"), "other"),
        (
            Difference("constraint public.t.c", "definition", "CHECK ((a <> b))", "CHECK (((a)::text <> (b)::text))"),
            "spelling",
        ),
        (Difference("constraint public.t.c", "definition", "CHECK ((a <> b))", "CHECK ((a < b))"), "other"),
        (Difference("policy public.t.p", "using", "(a = b)", "((a)::text = (b)::text)"), "spelling"),
        (Difference("column public.t.a", "comment", "x", "y"), "other"),
        (Difference("view public.v", "", {"owner": "app"}, None), "other"),
    ],
)
def test_each_difference_has_a_meaning(difference: Difference, meaning: Meaning) -> None:
    assert [found.meaning for found in weigh((KEY, KEY, difference))] == ["key type", "key type", meaning]


def test_without_a_changed_type_everything_is_another_difference() -> None:
    found = weigh((Difference("policy public.t.p", "using", "(a = b)", "((a)::text = (b)::text)"),))
    assert [weighed.meaning for weighed in found] == ["other"]


def test_foreign_keys_in_another_order_are_a_matter_of_numbers_and_nothing_else_is() -> None:
    order = Difference("table public.t", FOREIGN_KEY_ORDER, ["t.a", "t.b"], ["t.b", "t.a"])
    assert advice_on((order, order)).startswith("Try again")
    assert "Try again" not in advice_on((order, KEY))
