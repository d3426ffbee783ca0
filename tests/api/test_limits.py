"""Limits: how many may watch at once, and that each slot is free again."""

from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.limits import Slots, TooManyWatchers


def test_a_caller_is_refused_at_its_own_bound_and_others_are_not() -> None:
    """The bound per caller is the caller's own."""
    slots = Slots(total=10, per_caller=2)
    with ExitStack() as held:
        held.enter_context(slots.slot("a"))
        held.enter_context(slots.slot("a"))
        with pytest.raises(TooManyWatchers, match="from your address") as refused, slots.slot("a"):
            pass
        assert refused.value.of_caller
        held.enter_context(slots.slot("b"))
        assert slots.taken == 3
    assert slots.taken == 0


def test_everybody_is_refused_at_the_bound_of_the_process() -> None:
    """The bound of the process counts all callers, and is told apart from the caller's own."""
    slots = Slots(total=2, per_caller=2)
    with slots.slot("a"), slots.slot("b"):
        with pytest.raises(TooManyWatchers, match="on this server") as refused, slots.slot("c"):
            pass
        assert not refused.value.of_caller
    with slots.slot("c"):
        assert slots.taken == 1


def test_a_slot_is_free_again_after_an_error() -> None:
    """A slot is freed on each way out, and a refused caller has taken none."""
    slots = Slots(total=1, per_caller=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), slots.slot("a"):
            raise ValueError("broken")
        with slots.slot("a"), pytest.raises(TooManyWatchers), slots.slot("a"):
            pass
    assert slots.taken == 0


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 8), st.integers(1, 4))
def test_the_bounds_hold_for_any_callers(callers: list[str], total: int, per_caller: int) -> None:
    """Whoever comes in whatever order: never more than the bounds, and refused only at one of them."""
    slots, inside = Slots(total, per_caller), list[str]()
    with ExitStack() as held:
        for caller in callers:
            room = len(inside) < total and inside.count(caller) < per_caller
            with suppress(TooManyWatchers):
                held.enter_context(slots.slot(caller))
                assert room
                inside.append(caller)
                room = False
            assert not room
            assert slots.taken == len(inside)
    assert slots.taken == 0
