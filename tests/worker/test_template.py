"""Text with seeded values: what each form gives, and what is said of one that is none."""

from collections.abc import Sequence

import pytest

from tests.worker.support import fixed
from worker.template import Scope, Template, TemplateError

VALUES: dict[str, str | Sequence[Template]] = {
    "n": "1234567",
    "size": "12.5",
    "i": "3",
    "count": "8",
    "app": "shop",
    "minus": "-4",
}
LISTS: dict[str, str | Sequence[Template]] = {"names": [Template("one"), Template("two"), Template("t${i}")]}


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
    ],
)
def test_each_form_gives_its_text(source: str, drawn: tuple[float, ...], text: str) -> None:
    """Numbers are drawn from left to right, both ends of a range can come."""
    assert render(source, *drawn) == text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("${app", "'${' without a '}' in '${app': for the characters themselves write '$${'"),
        ("${}", "'${}' is not understood"),
        ("${3..x}", "'${3..x}' is not understood"),
        ("${App}", "'${App}' is not understood"),
        ("${9..3}", "'9..3': the lower number comes first"),
        ("${0.1..0.99}", "'0.1..0.99': write both ends with as many decimals"),
        ("${U+110000}", "'U+110000': Unicode ends at U+10FFFF"),
        ("${fill 9999999 x}", "9999999 characters are too many: at most 4194304"),
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
        ("${app*2}", "'app' is 'shop', not a whole number"),
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
    assert (template.used, template.lists) == ({"app", "i", "count", "size"}, {"names"})
