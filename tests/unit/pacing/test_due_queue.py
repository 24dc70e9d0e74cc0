"""Keys are returned when due, each once, and none is lost: compared with a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truebook.pacing.due_queue import DueQueue

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abcd"), st.integers(0, 30)),
        st.tuples(st.just("discard"), st.sampled_from("abcd"), st.just(0)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 10)),
    )
)


def test_keys_are_returned_by_time_then_by_addition() -> None:
    queue = DueQueue()
    for key, at_us in (("late", 9), ("second", 5), ("third", 5), ("first", 1)):
        queue.add(key, at_us)
    assert queue.take(0) == []
    assert queue.take(5) == ["first", "second", "third"]
    assert len(queue) == 1 and "late" in queue


def test_a_queued_key_keeps_its_time() -> None:
    queue = DueQueue()
    queue.add("a", 5)
    queue.add("a", 1)
    assert queue.take(4) == []
    assert queue.take(5) == ["a"]


def test_a_discarded_key_is_due_at_its_new_time() -> None:
    queue = DueQueue()
    queue.add("a", 5)
    queue.discard("a")
    queue.add("a", 5)
    queue.discard("a")
    queue.add("a", 8)
    assert (queue.take(7), queue.take(8), queue.take(9)) == ([], ["a"], [])


@given(STEPS)
def test_it_behaves_like_a_dictionary(steps: list[tuple[str, str, int]]) -> None:
    queue, model, now_us = DueQueue(), dict[str, int](), 0
    for what, key, number in steps:
        if what == "add":
            queue.add(key, number)
            model.setdefault(key, number)
        elif what == "discard":
            queue.discard(key)
            model.pop(key, None)
        else:
            now_us += number
            due = {key for key, at_us in model.items() if at_us <= now_us}
            assert set(queue.take(now_us)) == due
            model = {key: at_us for key, at_us in model.items() if key not in due}
        assert len(queue) == len(model)
