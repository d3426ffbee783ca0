"""A scenario file is read wholly before it is played; each mistake is named by file, line and field."""

from textwrap import dedent

import pytest

from worker.reading import ScenarioError, doubts, read_scenario
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
         ["mine.yaml:3: steps: needs at least 1"]),
        (f"{HEAD}steps:\n- step: a b\n  output: x\n",
         [("mine.yaml:4: steps[1].step: 'a b' is not a name: letters, digits, '-' and '_', a letter or digit first, "
          "at most 64")]),
        (f"{HEAD}steps:\n- step: a\n  outptu: x\n",
         [("mine.yaml:5: steps[1].outptu: is not a field of a step, which has step, values, pace, output, faults; "
          "did you mean 'output'?")]),
        (f"{HEAD}steps:\n- {{step: a, output: x}}\n- {{step: a, output: y}}\n",
         ["mine.yaml:5: steps[2].step: is the name of step 1 already: give it another"]),
        (f"{HEAD}steps:\n- step: a\n  step: b\n", ["mine.yaml:5: steps[1].step: is there twice"]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - a: b: c\n",
         [("mine.yaml:6: not YAML: mapping values are not allowed here; check the indentation, or put text with ': ' "
          "in quotes or in a block ('- |' and the text below it)")]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - colour: red\n",
         [("mine.yaml:6: steps[1].output[1]: 'colour: red' was read as a field and its value: put it in quotes, or in "
          "a block: '- |' and the text below it")]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - puase: 3\n",
         ["mine.yaml:6: steps[1].output[1]: 'puase' is not an item; did you mean 'pause'?"]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - {{chance: 3%, level: warn}}\n",
         [("mine.yaml:6: steps[1].output[1]: has 'chance', 'level', and none of what makes it an item: text, write, "
          "pause, progress, repeat, each, parallel, one_of")]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - [x]\n",
         [("mine.yaml:6: steps[1].output[1]: has to be text, or an item: one of text, write, pause, progress, repeat, "
          "each, parallel, one_of")]),
        (f"{HEAD}values: {{l: [a: b]}}\nsteps:\n- {{step: a, output: {{text: [x]}}}}\n",
         [("mine.yaml:3: values.l: 'a: b' was read as a field and its value: put it in quotes, or in a block: '- |' "
          "and the text below it"),
          "mine.yaml:5: steps[1].output.text: has to be text"]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - {{text: x, pause: 3}}\n",
         [("mine.yaml:6: steps[1].output[1]: has 'text' and 'pause': an item has one of text, write, pause, progress, "
          "repeat, each, parallel, one_of; make them items of their own, or the 'output' of a loop")]),
        (f"{HEAD}steps:\n- step: a\n  output:\n  - text: x\n    pace: 9..3\n    chance: 2\n    stream: out\n",
         [("mine.yaml:7: steps[1].output[1].pace: '9..3': the shorter time comes first; "
           "without a unit a time has that of the next"),
          "mine.yaml:8: steps[1].output[1].chance: is not a chance: write 0.3 or 30%",
          "mine.yaml:9: steps[1].output[1].stream: 'out' is none of stdout, stderr; did you mean 'stdout'?"]),
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
         ["mine.yaml:7: steps[1].output[1]: there is no value 'flies' for '${flies}'; did you mean 'files'?",
          "mine.yaml:7: steps[1].output[1]: there is no value 'x' for '${x}'; known here: files"]),
        (f"{HEAD}steps:\n- step: a\n  output: x\n  faults:\n    tests-failed: {{reason: x}}\n",
         [("mine.yaml:7: steps[1].faults.tests-failed: 'tests-failed' is none of error, compile-error, test-failure, "
          "out-of-memory, disk-full, registry-timeout, registry-retry, health-check, flaky, hang, timeout, crash, "
          "cancel; did you mean 'test-failure'?")]),
        ("a: &x [*x]\n", ["mine.yaml:1: nested too deep, or an alias of itself"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_line_and_field(text: str, said: list[str]) -> None:
    """All of them at once, where they do not hide each other; counted as people count."""
    assert problems(text) == said


STEP = f"{HEAD}values:\n  tests: ${{80..240}}\n  pods: [a, b]\nsteps:\n- step: a\n  output:\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{STEP}  - ${{pods}}\n", "9: steps[1].output[1]: '${pods}': 'pods' is a list: write 'pick pods'"),
        (f"{STEP}  - ${{pods/2}}\n", "9: steps[1].output[1]: '${pods/2}': 'pods' is a list: write 'pick pods'"),
        (f"{STEP}  - ${{pick tests}}\n",
         "9: steps[1].output[1]: '${pick tests}': 'tests' is one value, not a list: write ${tests}"),
        (f"{STEP}  - ${{pick pds}}\n",
         "9: steps[1].output[1]: there is no list 'pds' for '${pick pds}'; did you mean 'pods'?"),
        (f"{STEP}  - each: tests\n    output: x\n",
         "9: steps[1].output[1].each: 'tests' is one value, not a list: for so many times write 'repeat: ${tests}'"),
        (f"{STEP}  - each: pds\n    output: x\n",
         "9: steps[1].output[1].each: there is no list 'pds'; did you mean 'pods'?"),
        (f"{STEP}  - each: ${{pods}}\n    output: x\n", "9: steps[1].output[1].each: '${pods}': write each: pods"),
        (f"{STEP}  - repeat: ${{tests}}/2\n    output: x\n",
         "9: steps[1].output[1].repeat: '${tests}/2': reckon inside: ${tests/2}"),
        (f"{STEP}  - repeat: 2..4\n    output: x\n", "9: steps[1].output[1].repeat: '2..4': write ${2..4}"),
        (f"{STEP}  - repeat: some\n    output: x\n",
         "9: steps[1].output[1].repeat: 'some' is not a number: write 12, ${3..9}, ${name} or ${name/2}"),
        (f"{STEP}  - repeat: 6000000\n    output: x\n",
         "9: steps[1].output[1].repeat: 6000000 is too many: at most 1,000,000"),
        (f"{STEP}  - repeat: ${{i}}\n    output: x\n",
         "9: steps[1].output[1].repeat: there is no value 'i' for '${i}'; known here: pods, tests"),
        (f"{STEP}  - repeat: ${{pods}}\n    output: x\n",
         "9: steps[1].output[1].repeat: '${pods}': 'pods' is a list: write 'pick pods'"),
        (f"{STEP}  - repeat: 3\n    as: count\n    output: x\n",
         "10: steps[1].output[1].as: 'count' is there already, with a value of its own: take another name"),
        (f"{STEP}  - each: pods\n    as: count\n    output: x\n",
         "10: steps[1].output[1].as: 'count' is there already, with a value of its own: take another name"),
        (f"{STEP}  - progress: x\n    total: ${{done}}\n    over: 1s\n",
         "10: steps[1].output[1].total: there is no value 'done' for '${done}'; known here: pods, tests"),
        (f"{STEP}  - progress: x\n", "9: steps[1].output[1].over: is missing"),
        (f"{HEAD}values:\n  sim: ${{pick devices}}\n  devices: [a, b]\nsteps:\n- {{step: a, output: x}}\n",
         ("4: values.sim: '${pick devices}': 'devices' is drawn later: in 'values' each may use those above it, "
          "so move it up")),
        (f"{HEAD}values:\n  a:\n  - x\n  - ${{b}}\n  b: y\nsteps:\n- {{step: a, output: x}}\n",
         "6: values.a[2]: '${b}': 'b' is drawn later: in 'values' each may use those above it, so move it up"),
        (f"{HEAD}secrets: ['']\nsteps:\n- {{step: a, output: x}}\n", "3: secrets[1]: is empty: leave it out"),
        (f"{HEAD}secrets: ['{'s' * 20_000}']\nsteps:\n- {{step: a, output: x}}\n",
         "3: secrets[1]: is too long: at most 16,384 characters in 200 lines"),
        (HEAD + 'secrets: ["' + "s\\n" * 201 + '"]\nsteps:\n- {step: a, output: x}\n',
         "3: secrets[1]: is too long: at most 16,384 characters in 200 lines"),
        (f"{HEAD}secrets: {['open sesame'] * 101}\nsteps:\n- {{step: a, output: x}}\n",
         "3: secrets: has too many: at most 100"),
        (f"{HEAD}secrets: s\nsteps:\n- {{step: a, output: x}}\n",
         "3: secrets: has to be a list: '- ' before each of its items, or [one, two]"),
        (f"{HEAD}steps: x\n", "3: steps: has to be a list: '- ' before each of its items, or [one, two]"),
        (f"{HEAD}steps: [x]\n", "3: steps[1]: has to be fields, each 'name: value' in a line of its own"),
        (f"{HEAD}values: x\nsteps:\n- {{step: a, output: x}}\n",
         "3: values: has to be fields, each 'name: value' in a line of its own"),
        (f"{HEAD}pace: {{burst: 3, gap: 5, with: 3}}\nsteps:\n- {{step: a, output: x}}\n",
         "3: pace.with: is not a field of a pace, which has burst, gap, within"),
        (f"{HEAD}steps:\n- {{step: a, output: {{one_of: [{{weight: x, output: a}}, {{output: b}}]}}}}\n",
         "4: steps[1].output.one_of[1].weight: 'x' is not a whole number"),
        (f"{HEAD}steps:\n- {{step: a, output: {{one_of: [{{weight: 0, output: a}}, {{output: b}}]}}}}\n",
         "4: steps[1].output.one_of[1].weight: is '0': at least 1"),
        (f"scenario: t\nabout: {'x' * 201}\nsteps:\n- {{step: a, output: x}}\n",
         "2: about: has 201 characters: at most 200"),
        ("scenario: t\nabout: ''\nsteps:\n- {step: a, output: x}\n", "2: about: is empty"),
        ('scenario: t\nabout: "\\e[2J"\nsteps:\n- {step: a, output: x}\n',
         "2: about: has a control character or a line break: leave it out"),
        (f'{HEAD}"\\e]0;x\\a\\n": 1\nsteps:\n- {{step: a, output: x}}\n',
         ("3: <U+001B>]0;x<U+0007><U+000A>: is not a field of a scenario, which has scenario, about, values, secrets, "
          "pace, steps, ends")),
        (f"{HEAD}secrets: [hunter2secret]\nsteps:\n- {{step: a, output: 'say hunter2secret ${{oops}}'}}\n",
         "5: steps[1].output: there is no value 'oops' for '${oops}'; known here: none"),
        (f"{HEAD}secrets: [hunter2secret]\nsteps:\n- {{step: a, output: [Token: hunter2secret]}}\n",
         ("5: steps[1].output[1]: 'Token: ***' was read as a field and its value: put it in quotes, or in a block: "
          "'- |' and the text below it")),
    ],
)  # fmt: skip
def test_a_mistake_says_what_to_do(text: str, said: str) -> None:
    """What would show only when it is played, too; no secret is quoted, and nothing that steers a terminal."""
    assert problems(text) == [f"mine.yaml:{said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\t- x\n",
         "mine.yaml:2: not YAML: found character '\\t' that cannot start any token; indent with blanks, not tabs"),
        ("a:\n- step: x\n   output: y\n",
         ("mine.yaml:3: not YAML: mapping values are not allowed here; check the indentation, or put text with ': ' "
          "in quotes or in a block ('- |' and the text below it)")),
        ("a: 'x\nb: y\n", "mine.yaml:1: not YAML: found unexpected end of stream; a quote is not closed"),
        ("a:\n- 'x\n- 'y'\n",
         ("mine.yaml:3: not YAML: expected <block end>, but found '<scalar>'; check the indentation; text after a "
          "closing quote, or a quote above that is not closed, does this too")),
        ("a: [x ${b}]\n",
         ("mine.yaml:1: not YAML: expected ',' or ']', but got '{'; text that begins with '[' or '{' is put in quotes "
          "or in a block ('- |' and the text below it)")),
        ("a: % done\n",
         ("mine.yaml:1: not YAML: found character '%' that cannot start any token; text that begins with such a "
          "character is put in quotes or in a block ('- |' and the text below it)")),
        ("a: *b\n",
         "mine.yaml:1: not YAML: found undefined alias 'b'; text that begins with '*' or '&' is put in quotes"),
        ("\x00", "mine.yaml: not YAML: U+0000 may not be in it: take it out"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_gets_the_hint_that_fits(text: str, said: str) -> None:
    """A tab, an indentation, a quote and a colon are mended in different ways."""
    with pytest.raises(ScenarioError) as error:
        read_scenario(text, "mine.yaml")
    assert str(error.value) == said


def test_a_mistake_deep_inside_is_found_at_once() -> None:
    """Where pydantic names the models that it tried, the way back to the file is not searched for."""
    text = f"{HEAD}steps: [{{step: a, output: {'[{repeat: 1, output: ' * 17}[{{text: a, pase: x}}]{'}]' * 17}}}]\n"
    said = "is not a field of text, which has chance, text, stream, level, pace; did you mean 'pace'?"
    assert problems(text) == [f"mine.yaml:3: steps[1]{'.output[1]' * 18}.pase: {said}"]


def test_of_very_many_mistakes_the_first_are_told() -> None:
    """A file must not fill the log of its deploy."""
    steps = "".join(f"- {{step: s{n}, output: '${{zz{n}}}'}}\n" for n in range(2_000))
    said = problems(f"{HEAD}steps:\n{steps}")
    assert (len(said), said[0], said[-1]) == (
        21,
        "mine.yaml:4: steps[1].output: there is no value 'zz0' for '${zz0}'; known here: none",
        "mine.yaml: … and 1,980 more",
    )


def test_more_values_than_a_person_gives_are_refused() -> None:
    """Each of them is drawn wherever they stand."""
    values = ", ".join(f"v{n}: a" for n in range(501))
    text = f"{HEAD}values: {{{values}}}\nsteps:\n- {{step: a, output: x}}\n"
    assert problems(text) == ["mine.yaml:3: values: has too many: at most 500"]


TOO_MUCH = "more than 50,000 parts, or too much text, its aliases counted"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"a: &a {'x' * 60_000}\nb: [{', '.join(['*a'] * 40_000)}]\n", f"1: {TOO_MUCH}"),
        (f"a: &a [x]\nb: [{', '.join(['*a'] * 40_000)}]\n", f"1: {TOO_MUCH}"),
        (f"{HEAD}steps: [{'{},' * 60_000}]\n", f"3: {TOO_MUCH}"),
        (f"values: {'[' * 500}\n", "1: nested too deep: this is not a scenario"),
        (f"values: {'[' * 50}x{']' * 50}\n", "1: nested too deep: this is not a scenario"),
    ],
)
def test_a_short_file_must_not_become_a_huge_one(text: str, said: str) -> None:
    """Aliases are counted with all that they stand for."""
    assert problems(text) == [f"mine.yaml:{said}"]


def test_aliases_that_multiply_are_refused() -> None:
    """Each list is ten of the one before."""
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert problems(f"a0: &a0 [x]\n{bomb}")[0].endswith(TOO_MUCH)


def test_a_file_that_is_too_large_is_refused() -> None:
    """A scenario is written by a person."""
    assert problems(f"about: {'x' * 300_000}\n") == ["mine.yaml: larger than 256 KiB: this is not a scenario"]


def test_text_that_yaml_takes_for_a_comment_is_doubted() -> None:
    """One blank before the `#` is how text goes on; a comment that is meant stands apart."""
    text = (
        f"{HEAD}steps:\n- step: a  # meant\n  output:\n  - Analyzing # 5 deps\n  - 'quoted' # is not\n  - all#of it\n"
        "  - pause: 30 # is meant\n"
    )
    said = "is a comment, and not part of the text: put all of it in quotes, or two blanks before the '#'"
    assert doubts(text, "mine.yaml") == [f"mine.yaml:6: steps[1].output[1]: '# 5 deps' {said}"]


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
