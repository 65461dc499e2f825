"""The final answer of worked solutions in three languages."""

from __future__ import annotations

import pytest

from datagen.answers.final_answer import final_answer, is_worked, same_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("She sold 24+48 = 72 clips.\n#### 72", "72"),
        ("#### 1,200", "1200"),
        ("#### $1,200.50", "2401/2"),
        ("#### -3", "-3"),
        ("so \\boxed{42}", "42"),
        ("so $\\boxed{\\frac{3}{4}}$", "3/4"),
        ("The answer is 12.", "12"),
        ("The answer is 5 + 3 = 8 apples.", "8"),
        ("**Final answer:** 7", "7"),
        ("答案是 36。", "36"),
        ("答：一共 36 个", "36"),
        ("คำตอบคือ ๗๒ บาท", "72"),
        ("ตอบ 15 คน", "15"),
        ("It takes 3 hours, then 4 more, so 7 hours in all.", "7"),
        ("３６", "36"),
        ("10-5", "5"),
        ("The answer is 0.50", "1/2"),
        ("The answer is 50%", "50"),
        ("#### 72.00", "72"),
        ("The answer is Paris.", "paris"),
        ("The total is:\n- 18 dollars", "18"),
        ("The answer is 8, since 4 = 8/2", "8"),
        ("It is -3", "-3"),
        ("no number here", None),
        ("", None),
        ("version 1.2.3", "6/5"),
        ("First #### 3, then\n#### 4", "4"),
        ("The final answer is 3/4 of a cup", "3/4"),
        ("Answer: He has 3 + 4 = 7 apples.", "7"),
        ("The answer is that she sold 5 boxes for a total of $20. That is 2 more.", "20"),
        ("So 3 are left.\n#### yes", "yes"),
        ("#### Benefits\nThere are 3 benefits.\n#### Risks\nThere are 2.", "2"),
        ("#### 1. Introduction\nThere are 4 kinds.", "4"),
        ("#### 72 apples", "72"),
    ],
)
def test_the_final_answer_is_found_in_one_form(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


def test_two_solutions_are_the_same_by_their_final_answers_only() -> None:
    assert same_answer("It is 72.0 in all.", "24 + 48\n#### 72")
    assert not same_answer("It is 71.", "#### 72")
    assert not same_answer("I do not know.", "neither do I")


@pytest.mark.parametrize(
    ("text", "worked"),
    [
        ("#### 72", True),
        ("so\n#### yes", True),
        ("\\boxed{3}", True),
        ("#### Benefits\nMany.", False),
        ("#### 1. First\nx", False),
    ],
)
def test_a_heading_is_no_mark_of_a_worked_solution(text: str, worked: bool) -> None:
    assert is_worked(text) is worked


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\\boxed{(1,2)}", "\\boxed{(1,3)}"),
        ("\\boxed{2x+3}", "\\boxed{2x-5}"),
        ("\\boxed{2\\sqrt{3}}", "\\boxed{2}"),
        ("#### 3:30 PM", "#### 3:45 PM"),
        ("\\boxed{3 1/2}", "\\boxed{3}"),
        ("#### ½", "#### 1"),
        ("\\boxed{\\tfrac{1}{2}}", "#### 1"),
        ("\\boxed{10^{5}}", "#### 10"),
        ("#### 10²", "#### 102"),
        ("\\boxed{2\\pi}", "#### 2"),
        ("\\boxed{[1,\\infty)}", "#### 1"),
        ("#### 5:3", "#### 5:2"),
        ("#### 2 hours 30 minutes", "#### 2 hours 45 minutes"),
        ("#### 2023-05-01", "#### 2023-06-02"),
        ("#### 3万", "#### 3"),
        ("#### 5 million", "#### 5"),
        ("#### 1.000.000", "#### 1"),
        ("The answer is 3:30 PM.", "#### 3"),
        ("The answer is 2x+3.", "#### 2"),
    ],
)
def test_answers_that_only_begin_alike_are_not_the_same(one: str, other: str) -> None:
    assert not same_answer(one, other) and not same_answer(other, one)
    assert same_answer(one, one) and same_answer(other, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\\boxed{x = 5}", "#### 5"),
        ("#### 72 apples", "The answer is 72."),
        ("#### 3½", "#### 3.5"),
        ("#### 5 million", "#### 5,000,000"),
        ("#### 3万", "#### 30000"),
        ("\\boxed{ (1, 2) }", "\\boxed{(1,2)}"),
        ("#### $18", "18"),
        ("#### 15%", "#### 15"),
        ("#### 36 个", "答案是 36。"),
        ("\\boxed{\\text{Evelyn}}", "The answer is Evelyn."),
    ],
)
def test_answers_that_are_the_same_in_other_words(one: str, other: str) -> None:
    assert same_answer(one, other)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{\frac{1+\sqrt{5}}{2}}", r"\frac{1+\sqrt{5}}{2}"),
        (r"\boxed{\sqrt{\frac{a^{2}}{b^{3}}}}", r"\sqrt{\frac{a^{2}}{b^{3}}}"),
        (r"\boxed{.4}", "2/5"),
        ("#### .4", "2/5"),
        ("The answer is .5", "1/2"),
        (r"\boxed{\frac12}", "1/2"),
        (r"\boxed{\frac1{2}}", "1/2"),
        (r"\boxed{\dfrac{1}3}", "1/3"),
        (r"\boxed{2\frac{1}{2}}", "5/2"),
        (r"\boxed{14{,}916}", "14916"),
        (r"\boxed{11,\! 111,\! 100}", "11111100"),
        (r"\boxed{90^\circ}", "90"),
        (r"\boxed{90^{\circ}}", "90"),
        ("#### 90°", "90"),
        (r"\boxed{\sqrt 2}", r"\sqrt{2}"),
        (r"\boxed{\left(1, 2\right)}", "(1,2)"),
        (r"\boxed{\left\{1, 2\right\}}", r"\{1,2\}"),
        (r"\boxed{1}, \boxed{2} and \boxed{3}", "1,2,3"),
        (r"first \boxed{1}, no, it is \boxed{2}", "2"),
        (r"\boxed{5", "5"),
        (r"\boxed{2x + z = 1}", "2x+z=1"),
        (r"\boxed{f(2) = 7}", "7"),
    ],
)
def test_latex_is_read_whole(text: str, answer: str) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\boxed{\frac{x+2}{7}}", r"\boxed{\frac{x}{7}+\frac{2}{7}}"),
        (r"\boxed{x \leq 5}", r"\boxed{5 \geq x}"),
        (r"\boxed{(1,\frac{9}{2})}", r"\boxed{(1,4.5)}"),
        (r"\boxed{-10,-8,4}", r"\boxed{4,\,-8,\,-10}"),
        (r"\boxed{\sqrt 2+\sqrt 5}", r"so $\boxed{\sqrt{5}+\sqrt{2}}$"),
        (r"\boxed{\pm 2021}", r"\boxed{\{-2021, 2021\}}"),
        (r"\boxed{2^{3}}", "#### 8"),
    ],
)
def test_a_formula_in_another_form_is_the_same(one: str, other: str) -> None:
    assert same_answer(one, other) and same_answer(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\boxed{2}", r"\boxed{\frac{1+\sqrt{5}}{2}}"),
        (r"\boxed{7 = 11a+c}", r"\boxed{11a+c}"),
        (r"\boxed{a + 3z = 0}", r"\boxed{0}"),
        (r"\boxed{[0,9)}", r"\boxed{(0,9)}"),
        (r"\boxed{2\frac{1}{2}}", r"\boxed{\frac{21}{2}}"),
        (r"\boxed{2^{10}}", r"\boxed{210}"),
        (r"\boxed{x > 5}", r"\boxed{x < 5}"),
        (r"\boxed{\text{2 hours 30 minutes}}", r"\boxed{\text{2 hours 45 minutes}}"),
        (r"\boxed{2023-05-01}", "#### 2017"),
        ("$12:00$", "$1:00$"),
        ("$x+2n+1$", "$x+1$"),
    ],
)
def test_another_formula_is_not(one: str, other: str) -> None:
    assert not same_answer(one, other) and not same_answer(other, one)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{x=1,y=2}", "x=1,y=2"),
        (r"\boxed{x = 1 \text{ or } x = 2}", "1,2"),
        (r"\boxed{x = 1, 2}", "1,2"),
        (r"\boxed{AB = 4}", "4"),
        (r"\boxed{S_{1}:S_{2} = 3:5}", "3:5"),
        (r"\boxed{\angle ABC = 30^\circ}", "30"),
        (r"\boxed{\text{Area} = 12}", "12"),
        (r"\boxed{5 \times 3 = 15}", "15"),
        (r"\boxed{2x = 10}", "2x=10"),
        (r"We find that $x < 3$.", "x<3"),
        (r"Therefore \(x \geq 5\) is the solution.", r"x\geq 5"),
        (r"So she has $\frac{1}{2} \times 8 = 4$ apples.", "4"),
        (r"$$k \ge 2$$", r"k\ge 2"),
        (r"$1$ and $2$ and $3$", "1,2,3"),
        (r"The answer is $(2, 7)$. I hope it is correct.", "(2,7)"),
        (r"Final Answer: The final answer is $3\sqrt{2}$.", r"3\sqrt{2}"),
        ("The answer is $n$, where n = 5.", "5"),
        ("It costs $5 and then $3 more.", "3"),
        ("It is $12 + $3 = $15.", "15"),
        ("The pair is (7, 6).", "(7,6)"),
        ("The answer is 4,5", "4,5"),
        ("Le prix est 2,74", "2,74"),  # 2.74, or 2 and 74: it stays as it is
        ("It takes 3,000 steps", "3000"),
        (r"\boxed{1 000 000}", "1000000"),
        ("1\u202f000 m", "1000"),
        ("an area of 1,000.5 m²", "2001/2"),
        (r"so \\boxed{\\frac{3}{4}}", "3/4"),
    ],
)
def test_lists_names_and_formulas_in_a_text_are_read_whole(text: str, answer: str) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\boxed{x=1,y=2}", r"\boxed{y = 2, \quad x = 1}"),
        (r"\boxed{AB=4,CD=5}", r"\boxed{4, 5}"),
        (r"\boxed{(x, y) = (5, 8) \quad \text{and} \quad (8, 5)}", "$(5, 8), (8, 5)$"),
        (r"\boxed{x=1,y=\frac12}", r"\boxed{x = 1, y = 0.5}"),
        (r"\boxed{\frac{1}{12}}", r"\boxed{0.0833333333}"),
        (r"\boxed{-2 \le x \le 7}", r"\boxed{x \in [-2,7]}"),
        (r"\boxed{\begin{pmatrix}1&2\\3&4\end{pmatrix}}", r"it is $\begin{bmatrix} 1 & 2 \\ 3 & 4 \\ \end{bmatrix}$."),
        (r"\boxed{\begin{pmatrix}\frac12\\0\end{pmatrix}}", r"\boxed{\begin{pmatrix}0.5\\0\end{pmatrix}}"),
        (r"\boxed{V_1:V_2 = 11:21}", "$11:21$"),
    ],
)
def test_lists_and_names_of_the_same_values_are_the_same(one: str, other: str) -> None:
    assert same_answer(one, other) and same_answer(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\boxed{x=1,y=2}", r"\boxed{x=2,y=1}"),
        (r"\boxed{x=1,y=2}", "#### 2"),
        (r"\boxed{AB=4,CD=5}", r"\boxed{5, 4}"),
        (r"\boxed{x=1,y=2}", r"\boxed{x=1}"),
        (r"\boxed{x=1,y=2}", r"\boxed{x=1,z=2}"),
        (r"\boxed{2x = 10}", "#### 10"),
        ("The answer is 4,5", "#### 4"),
        ("4,5", "#### 5"),
        ("Le prix est 2,74", "#### 74"),
        ("We find that $x < 3$.", "#### 3"),
        (r"\boxed{\frac{1}{12}}", r"\boxed{0.0833}"),
        (r"\boxed{0.123456}", r"\boxed{0.1234561}"),
        (r"\boxed{0.333333}", r"\boxed{\frac{333333}{1000000}+1}"),
        (r"\boxed{\begin{pmatrix}1&2\\3&4\end{pmatrix}}", r"\boxed{\begin{pmatrix}1&3\\2&4\end{pmatrix}}"),
        (r"\boxed{\begin{pmatrix}1&2\\3&4\end{pmatrix}}", "#### 4"),
        (r"\boxed{-2 \le x \le 7}", r"\boxed{x \in (-2,7]}"),
        (r"an area of 9 m²", "#### 2"),
    ],
)
def test_lists_and_names_of_other_values_are_not(one: str, other: str) -> None:
    assert not same_answer(one, other) and not same_answer(other, one)


@pytest.mark.slow
def test_a_formula_that_takes_for_ever_is_not_the_same_and_the_next_one_is_compared() -> None:
    assert same_answer(r"\boxed{2^{3}}", "#### 8")  # the worker has started
    assert not same_answer(r"\boxed{9^{9^{9^{9^{9}}}}}", r"\boxed{9^{9^{9^{9^{8}}}}}", limit_s=0.3)


@pytest.mark.parametrize(
    ("answer", "one"),
    [
        ("Answer: 5 or 6", "5"),
        ("Answer: 5 to 6 apples", "5"),
        ("The answer is between 5 and 6.", "6"),
        ("答案：5或6", "5"),
        ("คำตอบคือ ระหว่าง 5 ถึง 6", "6"),
    ],
)
def test_one_of_several_numbers_is_not_the_answer(answer: str, one: str) -> None:
    assert not same_answer(answer, one)
    assert same_answer(answer, answer)


def test_a_number_with_more_said_after_it_is_the_answer() -> None:
    for answer in ("The answer is 5 and that is all.", "The answer is 5 and 3 of them are red and so on."):
        assert same_answer(answer, "5")
