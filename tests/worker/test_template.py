"""Text with seeded values: what each form gives, and what is said of one that is none."""

import tracemalloc
from collections.abc import Sequence

import pytest

from tests.worker.support import fixed
from worker.scope import Scope, TemplateError
from worker.template import Template

VALUES: dict[str, str | Sequence[Template]] = {
    "n": "1234567",
    "size": "12.5",
    "i": "3",
    "count": "8",
    "app": "shop",
    "minus": "-4",
    "long": "7" * 5_000,
    "big": "9" * 18,
    "squared": "²",
}
LISTS: dict[str, str | Sequence[Template]] = {
    "names": [Template("one"), Template("two"), Template("t${i}")],
    "itself": [Template("${pick itself}")],
}


def render(source: str, *drawn: float) -> str:
    """The text of a template, with these numbers drawn."""
    return Template(source).render(Scope(fixed(*drawn or (0.0,)), VALUES | LISTS))


@pytest.mark.parametrize(
    ("source", "drawn", "text"),
    [
        ("", (), ""),
        ("no place, {braces} and $money", (), "no place, {braces} and $money"),
        ("$${app} ${app}", (), "${app} shop"),
        ("${ app }", (), "shop"),
        ("${i*100/count}% ${count-i} ${i + 1}", (), "37% 5 4"),
        ("${minus/3}", (), "-2"),
        ("${3..40}", (0.0,), "3"),
        ("${3..40}", (0.999,), "40"),
        ("${0.12..9.99}", (0.0,), "0.12"),
        ("${0.12..9.99}", (0.999999,), "9.99"),
        ("${0.05..0.05}", (0.5,), "0.05"),
        ("${hex 4}", (0.0, 0.999, 0.5, 0.7), "0f8b"),
        ("${digits 3}", (0.0, 0.999, 0.5), "095"),
        ("${pick names}", (0.4,), "two"),
        ("${pick names}", (0.9,), "t3"),
        ("${main | develop | feature/x}", (0.5,), "develop"),
        ("${fill 7 ab}", (), "abababa"),
        ("${U+202E}${U+1F600}", (), "\u202e\U0001f600"),
        ("${byte FF c3}", (), "\udcff\udcc3"),
        ("[${n:,}] [${size:,}]", (), "[1,234,567] [12.5]"),
        ("[${i:>4}] [${i:<4}] [${i:^5}] [${i:03}]", (), "[   3] [3   ] [  3  ] [003]"),
        ("[${1..9:>3}] [${i*2:>3}] [${pick names:<5}]", (0.0, 0.0), "[  1] [  6] [one  ]"),
        ("${n:>12,}", (), "   1,234,567"),
        ("[${minus:,}] [${minus:03}] [${minus:>4}]", (), "[-4] [-04] [  -4]"),
        ("${8-3} ${3 - i}", (), "5 0"),
        ("${1..999999999999999999}", (0.5,), "500000000000000001"),
    ],
)
def test_each_form_gives_its_text(source: str, drawn: tuple[float, ...], text: str) -> None:
    """Numbers are drawn from left to right, both ends of a range can come."""
    assert render(source, *drawn) == text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("${app", "'${' without a '}': for the characters themselves write '$${'"),
        ("${}", "'${}' is not understood"),
        ("${3..x}", "'${3..x}' is not understood"),
        ("${App}", "'${App}' is not understood"),
        ("${9..3}", "'9..3': the lower number comes first"),
        ("${0.1..0.99}", "'0.1..0.99': write both ends with as many decimals"),
        ("${U+110000}", "'U+110000': Unicode ends at U+10FFFF"),
        ("${fill 9999999 x}", "9999999 characters are too many: at most 4194304"),
        ("${fill 99999999999999999999 x}", "'99999999999999999999' is too large: a number has at most 18 digits"),
        (f"${{digits {'9' * 5_000}}}", f"'{'9' * 59}…' is too large"),
        (f"${{1..{'9' * 5_000}}}", f"'{'9' * 59}…' is too large"),
        ("${0.1..0.1234567890123456789}", "'0.1..0.1234567890123456789': write both ends with as many decimals"),
        (f"${{i+{'9' * 5_000}}}", f"'{'9' * 59}…' is too large"),
        ("${²..³}", "'${²..³}' is not understood"),
        ("${٣..٤}", "'${٣..٤}' is not understood"),
        ("${app:>2100000000}", "a width of '2100000000' is too wide: write at most 4 digits"),
        ("${80-240}", "'${80-240}' is a number below 0: a range is written ${80..240}"),
        (f"${{{'x' * 300_000}!}}", f"'${{{'x' * 57}…' is not understood"),
    ],
)
def test_what_is_no_template_is_refused_when_it_is_read(source: str, said: str) -> None:
    """The sentence has the text that is wrong."""
    with pytest.raises(TemplateError) as error:
        Template(source)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("${nobody}", "there is no value 'nobody'"),
        ("${names}", "'names' is a list: write 'pick names'"),
        ("${pick app}", "there is no list 'app'"),
        ("${app*2}", "'app' is 'shop', not a whole number of up to 18 digits"),
        ("${long+1}", f"'long' is '{'7' * 59}…', not a whole number of up to 18 digits"),
        ("${squared+1}", "'squared' is '²', not a whole number of up to 18 digits"),
        ("${big*big}", "999999999999999999 * 999999999999999999 has more than 18 digits"),
        ("${squared:,}", "'²' is not a number, to be written with thousands"),
        ("${long:,}", f"'{'7' * 59}…' is not a number, to be written with thousands"),
        ("${pick itself}", "lists whose items pick from lists go too far: let them pick less"),
        ("${i/0}", "division by zero"),
        ("${app:,}", "'shop' is not a number, to be written with thousands"),
    ],
)
def test_a_value_that_is_not_what_it_is_used_as_is_an_error(source: str, said: str) -> None:
    """It shows only where the template is filled in."""
    with pytest.raises(TemplateError) as error:
        render(source)
    assert str(error.value) == said


def test_a_template_tells_what_it_uses() -> None:
    """So that names that nobody gave are found before anything is played."""
    template = Template("${app} ${i*count} ${pick names} ${hex 3} ${a | b} ${size:>5}")
    used = {"app": "${app}", "i": "${i*count}", "count": "${i*count}", "size": "${size:>5}"}
    assert (template.used, template.lists) == (used, {"names": "${pick names}"})


@pytest.mark.parametrize(("source", "alone"), [("${app}", True), ("${app} ", False), ("$${", False), ("app", False)])
def test_a_template_tells_whether_it_is_one_place(source: str, alone: bool) -> None:
    """Where a number is wanted, nothing may stand beside its place."""
    assert Template(source).alone is alone


def test_large_texts_are_made_only_where_they_are_filled_in() -> None:
    """A short file may ask for many of them."""
    tracemalloc.start()
    template = Template("${fill 1000000 x}" * 100)
    _, read = tracemalloc.get_traced_memory()
    with pytest.raises(TemplateError, match=r"^a text comes to more than 4,194,304 characters: make it shorter$"):
        template.render(Scope(fixed(0.0), {}))
    _, filled_in = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read < 1_000_000
    assert filled_in < 10_000_000


def test_a_text_of_the_largest_size_is_given() -> None:
    """Nothing more may stand beside it."""
    assert len(render("${fill 4194304 ab}")) == 4_194_304
    with pytest.raises(TemplateError, match=r"^a text comes to more than"):
        render("${fill 4194304 ab}${i}")


def test_values_that_double_come_to_an_end() -> None:
    """Forty of them would fill any memory; many large ones, too."""
    scope, doubled = Scope(fixed(0.0), {"a": "x" * 1_000_000}), Template("${a}${a}")
    larger = scope.inner(a=doubled.render(scope))
    largest = larger.inner(a=doubled.render(larger))
    with pytest.raises(TemplateError, match=r"^a text comes to more than 4,194,304 characters: make it shorter$"):
        doubled.render(largest)
    many = {f"b{number}": "x" * 1_000_000 for number in range(17)}
    with pytest.raises(TemplateError, match=r"^the values come to more than 16,777,216 characters: make them shorter$"):
        scope.inner(**many)


def test_lists_that_pick_from_lists_again_and_again_come_to_an_end() -> None:
    """Each item picks twenty of the one before: the number of places grows beyond all bounds, and no text comes."""
    lists: dict[str, str | Sequence[Template]] = {"l0": [Template("")]}
    for number in range(1, 15):
        lists[f"l{number}"] = [Template(f"${{pick l{number - 1}}}" * 20)]
    with pytest.raises(TemplateError, match=r"^lists whose items pick from lists go too far: let them pick less$"):
        Template("${pick l14}").render(Scope(fixed(0.0), lists))
