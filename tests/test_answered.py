"""What of a conversation is trained: up to the last answer, and no turn in which nothing is said."""

from __future__ import annotations

from datagen.answered import all_up_to_last_answer, untaught_turns
from datagen.data.rows import new_row, turn


def chat(*turns: tuple[str, str]):
    return new_row(messages=[turn(role, text) for role, text in turns])


ASK, ANSWER = ("user", "Name a moon."), ("assistant", "Io.")


def test_a_conversation_ends_with_its_last_answer_and_keeps_its_id() -> None:
    row = chat(ASK, ANSWER, ("user", "Thanks"), ("system", "Bye"))
    (found,), left_out = all_up_to_last_answer([row])
    assert [(t["role"], t["content"]) for t in found["messages"]] == [ASK, ANSWER]
    assert (found["id"], left_out, untaught_turns([row])) == (row["id"], [], {"turns_cut": 2})
    assert len(row["messages"]) == 4


def test_a_conversation_without_an_answer_is_left_out_with_its_reason() -> None:
    alone, blank = chat(ASK), chat(ASK, ("assistant", " "))
    assert all_up_to_last_answer([alone, blank]) == (
        [],
        [(alone["id"], "unanswered_turn"), (blank["id"], "unanswered_turn")],
    )


def test_an_empty_answer_in_the_middle_is_shown_but_not_learned_and_counted() -> None:
    row = chat(ASK, ("assistant", ""), ("user", "Please answer."), ANSWER)
    (found,), _ = all_up_to_last_answer([row])
    assert [t["train"] for t in found["messages"]] == [None, False, None, None]
    assert untaught_turns([row]) == {"empty_answers": 1}


def test_an_answer_that_nobody_can_see_is_empty() -> None:
    row = chat(ASK, ANSWER, ("user", "And?"), ("assistant", " \u200b\ufeff"))
    (found,), _ = all_up_to_last_answer([row])
    assert [t["content"] for t in found["messages"]] == ["Name a moon.", "Io."]
    assert all_up_to_last_answer([alone := chat(ASK, ("assistant", "\u3164"))]) == ([], [(alone["id"], "unanswered_turn")])


def test_a_call_is_an_answer_and_plain_rows_stay_the_same() -> None:
    call = new_row(messages=[turn("user", "x?"), turn("assistant", None, tool_calls='{"name": "f"}')])
    plain = new_row(instruction="Name a moon.", output="Io.")
    found, left_out = all_up_to_last_answer([call, plain])
    assert (found[0] is call, found[1] is plain, left_out, untaught_turns([call, plain])) == (True, True, [], {})
