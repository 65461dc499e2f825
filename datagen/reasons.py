"""Every reason that a row can go for: what it means, which steps give it, and what to do where such rows should stay.

The report, `datagen explain` and docs/reasons.md show these. A test compares them with the reasons that stand in the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

INPUT, EXPORT, REVIEW = "input", "export", "review"  # reading, and commands that are no steps
EVERY, GENERATORS, TEACHERS = "every step", "every generator", "every teacher"  # kinds of one's own too
_NOTHING = "No option keeps them: there is nothing to ask, or to learn"
_ONE_STAYS = "One of the copies stays"
_NO_OPTION = "No option keeps them"
_HIGHER_LIMIT = "Give a larger `--max-output-tokens`"
_ASK_AGAIN = "The same command with `--retry-failed` asks again"


@dataclass(frozen=True)
class Reason:
    """One reason: `stays` says for each step that gives it what to do where such rows should stay."""

    name: str
    meaning: str
    stays: Mapping[str, str]

    def of_step(self, step: str, *, asks_model: bool = True) -> tuple[str, ...]:
        """Return what to do after one step; nothing where it is another step's reason of the same name.

        A kind of one's own has a dotted name: of it only the reasons are known that its whole family gives.

        Args:
            step: as a run names it.
            asks_model: whether it is a generator or teacher; told of one's own only.
        """
        kind, _, number = step.rpartition("_")
        kind = kind if number.isdigit() else step  # the second of a kind is kind_2
        if kind in self.stays:
            return (self.stays[kind],)
        families = (EVERY, GENERATORS, TEACHERS) if asks_model or "." not in kind else (EVERY,)
        return tuple(dict.fromkeys(told for name, told in self.stays.items() if name in families))


def find(name: str, step: str, *, asks_model: bool = True) -> Reason | None:
    """Return what is known of a reason that a step gave; None where the step is one's own and says itself what it means."""
    found = REASONS.get(name)
    return found if found is not None and found.of_step(step, asks_model=asks_model) else None


def _by_rule(what: str, rule: str) -> tuple[str, dict[str, str]]:
    return f"{what} (Alpaca's item rule `{rule}`).", {GENERATORS: f"Leave `{rule}` out of `--rules`; `--rules off` for none"}


_MEANT: dict[str, tuple[str, dict[str, str]]] = {
    # Everywhere.
    "error": (
        "The row broke the step; the evidence is the message, and the exit code of the run is 3.",
        {EVERY: "Mend what the message names, in the row or in a step of your own, and run the command again"},
    ),
    "exact_duplicate": (
        "The same conversation came before, word for word; its other columns do not count.",
        {
            INPUT: "One of the copies stays. A row that is to count more often has its number in a field `repeat`",
            "clean": "It became equal to an earlier row by mending: name fewer things in `do`",
            "mix": "Copies within one source go. Give the copies as two sources",
            "passages": _ONE_STAYS,
            "from_pairs": _ONE_STAYS,
            GENERATORS: _ONE_STAYS,
            TEACHERS: _ONE_STAYS,
            REVIEW: _ONE_STAYS,
        },
    ),
    # Reading.
    "unreadable": (
        "This piece of a file could not be read as a row; the evidence says where it stands and why.",
        {
            INPUT: "Mend it there; or say how it is to be read: `--map`, `--roles`, `--encoding`",
            "passages": "Mend the document; or name its fields with `--text-field` and `--id-field`",
            "from_pairs": "Mend it there; or name its fields with `--source-field` and `--target-field`",
        },
    ),
    "needs_images": (
        "The row holds images, sound or video, without which its text makes no sense.",
        {INPUT: f"{_NO_OPTION}: datagen works on text. Take the parts out of the file where the text stands alone"},
    ),
    # Stages: what is wrong with one row.
    "empty_answer": (
        "The answer is empty: no visible character, or only a placeholder such as `nan`.",
        {
            "rules": "Leave `empty_answer` out of `use`",
            "clean": "The answer was only markup: leave `html` out of `do`",
            GENERATORS: _NOTHING,
            TEACHERS: _NOTHING,
        },
    ),
    "empty_task": (
        "Nobody asks anything: the task has no visible character.",
        {
            "rules": "Leave `empty_task` out of `use`",
            "clean": "The task was only markup: leave `html` out of `do`",
            GENERATORS: _NOTHING,
            TEACHERS: _NOTHING,
        },
    ),
    "template_remnant": (
        "A text holds what a chat template leaves behind: a control token, a heading or label of the next turn, a placeholder.",
        {"rules": "Leave `template_remnant` out of `use`"},
    ),
    "too_short": (
        "The text is shorter than a limit.",
        {
            "rules": "Lower `min_task` or `min_answer`",
            "passages": "Lower `--min-words`",
        },
    ),
    "too_long": (
        "The text is longer than a limit.",
        {
            "rules": "Raise `max_task` or `max_answer`",
            "passages": "Raise `--max-words`",
            "ifd": "Raise `max_length`",
            "train": "Raise `--max-length`, as far as the model reads; a row is never cut",
            "eval": "Raise `--max-length`, as far as the model reads",
        },
    ),
    "echo": ("The answer is the task or its input again.", {"rules": "Leave `echo` out of `use`"}),
    "refusal": (
        "The answer begins by refusing.",
        {"rules": "Leave `refusal` out of `use`, as for safety data; or give your own phrases with `refusals`"},
    ),
    "repetition": (
        "The answer says the same again and again, or repeats an earlier answer of its conversation.",
        {"rules": "Leave `repetition` out of `use`"},
    ),
    "cut_ending": ("The answer stops in the middle of a sentence.", {"rules": "Leave `cut_ending` out of `use`"}),
    "boilerplate": (
        "The text is a phrase without content: an answer that speaks of being a model, a menu or notice of a page.",
        {
            "rules": "Leave `boilerplate` out of `use`; or give your own phrases with `boilerplate`",
            "passages": f"{_NO_OPTION}. Write the text into a document of its own",
        },
    ),
    "wrong_language": (
        "The text is in another language than the one that was asked for.",
        {
            "rules": "Add its code to `languages`",
            GENERATORS: "Give the `--language` that is wanted",
            "backtranslate": "The instruction is in another language than its text: take a model that knows it",
            "translate": "The model answered in another language, twice: take a model that knows this one",
        },
    ),
    "toxic": ("A text holds a word of the list of toxic ones.", {"rules": "Leave `toxic` out of `use`, or give your own list"}),
    "biased": (
        "A text holds a phrase of the list of biased ones.",
        {"rules": "Leave `biased` out of `use`, or give your own list"},
    ),
    "contaminated": (
        "The row holds the prompt of a benchmark's item; the evidence names both.",
        {"decontaminate": "Raise `threshold`, or leave the benchmark out of `against`"},
    ),
    # Stages: two rows, or all of them.
    "near_duplicate": (
        "The row shares most of its shingles with a row that stayed, its witness.",
        {"minhash": "Raise `threshold`, or compare less with `field`"},
    ),
    "too_similar": (
        "The task is too like one that stayed, its witness, or like a seed task, by ROUGE-L.",
        {"rouge": "Raise `threshold`, or compare less with `field`", GENERATORS: "Raise `--threshold`"},
    ),
    "semantic_duplicate": (
        "The row's embedding is too like that of a row that stayed, its witness.",
        {"semantic": "Raise `threshold`"},
    ),
    "conflicting_answers": (
        "The same task or input has another answer too.",
        {
            "rouge": "`conflicts=mark` names the other row in a column, and drops none",
            "self_instruct": "Take another `--method`",
        },
    ),
    "not_similar_enough": (
        "Other rows fit the target better, or their input and output are more alike.",
        {"semantic": "Raise `keep` or `size`"},
    ),
    "not_in_subset": (
        "The row is not in the subset that was asked for: others are more diverse.",
        {"semantic": "Raise `keep` or `size`", "balance": "Raise `size`"},
    ),
    "over_quota": (
        "There were enough rows without it.",
        {
            "balance": "Raise `size` or `cap`",
            "mix": "Raise `--rows` or `--cap`, or the weight of its source",
            GENERATORS: "The same command with a larger `-n` keeps it",
        },
    ),
    "low_score": (
        "The score is below the one that was asked for.",
        {
            "judge": "Lower `min_score`: `datagen filter -o OUT --set judge.min_score=3` asks nothing again",
            "answer": "Lower `--min-score`; the recorded answers are used again",
        },
    ),
    "no_score": (
        "There is no score, so that nothing shows that the row is good enough.",
        {
            "judge": "Set `min_score=off`, or `retry_failed=on` where requests failed",
            "answer": "Leave `--min-score` out",
        },
    ),
    "easier": ("Other rows have a higher IFD: they are harder.", {"ifd": "Raise `keep`"}),
    "ifd_above_1": (
        "The instruction makes the answer less likely, so that the two may not belong together.",
        {"ifd": "Without `keep` nothing is dropped; the column `ifd` says it"},
    ),
    "no_answer": (
        "The row has no answer whose difficulty could be measured.",
        {"ifd": "Without `keep` nothing is dropped", "eval": "Nothing says what would be right: give the file its answers"},
    ),
    "shown_as_example": (
        "The row is one of the solved examples that are shown before the others, and is not measured itself.",
        {"eval": "Give a lower `--shots`"},
    ),
    "not_drawn": (
        "Other rows of the task were drawn; so many were asked for.",
        {"eval": "Give a higher `--items`, or none"},
    ),
    "not_comparable": (
        "Nothing of the row can be measured: its answer is long and not worked, and the model's weights are not here.",
        {"eval": "Measure a model whose weights are here: its loss is measured on any answer"},
    ),
    "unread_language": (
        "The row is in a language that the scoring model does not read.",
        {"ifd": "Give a `model` that reads it"},
    ),
    "control_tokens": (
        "A text holds a control token of the tokenizer, which the model would take for a mark of turns.",
        {
            "ifd": "`--stage clean` does not mend it: take the token out of the file. Without `keep` nothing is dropped",
            "train": "`--control-tokens escape` shows it as text",
            "eval": "`--stage clean` does not mend it: take the token out of the file",
        },
    ),
    # Models: requests and answers.
    "request_failed": (
        "The endpoint gave no answer, after all attempts; the evidence is what it said last.",
        {GENERATORS: _ASK_AGAIN, TEACHERS: _ASK_AGAIN, "eval": _ASK_AGAIN},
    ),
    "cut_off": (
        "The answer was cut before its end, most often by the limit on its tokens.",
        {GENERATORS: _HIGHER_LIMIT, TEACHERS: _HIGHER_LIMIT},
    ),
    "filtered": (
        "The endpoint's moderation held the answer back.",
        dict.fromkeys((GENERATORS, TEACHERS), f"{_NO_OPTION}: ask another endpoint"),
    ),
    "endpoint_error": (
        "The endpoint broke the answer off by a fault of its own.",
        {GENERATORS: _ASK_AGAIN, TEACHERS: _ASK_AGAIN},
    ),
    "not_reached": (
        "A cap or the endpoint ended the run before the row's turn, or the journal has no answer for it.",
        dict.fromkeys((TEACHERS, "eval"), "The same command goes on, with a higher cap where a cap ended it"),
    ),
    "unparsed": (
        "This piece of the model's answer could not be read as a task with its answer.",
        {GENERATORS: "Take another `--method` or model; after a parser was mended, `datagen reparse OUT` reads it again"},
    ),
    "rule_length": _by_rule("The task has fewer words than 4 or more than 150", "length"),
    "rule_punctuation": _by_rule("The task begins with a punctuation mark", "punctuation"),
    "rule_keywords": _by_rule("The task asks for what a model of text cannot do, such as an image", "keywords"),
    "rule_program": _by_rule("The task begins with `Write a program`", "program"),
    "rule_ascii": _by_rule("The task begins with a letter that is not ASCII", "ascii"),
    "output_repeats_input": (
        "The answer of the instance is its input again.",
        {"self_instruct": "Take another `--method`: only `original` has this filter"},
    ),
    "ends_with_colon": (
        "The instance ends with a colon: what should follow is missing.",
        {"self_instruct": "Take another `--method`: only `original` has this filter"},
    ),
    "duplicate_instance": (
        "The same task, or the same instance of it, stands in this answer already.",
        {"self_instruct": f"{_NO_OPTION}: one of the copies stays"},
    ),
    "too_many_instances": (
        "The task has as many instances as one may have.",
        {"self_instruct": "Raise `--max-instances`"},
    ),
    # Teachers: what their answers did to a row.
    "needs_tools": (
        "The row offers or calls tools, which a plain answer cannot stand for.",
        dict.fromkeys(("answer", "rewrite", "evolve", "translate"), f"{_NO_OPTION}: its text is untouched in dropped/"),
    ),
    "other_answer": (
        "The new text ends in another final answer than the row had.",
        {"rewrite": "`--how better` does not compare them"},
    ),
    "not_grounded": (
        "The new text has a number that neither the task nor the old answer has.",
        {"rewrite": "`--how better` does not compare them"},
    ),
    "repeats_itself": (
        "The new answer of the conversation repeats an earlier one, too.",
        {"rewrite": f"{_NO_OPTION}: take another model, or a higher `--temperature`"},
    ),
    "no_information_gain": (
        "The evolved task asks for nothing more than the one that it was made of, its witness.",
        {"evolve": "`--no-check-gain` asks no model; one of the very same words goes all the same"},
    ),
    "copies_prompt": ("The evolved task shows words of the prompt.", {"evolve": f"{_NO_OPTION}: take another model"}),
    "cannot_answer": (
        "The model says that it is sorry instead of answering the evolved task.",
        {"evolve": f"{_NO_OPTION}: take another model"},
    ),
    "only_stop_words": ("The answer to the evolved task says nothing.", {"evolve": f"{_NO_OPTION}: take another model"}),
    "changed_numbers": (
        "The translation has other numbers than its original, twice.",
        {"translate": f"{_NO_OPTION}: take another model"},
    ),
    "changed_code": (
        "The translation lost or added code, a formula or an address, twice.",
        {"translate": f"{_NO_OPTION}: take another model"},
    ),
    "copies_text": (
        "The instruction copies twelve words or more of the text that it is for.",
        {"backtranslate": f"{_NO_OPTION}: take another model, or one of `datagen train --direction backward`"},
    ),
    # Documents and pairs.
    "empty_document": ("The document has no text.", {"passages": f"{_NO_OPTION}. `--text-field` names the field of records"}),
    "empty_side": ("One side of the pair is empty.", {"from_pairs": f"{_NO_OPTION}: mend the file"}),
    "same_text": ("Both sides of the pair are the same text.", {"from_pairs": f"{_NO_OPTION}: nothing is translated there"}),
    # Mixtures, training, review, export.
    "held_out": (
        "The row is kept to measure with, so that nothing may learn it.",
        {
            "mix": "It measures the proxies of the grid. Give rows to measure on with `--eval`",
            "split": "It is in test/ of the run, for `--eval`. `--test` says how many",
        },
    ),
    "no_labels": (
        "The row has no text that is to be learned: its answers are empty or not taught.",
        {"train": "Give it an answer; where turns say `train: false` or have the weight 0, change that in the file"},
    ),
    "repeat_zero": ("Its `repeat` is below 1.", {"train": "Set `repeat` to 1 or more in the file"}),
    "unanswered_turn": (
        "The conversation holds no answer.",
        {"train": "Answer it first: `datagen answer ROWS -o OUT`", EXPORT: "`--to messages` writes it as it is"},
    ),
    "no_pair": (
        "The row has no two answers of which one is better.",
        {"train": "`datagen answer --samples 2` makes them, `datagen judge --pairs` compares; `--objective sft` needs one"},
    ),
    "no_preference": (
        "The row's best and worst answer are the same, or scored the same.",
        {"train": "Nothing can be learned of which is better; `--objective sft` trains on the first"},
    ),
    "multi_turn": (
        "Backward training takes rows of one task and one answer; this one has more turns.",
        {"train": "`--direction forward` takes conversations"},
    ),
    "rejected": ("A person rejected the row.", {REVIEW: "Judge it again: the last judgement counts"}),
    "edited": ("A person edited the row; the new one is its witness.", {REVIEW: "Judge it again: the last judgement counts"}),
    "no_turns": ("The row has no turn at all.", {EXPORT: "`--to parquet` writes every row"}),
    "no_prompt": (
        "The conversation begins with its only answer, so that there is no prompt.",
        {EXPORT: "`--to parquet` writes every row"},
    ),
    "untaught": (
        "The last answer is not to be learned, which the format cannot say.",
        {EXPORT: "`--to messages` can say it"},
    ),
}
REASONS: dict[str, Reason] = {name: Reason(name, *told) for name, told in _MEANT.items()}
