"""A user's own scenarios: how they are found, listed and checked, whatever is in their files and in the folder."""

import os
import tracemalloc
from pathlib import Path

import pytest

from producer.simulate import MAX_RECORDING_CHARACTERS
from scripts.scenarios import Likely, check, find, folder, hidden, own, read_recording, remarks
from scripts.tables import expectation
from tests.scripts.command_line import deploytail
from worker.catalogue import NAMES
from worker.reading import ScenarioError
from worker.recording import RecordingError

MINE = "scenario: mine\nabout: One of the user's own.\npace: '250'\nsteps:\n- {step: pack, output: [one, two]}\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own scenarios, with one in it."""
    there = tmp_path / "own"
    there.mkdir()
    (there / "mine.yaml").write_text(MINE)
    monkeypatch.setenv("DEPLOYTAIL_SCENARIOS", str(there))
    return there


def test_a_folder_whatever_is_in_it_is_listed(mine: Path) -> None:
    """A row a name: what is broken says so in its row, what no name finds is told below, and nothing steers a terminal.

    Into a pipe no line ends in blanks.
    """
    (mine / "static.yaml").write_text(MINE)
    (mine / "mine.yml").write_text(MINE)
    (mine / "other.yaml").write_text(MINE)
    (mine / "escape\x1b[2J.yaml").write_text('scenario: x\n"\\e]0;x\\a": 1\n')
    (mine / "latin.yaml").write_bytes(b"scenario: \xe9\n")
    (mine / "deep.yaml").write_text("values: " + "[" * 5_000)
    (mine / "folder.yaml").mkdir()
    os.mkfifo(mine / "pipe.yaml")
    (mine / "gone.yaml").symlink_to(mine / "nowhere")
    ended = deploytail(dict(os.environ), "scenario", "list")
    rows = ended.out.splitlines()
    begins = [row.split("  ")[0] for row in rows if row and not row.startswith(" ")]
    assert (ended.status, begins) == (
        0,
        ["SCENARIO", *NAMES, "deep", "escape<U+001B>[2J", "folder", "gone", "latin", "mine", "other", "pipe"],
    )
    told = {row.split("  ")[0]: row.split("  ")[-1].strip().removeprefix(f"{mine}/") for row in rows}
    fields = "scenario, about, values, secrets, pace, steps, ends"
    assert {name: told[name] for name in ("deep", "escape<U+001B>[2J", "folder", "gone", "latin", "mine", "pipe")} == {
        "deep": "deep.yaml:1: nested too deep: this is not a scenario",
        "escape<U+001B>[2J": "escape<U+001B>[2J.yaml:2: <U+001B>]0;x<U+0007>: "
        f"is not a field of a scenario, which has {fields}",
        "folder": "folder.yaml: is not a regular file",
        "gone": "gone.yaml: No such file or directory",
        "latin": "latin.yaml: is not UTF-8 at byte 10",
        "mine": "One of the user's own.",
        "pipe": "pipe.yaml: is not a regular file",
    }
    assert [row.strip() for row in rows if "both" in row] == [
        "its 'scenario' is 'mine', but 'other' finds it, the file's name: give both the same"
    ]
    assert ended.err.splitlines() == [
        f"{mine}/mine.yml: is hidden by mine.yaml: give it another name",
        f"{mine}/static.yaml: is hidden by the scenario 'static' that comes along: give it another name",
    ]
    assert [row for row in rows if row != row.rstrip()] == []


def test_check_takes_names_as_show_does_and_goes_on_after_what_is_not_there(mine: Path) -> None:
    """Status 1 where anything is wrong; all the others are checked."""
    bad = mine / "bad.yaml"
    bad.write_text(MINE.replace("[one, two]", "['${app/2}']"))
    words = ["mine", str(mine / "none.yaml"), "nobody", "~nouser/x.yaml", "/dev/zero", "bad", "static"]
    ended = deploytail(dict(os.environ), "scenario", "check", *words)
    assert (ended.status, ended.out.splitlines()[0], len(ended.out.splitlines())) == (
        1,
        "mine: mine: fine: 1 step, 2 lines, 0.5 s",
        2,
    )
    said = ended.err.splitlines()
    assert said[:1] + said[2:] == [
        f"{mine}/none.yaml: No such file or directory",
        "~nouser/x.yaml: there is no such home directory",
        "/dev/zero: is not a regular file",
        "bad: 'app' is 'shop', not a whole number of up to 18 digits",
    ]
    assert said[1].startswith("there is no scenario 'nobody': there are static, ")


def test_a_name_that_is_nearly_right_is_asked_back(mine: Path) -> None:
    """Of very many names not all are told."""
    for number in range(20):
        (mine / f"x{number}.yaml").write_text(MINE)
    with pytest.raises(ScenarioError) as error:
        find("mien")
    names = ", ".join([*NAMES, "mine", *(f"x{number}" for number in (0, 1, 10, 11, 12, 13))])
    assert str(error.value) == (
        f"there is no scenario 'mien': there are {names}, …; did you mean 'mine'?; "
        "a file of yours is named as a path, ./mien"
    )


def test_what_a_fault_of_its_own_does_wrong_is_told_with_its_step(mine: Path) -> None:
    """It shows only where the fault strikes."""
    file = mine / "late.yaml"
    file.write_text(
        f"{MINE}  faults: {{error: {{output: '${{app/2}}'}}}}\n".replace(
            "{step: pack, output: [one, two]}",
            """
  step: pack
  output: one""",
        )
    )
    with pytest.raises(ScenarioError) as error:
        check(file)
    said = "'app' is 'shop', not a whole number of up to 18 digits"
    assert str(error.value) == f"{file}: step 'pack' with its fault 'error': {said}"


def test_what_may_be_a_mistake_is_remarked(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that is a comment to YAML, a name other than the file's, and a file that another one hides."""
    doubtful = mine / "go.yaml"
    doubtful.write_text(MINE.replace("{step: pack, output: [one, two]}", "step: a\n  output:\n  - Analyzing # 5 deps"))
    monkeypatch.chdir(mine)
    comment = "is a comment, and not part of the text: put all of it in quotes, or two blanks before the '#'"
    assert remarks(doubtful) == [
        f"{doubtful}:7: steps[1].output[1]: '# 5 deps' {comment}",
        f"{doubtful}: its 'scenario' is 'mine', but 'go' finds it, the file's name: give both the same",
        f"{doubtful}: is hidden by the scenario 'go' that comes along: give it another name",
    ]
    assert [remarks(Path(name)) for name in ("mine", "mine.yaml", "static")] == [[], [], []]


def test_a_folder_in_a_home_that_there_is_not_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come along are there all the same."""
    monkeypatch.setenv("DEPLOYTAIL_SCENARIOS", "~nouser/x")
    for look in (folder, own, hidden):
        with pytest.raises(ScenarioError, match=r"^~nouser/x: there is no such home directory$"):
            look()
    assert find("static").builtin == "static"


def test_a_folder_that_there_is_not_has_no_scenarios(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has to make it."""
    monkeypatch.setenv("DEPLOYTAIL_SCENARIOS", str(tmp_path / "none"))
    assert (own(), hidden()) == ({}, [])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/dev/zero", "is not a regular file"),
        ("/dev", "is not a regular file"),
        ("~nouser/x.cast", "there is no such home directory"),
        ("./none.cast", "No such file or directory"),
    ],
)
def test_a_recording_is_a_file(name: str, said: str) -> None:
    """What has no end, or nobody at its other end, is not waited for."""
    with pytest.raises(RecordingError) as error:
        read_recording(name)
    assert str(error.value).startswith(f"{name}: {said}; those that come along: ")


def test_of_a_file_without_bounds_only_so_much_is_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte is refused like any that is too large."""
    file = tmp_path / "huge.yaml"
    with file.open("wb") as huge:
        huge.truncate(2**40)
    tracemalloc.start()
    with pytest.raises(ScenarioError, match=r"huge\.yaml: larger than 256 KiB: this is not a scenario$"):
        check(file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000
    with pytest.raises(RecordingError, match=f"at most {MAX_RECORDING_CHARACTERS:,} are played"):
        read_recording(str(file))


@pytest.mark.parametrize(
    ("likely", "said"),
    [
        (Likely((1, 1), (340, 340)), "1 line, 0.3 s"),
        (Likely((1, 2), (0, 960)), "1-2 lines, 0-1 s"),
        (Likely((2, 1_500), (500, 12_400)), "2-1,500 lines, 0.5-12 s"),
        (Likely((3, 3), (1_000, 1_400)), "3 lines, 1 s"),
    ],
)
def test_what_to_expect_is_told_in_a_few_words(likely: Likely, said: str) -> None:
    """Of less than a second, what there is of it."""
    assert expectation(likely) == said
