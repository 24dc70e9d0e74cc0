"""Keys come out when their time has come, each once, and nobody is forgotten: against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truebook.pacing.waiting import Waiting

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abcd"), st.integers(0, 30)),
        st.tuples(st.just("discard"), st.sampled_from("abcd"), st.just(0)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 10)),
    )
)


def test_keys_come_by_time_and_among_equals_in_their_order() -> None:
    waiting = Waiting()
    for key, at_us in (("late", 9), ("second", 5), ("third", 5), ("first", 1)):
        waiting.add(key, at_us)
    assert waiting.take(0) == []
    assert waiting.take(5) == ["first", "second", "third"]
    assert len(waiting) == 1 and "late" in waiting


def test_a_key_that_waits_already_keeps_its_time() -> None:
    waiting = Waiting()
    waiting.add("a", 5)
    waiting.add("a", 1)
    assert waiting.take(4) == []
    assert waiting.take(5) == ["a"]


def test_a_discarded_key_comes_only_for_its_new_time() -> None:
    waiting = Waiting()
    waiting.add("a", 5)
    waiting.discard("a")
    waiting.add("a", 5)
    waiting.discard("a")
    waiting.add("a", 8)
    assert (waiting.take(7), waiting.take(8), waiting.take(9)) == ([], ["a"], [])


@given(STEPS)
def test_it_answers_as_a_dictionary_would(steps: list[tuple[str, str, int]]) -> None:
    waiting, model, now_us = Waiting(), dict[str, int](), 0
    for what, key, number in steps:
        if what == "add":
            waiting.add(key, number)
            model.setdefault(key, number)
        elif what == "discard":
            waiting.discard(key)
            model.pop(key, None)
        else:
            now_us += number
            due = {key for key, at_us in model.items() if at_us <= now_us}
            assert set(waiting.take(now_us)) == due
            model = {key: at_us for key, at_us in model.items() if key not in due}
        assert len(waiting) == len(model)
