"""A scenario file is read wholly before it is played; each mistake is named by file, line and field."""

from textwrap import dedent

import pytest

from worker.reading import ScenarioError, read_scenario
from worker.scenario import Print, Step
from worker.timing import Bursts

HEAD = "scenario: t\nabout: a test\n"


def problems(text: str) -> list[str]:
    """What is said of the file."""
    with pytest.raises(ScenarioError) as error:
        read_scenario(dedent(text), "mine.yaml")
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["mine.yaml: not a scenario: it begins with 'scenario: NAME'"]),
        ("- a\n", ["mine.yaml: not a scenario: it begins with 'scenario: NAME'"]),
        ("scenario: t\n", ["mine.yaml:1: about: is missing", "mine.yaml:1: steps: is missing"]),
        (f"{HEAD}steps: []\n",
         ["mine.yaml:3: steps: List should have at least 1 item after validation, not 0"]),
        (f"{HEAD}steps:\n- step: a b\n  output: x\n",
         ["mine.yaml:4: steps[1].step: 'a b' is not a name: it has to match ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"]),
        (f"{HEAD}steps:\n- step: a\n  outptu: x\n",
         ["mine.yaml:5: steps[1].outptu: is not a field of a step, which has step, values, pace, output, faults"]),
        (f"{HEAD}steps:\n- {{step: a, output: x}}\n- {{step: a, output: y}}\n",
         ["mine.yaml:1: scenario: there are two steps 'a'"]),
        (f"{HEAD}steps:\n- step: a\n  step: b\n", ["mine.yaml:5: steps[1].step: is there twice"]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - a: b: c\n",
         [("mine.yaml:6: not YAML: mapping values are not allowed here; text with ': ', '#' or a special first "
          "character goes into a block: '- |' and the text below it")]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - colour: red\n",
         [("mine.yaml:6: steps[1].output[1]: has to be text, or fields of which exactly one is of text, write, pause, "
          "progress, repeat, each, parallel, one_of")]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - {{text: x, pause: 3}}\n",
         [("mine.yaml:6: steps[1].output[1]: has to be text, or fields of which exactly one is of text, write, pause, "
          "progress, repeat, each, parallel, one_of")]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - text: x\n    pace: 9..3\n    chance: 2\n    stream: out\n",
         ["mine.yaml:8: steps[1].output[1].chance: is not a chance: write 0.3 or 30%",
          "mine.yaml:9: steps[1].output[1].stream: Input should be 'stdout' or 'stderr'",
          ("mine.yaml:7: steps[1].output[1].pace: '9..3': the shorter time comes first; "
           "without a unit a time has that of the next")]),
        (f"{HEAD}pace: {{burst: 3, gap: 5, within: x}}\nsteps:\n- {{step: a, output: x}}\n",
         ["mine.yaml:3: pace.within: 'x' is not a span of time: write 120, 50..200ms, 1.5s, 2m, or 20..80..3000"]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - one\n  - pause: 3\n    chance: x\n",
         ["mine.yaml:8: steps[1].output[2].chance: is not a chance: write 0.3 or 30%"]),
        (f"{HEAD}values: {{list: []}}\nsteps:\n- {{step: a, output: x}}\n",
         ["mine.yaml:3: values.list: is an empty list: give it an item"]),
        (f"{HEAD}values: {{n: '${{3..}}'}}\nsteps:\n- {{step: a, output: x}}\n",
         [("mine.yaml:3: values.n: '${3..}' is not understood: write a name, a range such as 3..40, 'hex 7', "
          "'digits 4', 'pick LIST', 'one | another', 'fill 80 TEXT', 'U+202E' or 'byte FF'")]),
        (f"{HEAD}values: {{files: '3'}}\nsteps:\n- step: a\n  output:\n  - |\n    ${{files}}\n    ${{flies}} ${{x}}\n",
         ["mine.yaml:7: steps[1].output[1]: there is no value 'flies' for '${flies} ${x}'; did you mean 'files'?",
          "mine.yaml:7: steps[1].output[1]: there is no value 'x' for '${flies} ${x}'; known here: files"]),
        (f"{HEAD}steps:\n- step: a\n  output: x\n  faults:\n    explosion: {{reason: x}}\n",
         [("mine.yaml:7: steps[1].faults.explosion: Input should be 'error', 'compile-error', 'test-failure', "
          "'out-of-memory', 'disk-full', 'registry-timeout', 'registry-retry', 'health-check', 'flaky', 'hang', "
          "'timeout', 'crash' or 'cancel'")]),
        ("a: &x [*x]\n", ["mine.yaml:1: nested too deep, or an alias of itself"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_line_and_field(text: str, said: list[str]) -> None:
    """All of them at once, where they do not hide each other; counted as people count."""
    assert problems(text) == said


def test_aliases_that_multiply_are_refused() -> None:
    """A short file must not become a huge one."""
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert problems(f"a0: &a0 [x]\n{bomb}")[0].endswith("too much in all, its aliases counted")


def test_a_file_that_is_too_large_is_refused() -> None:
    """A scenario is written by a person."""
    assert problems(f"about: {'x' * 300_000}\n") == ["mine.yaml: larger than 256 KiB: this is not a scenario"]


@pytest.mark.parametrize(
    "text", ["a\tb: '", "a: !!python/object/apply:os.getcwd []\n", "\x00", "%YAML 9.9\n---\na: 1\n"]
)
def test_what_yaml_trips_over_is_a_sentence(text: str) -> None:
    """Nothing in a file is ever executed, and no exception but ours comes out."""
    assert problems(text)[0].startswith("mine.yaml")


def test_words_stay_the_words_that_they_are() -> None:
    """YAML's own ideas of no, 12:30 and 1_000 do not apply."""
    found = read_scenario(f"{HEAD}steps:\n- step: no\n  output: [yes, 12:30, 1_000, null, ~, 0x1F]\n", "t.yaml")
    (step,) = found.steps
    assert isinstance(step, Step)
    texts = [item.text[0].source for item in step.output if isinstance(item, Print)]
    assert (step.step, texts) == ("no", ["yes", "12:30", "1_000", "null", "~", "0x1F"])


def test_a_block_is_as_many_lines_as_it_has() -> None:
    """Empty ones too; its last line end is none of them."""
    found = read_scenario(f"{HEAD}steps:\n- step: a\n  output: |\n    one\n\n      two\n", "t.yaml")
    (item,) = found.steps[0].output
    assert isinstance(item, Print)
    assert [template.source for template in item.text] == ["one", "", "  two"]


def test_a_pace_may_be_bursts() -> None:
    """Of the whole, a step, or an item."""
    text = f"{HEAD}steps:\n- step: a\n  pace: {{burst: 2..3, gap: 1s}}\n  output: x\n"
    assert isinstance(read_scenario(text, "t.yaml").steps[0].pace, Bursts)
