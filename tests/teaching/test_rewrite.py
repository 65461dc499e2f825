"""`rewrite`: better answers grounded in the old ones, and what is not faithful dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest

ROW = {"instruction": "How many are 2 and 3?", "output": "#### 5", "category": "maths"}


def test_the_new_answer_takes_the_place_of_the_old_one_which_stays_as_reference(taught: Any, saying: Any) -> None:
    with saying(lambda prompt: "Two and three are five.") as server:
        [row], dropped, result = taught("rewrite", [ROW], server)
    assert row["output"] == "Two and three are five." and not dropped
    assert json.loads(row["extra"]) == {"category": "maths", "reference": "#### 5"}
    assert "<<<\n#### 5\n>>>" in server.bodies[0]["messages"][0]["content"]
    assert (result.folder / "rewritten").is_dir()


@pytest.mark.parametrize("how", ["chain_of_thought", "step_back"])
def test_reasoning_that_ends_in_another_answer_is_dropped(taught: Any, saying: Any, how: str) -> None:
    with saying(lambda prompt: "First 2, then 3 more.\n#### 6") as server:
        kept, [lost], _ = taught("rewrite", [ROW], server, how=how)
    assert not kept and lost["reason"] == "other_answer" and lost["evidence"].startswith("6 in place of 5")
    with saying(lambda prompt: "First 2, then 3 more.\n#### 5") as server:
        kept, _, _ = taught("rewrite", [ROW], server, how=how, out="right")
    assert kept[0]["output"].endswith("#### 5")


def test_grounded_adds_no_number(taught: Any, saying: Any) -> None:
    rows = [{"instruction": f"Tell me of {w}.", "output": f"We at {w} sell 40 kinds since 1990."} for w in ("tea", "coffee")]
    said = {"tea": "They have sold 40 kinds since 1990.", "coffee": "They have sold 41 kinds since 1990."}
    with saying(lambda prompt: said["tea" if "We at tea" in prompt else "coffee"]) as server:
        [kept], [lost], _ = taught("rewrite", rows, server, how="grounded")
    assert kept["output"] == said["tea"] and (lost["reason"], lost["output"]) == ("not_grounded", rows[1]["output"])


def test_only_answers_that_repeat_an_earlier_one_are_written_anew(taught: Any, saying: Any) -> None:
    words = ["Tea is made of leaves.", "Coffee is made of beans.", "Tea is made of leaves."]
    record = {
        "messages": [m for w in words for m in ({"role": "user", "content": "Go on."}, {"role": "assistant", "content": w})]
    }
    with saying(lambda prompt: "As I said; and it is drunk hot.") as server:
        [row], _, _ = taught(
            "rewrite",
            [
                record,
            ],
            server,
            how="turns",
        )
    assert [m["content"] for m in row["messages"]][1::2] == [*words[:2], "As I said; and it is drunk hot."]
    assert len(server.bodies) == 1
    with saying(lambda prompt: "Tea is made of leaves.") as server:
        kept, [lost], _ = taught("rewrite", [record], server, how="turns", out="again")
    assert not kept and lost["reason"] == "repeats_itself"


def test_a_prompt_of_ones_own_takes_the_place_of_ours_and_a_wrong_one_is_an_error(
    taught: Any, saying: Any, tmp_path: Any
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "rewrite.en.jinja").write_text("Shorter, please: {{ answer }}")
    with saying(lambda prompt: "five") as server:
        taught("rewrite", [ROW], server, prompts=str(folder))
        assert server.bodies[0]["messages"][0]["content"] == "Shorter, please: #### 5"
        (folder / "rewrite.en.jinja").write_text("{{ answr }}")
        from datagen.errors import UsageError

        with pytest.raises(UsageError, match=r"rewrite.en.jinja: 'answr' is undefined; the values are answer, task"):
            taught("rewrite", [ROW], server, prompts=str(folder))


def test_the_rejected_answer_of_a_preference_row_stays_in_extra(taught: Any, saying: Any) -> None:
    record = {"prompt": "Name a river.", "chosen": "The Nile is one.", "rejected": "No."}
    with saying(lambda prompt: "The Nile, in Africa, is a river.") as server:
        [row], _, _ = taught("rewrite", [record], server)
        [answered], _, _ = taught("answer", [record], server, out="answered")
    for one in (row, answered):
        kept = json.loads(one["extra"])
        assert one["candidates"] is None and kept["reference"] == "The Nile is one."
        assert [c["text"] for c in kept["reference_candidates"]] == ["No."]
