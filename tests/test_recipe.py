"""Recipes: what they resolve to, and one line for every way to get one wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from datagen import recipe
from datagen.errors import DataError, UsageError
from datagen.recipe import Recipe, load, make


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Load a recipe from a file of the given text."""
    monkeypatch.chdir(tmp_path)

    def of(text: str, changes: Sequence[str] = (), inputs: Sequence[str] = ()) -> Recipe:
        Path("r.yaml").write_text(text, "utf-8")
        return load(Path("r.yaml"), changes, inputs)

    return of


MIX = "input: a.jsonl\nsteps:\n- rules\n- mix: {sources: %s}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a recipe is a map with the keys input and steps, and steps is a list"),
        ("- rules", "a recipe is a map with the keys input and steps"),
        ("just text", "a recipe is a map"),
        ("input: a.jsonl", "steps is a list"),
        ("steps: rules", "steps is a list"),
        ("steps: {rules: {}}", "steps is a list"),
        ("steps: [rules", "not valid YAML: "),
        ("steps: [!!python/object/apply:os.system [ls]]", "not valid YAML: "),
        ("input: a\nstps: [rules]\nsteps: [rules]", "unknown key 'stps'; did you mean 'steps'?"),
        ("input: a\n1: 2\nsteps: [rules]", "unknown key '1'; known: against, encoding, input, limit, map, roles, split, steps"),
        ("input: a\nsteps: [ruls]", "there is no step 'ruls'; did you mean 'rules'?"),
        ("input: a\nsteps: [trian]", "there is no step 'trian'; did you mean 'train'?"),
        ("input: a\nsteps: [my.own.stage]", "there is no step 'my.own.stage'"),
        ("input: a\nsteps: [null]", "a step is a name or a map of one name, such as '- rouge: {threshold: 0.6}', not None"),
        ("input: a\nsteps: [[rules]]", "a step is a name or a map of one name"),
        ("input: a\nsteps: [{rules: {}, rouge: {}}]", "a step is a name or a map of one name"),
        ("input: a\nsteps: [rouge: 0.6]", "step 'rouge': its options are a map, such as {threshold: 0.6}, not 0.6"),
        ("input: a\nsteps: [rouge: [0.6]]", "step 'rouge': its options are a map"),
        ("input: a\nsteps: [rouge: {treshold: 0.6}]", "stage 'rouge' has no option 'treshold'; did you mean 'threshold'?"),
        ("input: a\nsteps: [rouge: {on: 1}]", "stage 'rouge' has no option 'True'; known: against"),
        ("input: a\nsteps: [rules: {threshold: 1}]", "stage 'rules' has no option 'threshold'"),
        ("input: a\nsteps: [rouge: {threshold: high}]", "stage 'rouge', option 'threshold': 'high' is not a number"),
        ("input: a\nsteps: [rouge: {threshold: 2}]", "stage 'rouge': threshold must be at least 0 and below 1, not 2"),
        ("input: a\nsteps: [rouge: {threshold: {a: 1}}]", "option 'threshold': expected one float, not {'a': 1}"),
        ("input: a\nsteps: [rouge: {field: contxt}]", "'contxt' is not one of instruction, context, answer"),
        ("input: a\nsteps: [train: {stps: 5}]", "step 'train' has no option 'stps'; did you mean 'steps'?"),
        ("input: a\nsteps: [train: {steps: few}]", "step 'train', option 'steps': 'few' is not a whole number"),
        ("input: a\nsteps: [train, rules]", "'train' must be the last step"),
        ("input: a\nsteps: [train, train]", "the step 'train' stands more than once"),
        ("steps: [rules]", "nothing to read; give input: [PATH, …], or a generator or a mix as the first step"),
        ("steps: []", "nothing to read"),
        ("steps: [train]", "nothing to read"),
        ("input: a\nsteps: [self_instruct]", "a generator stands only first, and in place of an input"),
        ("input: a\nsteps: [rules, self_instruct]", "a generator stands only first"),
        ("steps: [self_instruct: {n: 0}]", "step 'self_instruct': n must be 1 or more, not 0"),
        ("input: a\nlimit: 0\nsteps: [rules]", "reading: limit must be 1 or more, not 0"),
        ("input: a\nlimit: few\nsteps: [rules]", "reading, option 'limit': 'few' is not a whole number"),
        ("input: a\nlimit: true\nsteps: [rules]", "reading, option 'limit': 'True' is not a whole number"),
        ("input: {a: b}\nsteps: [rules]", "input must be a path or a list of paths, not {'a': 'b'}"),
        ("input: 5\nsteps: [rules]", "input must be a path or a list of paths, not 5"),
        ("input: [null]\nsteps: [rules]", "input must be a path or a list of paths, not [None]"),
        (
            "input: a\nmap: instruction\nsteps: [rules]",
            "map must be a map of names, such as {instruction: question}, not 'instruction'",
        ),
        ("input: a\nmap: [a, b]\nsteps: [rules]", "map must be a map of names"),
        ("input: a\nmap: {instruction: [q]}\nsteps: [rules]", "reading: mapping must be a map of names"),
        ("steps: [mix: {}]", "step 'mix': needs sources, such as NAME=PATH"),
        ("steps: [mix: {sources: a.jsonl}]", "step 'mix', option 'sources': expected names and values, such as"),
        ("steps: [mix: {sources: [a.jsonl]}]", "step 'mix', option 'sources': expected names and values"),
        (
            "steps: [mix: {sources: {a: null}}]",
            "step 'mix': the source 'a': expected a path, a list of paths or {from: STEP}, not None",
        ),
        ("steps: [mix: {sources: {a: 5}}]", "step 'mix': the source 'a': expected a path"),
        ("steps: [mix: {sources: {a: []}}]", "step 'mix': the source 'a': expected a path"),
        ("steps: [mix: {sources: {a: [b, 5]}}]", "step 'mix': the source 'a': expected a path"),
        (
            "steps: [mix: {sources: {a: {path: b}}}]",
            "step 'mix': the source 'a': expected a path, a list of paths or {from: STEP}",
        ),
        (MIX % "{a: b.jsonl}", "step 'mix' must take the rows of the step before it: name a source with {from: rules}"),
        (MIX % "{a: {from: input}}", "step 'mix': 'from: input' is not the step before it, which is 'rules'"),
        (MIX % "{a: {from: rouge}, b: {from: rules}}", "step 'mix': 'from: rouge' is not the step before it"),
        ("steps: [mix: {sources: {a: {from: rules}}}]", "step 'mix': 'from: rules' is not the step before it"),
        (
            "input: a\nsteps: [mix: {sources: {a: {from: input}}}, mix: {sources: {a: b}}]",
            "the step 'mix' stands more than once",
        ),
    ],
)
def test_a_wrong_recipe_is_one_line_that_names_the_file_and_the_key(loaded, text: str, message: str):
    with pytest.raises(UsageError) as error:
        loaded(text)
    assert str(error.value).startswith("r.yaml: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path):
    (tmp_path / "r.yaml").write_bytes(b"steps: [\xff]")
    with pytest.raises(UsageError, match=r"r\.yaml: not valid YAML"):
        load(tmp_path / "r.yaml")
    with pytest.raises(DataError, match=r"no such recipe: none\.yaml"):
        load(Path("none.yaml"))
    with pytest.raises(DataError, match="no such recipe"):
        load(tmp_path)


def test_the_command_line_prints_that_line_and_ends_with_2(datagen, tmp_path: Path):
    (tmp_path / "r.yaml").write_text("input: a.jsonl\nsteps: [rouge: {treshold: 0.6}]")
    done = datagen("run", "r.yaml", "-o", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "datagen: r.yaml: stage 'rouge' has no option 'treshold'; did you mean 'threshold'?\n"
    assert not (tmp_path / "out").exists()


def test_every_option_is_resolved_and_the_written_recipe_is_the_same_recipe(loaded):
    steps = "steps:\n- rules\n- rouge: {threshold: 0.6, same_answer: off}\n"
    made = loaded("input: [a.jsonl, b/]\nmap: {instruction: question}\nlimit: 5\n" + steps)
    assert made.input == ("a.jsonl", "b/")
    assert (made.reading.limit, made.reading.mapping) == (5, {"instruction": "question"})
    assert [s.name for s in made.steps] == ["rules", "rouge"]
    written = made.written()
    assert list(written) == ["input", "map", "limit", "steps"]
    assert written["steps"][0]["rules"]["use"] == ["empty_answer", "empty_task", "template_remnant"]
    rouge = written["steps"][1]["rouge"]
    assert (rouge["threshold"], rouge["same_answer"], rouge["field"]) == (0.6, None, "context")
    assert recipe.parse(written) == made


def test_one_input_may_be_a_text_and_steps_of_one_kind_have_their_own_names(loaded):
    made = loaded("input: a.jsonl\nsteps: [rouge, rouge: {field: answer}, rouge: null]")
    assert made.input == ("a.jsonl",)
    assert [(s.name, s.kind) for s in made.steps] == [("rouge", "rouge"), ("rouge_2", "rouge"), ("rouge_3", "rouge")]
    assert made.steps[0].options == made.steps[2].options


def test_given_inputs_take_the_place_of_those_in_the_file(loaded):
    assert loaded("input: a.jsonl\nsteps: [rules]", inputs=["b.jsonl"]).input == ("b.jsonl",)
    assert loaded("steps: [rules]", inputs=["b.jsonl"]).input == ("b.jsonl",)


def test_set_changes_an_option_of_every_step_of_that_kind(loaded):
    made = loaded(
        "input: a\nsteps: [rules, rouge: {threshold: 0.6}, minhash, rouge: {field: answer}]",
        ["rouge.threshold=0.5", "minhash.ngram=3", "rouge.same_answer=off"],
    )
    assert [s.options.threshold for s in made.steps[1:]] == [0.5, 0.7, 0.5]
    assert [s.options.same_answer for s in made.steps[1:]] == [None, 0.7, None]
    assert made.steps[2].options.ngram == 3
    assert made.steps[3].options.field == "answer"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rouge.threshold", "--set rouge.threshold: expected STEP.option=value, such as rouge.threshold=0.6"),
        ("threshold=0.5", "--set threshold=0.5: expected STEP.option=value"),
        ("ruge.threshold=0.5", "--set ruge.threshold=0.5: there is no step 'ruge'; did you mean 'rouge'?"),
        ("minhash.ngram=3", "--set minhash.ngram=3: there is no step 'minhash'; known: rouge, rules"),
        ("rouge.treshold=0.5", "stage 'rouge' has no option 'treshold'; did you mean 'threshold'?"),
        ("rouge.threshold=x", "stage 'rouge', option 'threshold': 'x' is not a number"),
    ],
)
def test_a_change_that_fits_no_step_is_refused(loaded, change: str, message: str):
    with pytest.raises(UsageError, match=f"^r.yaml: {re.escape(message)}"):
        loaded("input: a\nsteps: [rules, rouge]", [change])


def test_a_change_of_a_broken_step_names_what_is_broken(loaded):
    with pytest.raises(UsageError, match="its options are a map"):
        loaded("input: a\nsteps: [rouge: 0.6]", ["rouge.threshold=0.5"])
    with pytest.raises(UsageError, match="there is no step 'rouge'"):
        loaded("input: a\nsteps: [null, 5, rules]", ["rouge.threshold=0.5"])


def test_the_value_of_a_change_may_hold_equals_signs_and_dots(loaded):
    made = loaded("steps: [mix: {sources: {a: x.jsonl}}]", ["mix.eval=a.b=c.jsonl"])
    assert made.steps[0].options.eval == "a.b=c.jsonl"


def test_a_mix_takes_files_or_the_step_before_it(loaded):
    assert loaded("steps: [mix: {sources: {a: x.jsonl, b: [y.jsonl, z.jsonl]}}]").input == ()
    assert len(loaded(MIX % "{mine: {from: rules}, other: b.jsonl}").steps) == 2
    assert len(loaded("input: a\nsteps: [mix: {sources: {a: {from: input}}}, train]").steps) == 2
    assert len(loaded("steps: [self_instruct: {n: 5}, mix: {sources: {a: {from: self_instruct}}}]").steps) == 2


def test_steps_in_python_are_names_or_maps():
    made = make(["rules", {"rouge": {"threshold": 0.6}}], input=("a",))
    assert [s.kind for s in made.steps] == ["rules", "rouge"]
    with pytest.raises(UsageError, match="a step is a name or a map of one name"):
        make([("rouge", {})], input=("a",))
