"""What a deploy does under a scenario and a seed: each item, each fault, to the millisecond."""

from typing import cast, get_args

import pytest

from producer.simulate import FaultKind
from tests.worker.support import OnlyRandom, Played, every, fixed, played, scenario
from worker import generate, printer
from worker.actions import Action, Cancel, Crash, End, Line, Part
from worker.catalogue import faults
from worker.clock import Clock
from worker.faults import FaultError
from worker.scope import TemplateError

DAY_MS = 24 * 3_600_000
TWO_STEPS = """
    steps:
    - step: build
      output: [one, two, three, four]
      faults:
        error:
          output: no
          reason: broken
          detail: in ${app}
    - step: upload
      output: [five]
"""


def texts(found: Played) -> list[tuple[int, str]]:
    """Delay and text of each line."""
    return [(action.delay_ms, action.text) for action in found.actions if isinstance(action, Line)]


def kind_of(fault: str) -> FaultKind:
    """The kind that this piece of YAML has words for."""
    return cast("FaultKind", fault.partition(":")[0])


@pytest.mark.parametrize(
    ("output", "actions"),
    [
        ("[one, two]", [Line(10, "one", "s"), Line(10, "two", "s")]),
        ("{text: one, stream: stderr, level: warn, pace: 7}", [Line(7, "one", "s", "stderr", "warn")]),
        ("[one, {pause: 1s}, two]", [Line(10, "one", "s"), Line(1010, "two", "s")]),
        ("[one, {pause: 1s}, {text: never, chance: 0}]", [Line(10, "one", "s")]),
        ("[{write: one, stream: stderr, level: warn}, ' two']",
         [Part(10, b"one", "s", "stderr", "warn"), Line(10, " two", "s")]),
        ("{repeat: 3, output: '${i}/${count}'}", [Line(10, "1/3", "s"), Line(10, "2/3", "s"), Line(10, "3/3", "s")]),
        ("{repeat: '2', as: n, values: {m: '${n*n}'}, output: '${m}'}", [Line(10, "1", "s"), Line(10, "4", "s")]),
        ("{repeat: 0, output: never}", []),
        ("{each: names, as: name, output: '${i} ${name} of ${count}'}",
         [Line(10, "1 a of 2", "s"), Line(10, "2 b of 2", "s")]),
        ("{each: names, keep: 0, output: never}", []),
        ("[{text: never, chance: 0}, {text: always, chance: 100%}]", [Line(10, "always", "s")]),
        ("{one_of: [{weight: 1, output: this}, {weight: 1000000, output: that}]}", [Line(10, "that", "s")]),
        ("{progress: '${percent}% ${done}/${total}', total: 7, updates: 1, over: 2s}", [Line(2000, "100% 7/7", "s")]),
        ("{parallel: [{prefix: 'a: ', output: [1, {pause: 25}, 2]}, {prefix: 'b: ', pace: 15, output: [x, y, z]}]}",
         [Line(10, "a: 1", "s"), Line(5, "b: x", "s"), Line(15, "b: y", "s"), Line(15, "a: 2", "s"),
          Line(0, "b: z", "s")]),
        ("{parallel: [{prefix: 'a ', output: [x, {write: y}]}, {pace: 15, output: [{write: p}, q]}]}",
         [Line(10, "a x", "s"), Line(10, "a y", "s"), Line(10, "pq", "s")]),
        ("{parallel: [{output: [{write: y}, {text: z, stream: stderr}]}, {pace: 15, output: b}]}",
         [Line(15, "b", "s"), Line(5, "z", "s", "stderr"), Line(0, "y", "s")]),
        ("[{parallel: [{output: [{pause: 90}]}, {output: a}]}, b]", [Line(10, "a", "s"), Line(90, "b", "s")]),
        ("['${step} ${app} ${elapsed} ${elapsed_ms}', {pause: 71990}, '${elapsed_s} ${elapsed_go} ${total_go}']",
         [Line(10, "s shop 0.01 10", "s"), Line(72000, "72 1m12s 1m12s", "s")]),
        ("'${red}a${off}${tab}${cr}${lf}${esc}'", [Line(10, "\x1b[31ma\x1b[0m\t\r\n\x1b", "s")]),
    ],
)  # fmt: skip
def test_each_item_does_what_it_says(output: str, actions: list[Action]) -> None:
    """To the millisecond."""
    found = played(f"""
        values: {{names: [a, b]}}
        steps:
        - step: s
          output: {output}
    """)
    assert found == (actions, End(delay_ms=1000 * ("never, chance: 0}]" in output)))


def test_progress_draws_over_its_line() -> None:
    """It rises from frame to frame, ends at the whole, and takes the time that it was given."""
    found = played("steps:\n- {step: s, output: {progress: '${done}', total: 50, updates: 5, over: 1s}}")
    *parts, last = found.actions
    assert isinstance(last, Line)
    pieces = [part.data.decode() for part in parts if isinstance(part, Part)] + [last.text]
    shown = [int(piece.removeprefix("\r")) for piece in pieces]
    assert (len(shown), shown, shown[-1]) == (5, sorted(shown), 50)
    assert [piece[0] == "\r" for piece in pieces] == [False, True, True, True, True]
    assert [action.delay_ms for action in found.actions] == [200] * 5


@pytest.mark.parametrize("loop", ["each: names", "repeat: 5"])
def test_bursts_go_on_from_round_to_round(loop: str) -> None:
    """A loop's lines come in the bursts of its step, and in its own where it has some."""
    text = f"""
        values: {{names: [a, b, c, d, e]}}
        steps:
        - step: s
          pace: {{burst: 3, within: 1, gap: 500}}
          output: [x, {{{loop}, output: y}}]
        - step: t
          output: {{{loop}, pace: {{burst: 2, within: 1, gap: 90}}, output: z}}
    """
    assert [delay for delay, _ in texts(played(text))] == [500, 1, 1, 500, 1, 1, 90, 1, 90, 1, 90]


def test_a_value_is_drawn_once_and_may_use_those_before_it() -> None:
    """Those of a step are drawn when it begins, and are unknown to the next."""
    found = played("""
        values: {a: '${hex 4}', b: 'x${a}'}
        steps:
        - {step: s, values: {c: '${b}!'}, output: ['${a} ${b} ${c}', '${a}']}
        - {step: t, output: '${b}'}
    """)
    (_, first), (_, a), (_, b) = texts(found)
    assert (first, b) == (f"{a} x{a} x{a}!", f"x{a}")


@pytest.mark.parametrize(
    ("fault", "after", "end"),
    [
        ("error", [Line(10, "no", "build")], End("broken", "in shop")),
        ("disk-full", None, End("disk full", "no space left on device")),
        ("cancel", [Cancel(0)], End("cancelled")),
        ("crash", [Part(10, b"thr", "build"), Crash(1200)], End("worker_lost")),
        ("flaky", None, End()),
        ("hang", None, End()),
        ("registry-retry", None, End()),
    ],
)
def test_a_fault_strikes_within_its_step(fault: FaultKind, after: list[Action] | None, end: End) -> None:
    """What is printed until then is what is printed without it; own words come before general ones."""
    found = played(TWO_STEPS, 3, "build", fault)
    assert found.end == end
    assert found.actions[:2] == [Line(10, "one", "build"), Line(10, "two", "build")]
    if after is not None:
        assert found.actions[2:] == after


def test_a_hang_is_minutes_without_a_line_then_the_step_goes_on() -> None:
    """Nothing of the step is lost, and only one line waits."""
    lines = texts(played(TWO_STEPS, 3, "build", "hang"))
    assert [text for _, text in lines] == ["one", "two", "three", "four", "five"]
    assert [delay for delay, _ in lines if delay != 10] == [lines[2][0]]
    assert 180_000 <= lines[2][0] - 10 <= 480_000


def test_a_flaky_step_is_run_again_from_its_beginning() -> None:
    """And works the second time."""
    lines = [text for _, text in texts(played(TWO_STEPS, 3, "build", "flaky"))]
    assert lines[:2] == ["one", "two"]
    assert lines[-6:] == ["running step 'build' again (attempt 2 of 2)", "one", "two", "three", "four", "five"]


@pytest.mark.parametrize(
    ("strikes", "lines"),
    [("start", ["no"]), ("end", ["one", "two", "three", "four", "no"]), ("anywhere", ["one", "two", "no"])],
)
def test_a_fault_may_say_where_it_strikes(strikes: str, lines: list[str]) -> None:
    """Before the step's first line, after its last, or somewhere between."""
    text = TWO_STEPS.replace("output: no", f"output: no\n          strikes: {strikes}")
    assert [text for _, text in texts(played(text, 3, "build", "error"))] == lines


def test_what_comes_after_a_hang_tells_of_its_time() -> None:
    """What a step says of its time, also in a task beside others, agrees with the delays."""
    found = played("""
        steps:
        - step: s
          output: [a, {parallel: [{output: ['${elapsed_ms}', '${elapsed_ms}']}, {output: [x]}]}, '${total_s}', b]
        - {step: t, output: '${total_s}'}
    """, 5, "s", "hang")  # fmt: skip
    at, times = 0, []
    for delay, text in texts(found):
        at += delay
        times.append((text, str(at), str(at // 1000)))
    assert all(text in {"a", "b", "x", at_ms, at_s} for text, at_ms, at_s in times)
    assert int(times[-1][2]) >= 180


@pytest.mark.parametrize(("strikes", "after"), [("start", ["5", "5"]), ("anywhere", ["0", "5"])])
def test_what_would_come_at_once_comes_after_a_hang_and_says_so(strikes: str, after: list[str]) -> None:
    """The clock tells a line at the very moment of the hang from one before it."""
    fault = f"{{hang: {{strikes: {strikes}, pause: 5s}}}}"
    text = f"steps:\n- {{step: s, pace: 0, output: ['${{total_s}}', '${{total_s}}'], faults: {fault}}}"
    assert [text for _, text in texts(played(text, 0, "s", "hang"))] == after


def test_a_date_goes_on_after_the_end_of_a_month() -> None:
    """And stops at the last one that there is, not the deploy."""
    clock = Clock(fixed(0.99))
    days = []
    for now in (0, 4 * DAY_MS, 400 * DAY_MS, 10**18):
        clock.now = now
        days.append(clock.text("date"))
    assert days == ["2026-03-28", "2026-04-01", "2027-05-02", "9999-12-31"]


def test_a_flaky_step_begins_its_time_again() -> None:
    """Its second attempt is measured by itself, and has the values of the first."""
    text = "steps:\n- {step: s, values: {v: '${hex 8}'}, output: ['${v}', '${elapsed_ms} ${v}']}"
    (_, value), *_, (_, again), (_, last) = texts(played(text, 2, "s", "flaky"))
    assert (again, last) == (value, f"20 {value}")


def test_general_values_are_those_of_general_words() -> None:
    """A step that has its own words has its own values too."""
    text = """
        values: {port: '1'}
        steps:
        - {step: s, output: a, faults: {health-check: {output: 'port ${port}', strikes: end}}}
    """
    assert [text for _, text in texts(played(text, 0, "s", "health-check"))] == ["a", "port 1"]


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        # own output alone: the general reason has nothing that only general output has
        ("error: {output: boom}", (["boom"], "step s failed")),
        # own values and reason alone: the general output is as it always is
        ("error: {values: {n: '3'}, reason: 'exit ${n}'}", (["error: step 's' exited with status "], "exit 3")),
        # own values win over general ones of the same name, for general words too
        ("error: {values: {status: '77'}, reason: 'exit ${status}'}",
         (["error: step 's' exited with status 77"], "exit 77")),
        # a general value of the same name does not come into own words
        ("health-check: {reason: 'port ${port}', detail: '${port}!'}", (None, "port 1")),
    ],
)  # fmt: skip
def test_own_words_have_own_values_and_general_words_general_ones(
    fault: str, found: tuple[list[str] | None, str]
) -> None:
    """Whichever of output, values and reason the step has of its own."""
    text = f"values: {{port: '1'}}\nsteps:\n- {{step: s, output: a, faults: {{{fault}}}}}"
    actions, end = played(text, 0, "s", kind_of(fault))
    said = [action.text.removesuffix("1").removesuffix("2") for action in actions[1:] if isinstance(action, Line)]
    assert (None if found[0] is None else said, end.reason) == found


@pytest.mark.parametrize(
    ("fault", "lines"),
    [
        ("hang: {output: waiting}", [("a", 0), ("waiting", 0), ("b", 4)]),
        ("hang: {output: waiting, pause: 1m}", [("a", 0), ("waiting", 0), ("b", 1)]),
        ("hang: {pause: 1m}", [("a", 0), ("b", 1)]),
        ("timeout: {output: too long}", [("a", 0), ("too long", 11)]),
        ("timeout: {output: too long, pause: 2m}", [("a", 0), ("too long", 2)]),
    ],
)
def test_a_fault_with_own_words_stays_the_fault(fault: str, lines: list[tuple[str, int]]) -> None:
    """A hang says its words, and hangs for minutes; a time-out is minutes of nothing, and then its words."""
    found = texts(played(f"steps:\n- {{step: s, output: [a, b], faults: {{{fault}}}}}", 0, "s", kind_of(fault)))
    assert [(text, delay // 60_000) for delay, text in found] == lines


def test_general_words_have_their_own_pace() -> None:
    """A compiler's error comes at once, however slow the step is."""
    found = texts(played("steps:\n- {step: s, pace: 9s, output: [a, b]}", 0, "s", "compile-error"))
    assert all(delay <= 4 for delay, _ in found[1:4])


def test_general_words_may_say_where_they_strike() -> None:
    """A step's own words say it better."""
    text = "steps:\n- {step: s, output: [a, b, c]}\n- {step: t, output: [a, b, c], faults: {error: {strikes: start}}}"
    words = faults().model_copy(deep=True)
    words.faults["error"].strikes = "end"
    for step, count in (("s", 4), ("t", 4)):
        found = every(generate.play(scenario(text), words, 3, fail_at=step, fault="error"))
        assert len(found.actions) == count


def test_a_fault_does_not_strike_in_the_middle_of_a_line() -> None:
    """What it says are lines of their own; only a crash cuts one."""
    text = "steps:\n- {step: s, output: [{write: a}, {write: b}, {write: c}, d, e]}"
    for seed in range(20):
        actions = played(text, seed, "s", "disk-full").actions
        at = next(n for n, a in enumerate(actions) if isinstance(a, Line) and "No space" in a.text)
        assert isinstance(actions[at - 1], Line)


def test_a_fault_does_not_strike_while_another_stream_is_in_the_middle_of_a_line() -> None:
    """Though a whole line came after the piece that began one."""
    text = "steps:\n- {step: s, output: [one, {write: 'half '}, {text: warning, stream: stderr}, done, two]}"
    for seed in range(20):
        found = [text for _, text in texts(played(text, seed, "s", "disk-full"))]
        at = next(n for n, text in enumerate(found) if "No space" in text)
        assert found[:at] in (["one"], ["one", "warning", "done"], ["one", "warning", "done", "two"])


@pytest.mark.parametrize(
    ("fault", "lines"),
    [
        ("hang: {strikes: start, output: 'hung at ${elapsed_ms}'}", [(0, "one"), (10_000, "hung at 0")]),
        ("error: {strikes: start, output: 'no at ${elapsed_ms}'}", [(0, "one"), (10_000, "no at 0")]),
        ("error: {strikes: end, output: 'no at ${elapsed_ms}'}", [(0, "one"), (10_000, "b 0"), (7_000, "no at 7000")]),
    ],
)
def test_no_fault_strikes_before_its_step_begins(fault: str, lines: list[tuple[int, str]]) -> None:
    """Nor, at its end, before that is there: the pauses without a line are part of their steps."""
    text = f"""
        steps:
        - {{step: a, pace: 0, output: [one, {{pause: 10s}}]}}
        - step: b
          pace: 0
          output: ['b ${{elapsed_ms}}', {{pause: 7s}}]
          faults: {{{fault}}}
    """
    assert texts(played(text, 0, "b", kind_of(fault)))[: len(lines)] == lines


@pytest.mark.parametrize(("strikes", "delay"), [("start", 10), ("end", 7010)])
def test_a_step_without_a_line_has_a_start_and_an_end(strikes: str, delay: int) -> None:
    """With all its time between the two."""
    words = f"{{error: {{strikes: {strikes}, output: 'no'}}}}"
    found = played(f"steps:\n- {{step: s, output: {{pause: 7s}}, faults: {words}}}", fail_at="s", fault="error")
    assert texts(found) == [(delay, "no")]


def test_a_step_that_takes_longer_after_a_hang_takes_its_own_time() -> None:
    """Its second half tells of the hang, and may be longer by it: no delay is negative."""
    found = played("""
        steps:
        - {step: s, output: [x, y, {repeat: '${elapsed_s}', output: z}], faults: {hang: {pause: 5s}}}
        - {step: t, output: '${total_s}'}
    """, 1, "s", "hang")  # fmt: skip
    assert texts(found) == [(10, "x"), (5010, "y"), *[(10, "z")] * 5, (10, "5")]


def test_a_fault_without_a_step_strikes_one_that_has_words_for_it() -> None:
    """Where none has, any."""
    assert {played(TWO_STEPS, seed, None, "error").end.reason for seed in range(20)} == {"broken"}
    struck = {len(played(TWO_STEPS, seed, None, "cancel").actions) for seed in range(40)}
    assert {2, 3, 4, 6} <= struck


def test_a_step_without_a_fault_fails_as_it_can() -> None:
    """In its own words, or in general ones where it has none."""
    assert played(TWO_STEPS, 1, "build").end.reason == "broken"
    assert {played(TWO_STEPS, seed, "upload").end.reason for seed in range(9)} == {"step upload failed"}


def test_a_fault_with_a_chance_strikes_by_itself() -> None:
    """As often as it says."""
    always = TWO_STEPS.replace("output: no", "output: no\n          chance: 1")
    seldom = TWO_STEPS.replace("output: no", "output: no\n          chance: 25%")
    assert played(always).end.reason == "broken"
    assert 10 < sum(played(seldom, seed).end.reason == "broken" for seed in range(100)) < 40


def test_a_scenario_may_end_as_failed_when_all_went_as_told() -> None:
    """A canary that is rolled back."""
    text = "ends: {reason: '${app} rolled back', detail: d}\nsteps:\n- {step: s, output: x}"
    assert played(text).end == End("shop rolled back", "d")


def test_a_step_that_there_is_not_is_refused_at_once() -> None:
    """Before anything is played."""
    with pytest.raises(FaultError, match="scenario 't' has no step 'deploy': it has build, upload"):
        generate.play(scenario(TWO_STEPS), faults(), 0, fail_at="deploy")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("{repeat: '${app}', output: x}", "step 's': 'shop' is not a number up to 1,000"),
        ("{repeat: 10, output: {repeat: 101, output: x}}", "step 's': more than 1,000 lines in all"),
        ("{repeat: 1001, output: []}", "step 's': '1001' is not a number up to 1,000"),
        ("{repeat: 1000, output: {repeat: 1000, output: []}}", "step 's': more than 5,000 items in all"),
        ("{repeat: 1000, output: {repeat: 1000, output: {pause: 0}}}", "step 's': more than 5,000 items in all"),
        ("{repeat: 900, output: '${fill 900 x}'}", "step 's': more than 100,000 characters in all"),
        ("{repeat: 900, values: {v: '${fill 900 x}'}, output: []}", "step 's': more than 100,000 characters in all"),
        ("'${app*2}'", "'app' is 'shop', not a whole number"),
    ],
)
def test_a_value_that_does_not_fit_stops_the_deploy_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, output: str, said: str
) -> None:
    """It can only be seen while it is played."""
    monkeypatch.setattr(printer, "_MOST", 1_000)
    monkeypatch.setattr(printer, "_MOST_ITEMS", 5_000)
    monkeypatch.setattr(printer, "_MOST_CHARACTERS", 100_000)
    with pytest.raises(TemplateError) as error:
        played(f"steps:\n- {{step: s, output: {output}}}")
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("fault", [None, *get_args(FaultKind)])
def test_all_is_drawn_from_random_alone(monkeypatch: pytest.MonkeyPatch, fault: FaultKind | None) -> None:
    """The other methods of `random.Random` differ between versions."""
    expected = played(TWO_STEPS, 5, None, fault)
    monkeypatch.setattr(generate, "Random", OnlyRandom)
    assert every(generate.play(scenario(TWO_STEPS), faults(), 5, fault=fault)) == expected
