"""Valid ids and the names under which a deploy lies in Redis."""

import pytest

from producer.errors import DeployLogError, InvalidId
from producer.keys import Keys, app_index, check_id

INVALID = [
    "",
    "-a",
    "_a",
    "a\n",
    "\na",
    "a b",
    "a/b",
    "a:b",
    "a.b",
    "a{b}",
    "a*",
    "..",
    "é",
    "\u0665",  # an Arabic-Indic digit
    "\uff11",  # a full-width digit
    "\u212a",  # KELVIN SIGN: a letter that lower-cases to k
    "a\0",
    "a" * 65,
    "a" * 100_000,
]


@pytest.mark.parametrize("value", ["a", "7", "A", "a-", "a_", "0-_", "d" + "0" * 63, "shop", "A" * 64])
def test_a_valid_id_comes_back(value: str) -> None:
    """1 to 64 letters, digits, '_' and '-', the first a letter or a digit."""
    assert check_id("deploy", value) == value


@pytest.mark.parametrize("value", INVALID, ids=lambda value: repr(value[:9]) + str(len(value)))
@pytest.mark.parametrize("kind", ["app", "deploy"])
def test_an_invalid_id_is_refused(kind: str, value: str) -> None:
    """The error names the kind and the id, and stays short whatever the id."""
    with pytest.raises(InvalidId, match=f"^{kind} id ") as caught:
        check_id(kind, value)
    assert len(str(caught.value)) < 300
    with pytest.raises(InvalidId):
        Keys(*{"app": (value, "d1"), "deploy": ("shop", value)}[kind])


def test_an_invalid_id_is_a_deploy_log_error_and_a_value_error() -> None:
    """So either may be caught."""
    assert issubclass(InvalidId, DeployLogError)
    assert issubclass(InvalidId, ValueError)


def test_the_names_of_a_deploy() -> None:
    """One hash tag for the three keys of a deploy; the index of its app has another."""
    keys = Keys("shop", "d1")
    assert (keys.log, keys.state, keys.events, keys.member, app_index(keys.app)) == (
        "deploy:{shop/d1}:log",
        "deploy:{shop/d1}:state",
        "deploy:{shop/d1}:events",
        "shop/d1",
        "app:shop:deploys",
    )


def test_two_deploys_never_share_a_name() -> None:
    """The slash between app and deploy can be in neither."""
    assert Keys("a", "b-c").state != Keys("a-b", "c").state


def test_keys_are_found_by_their_member() -> None:
    """The member of the index of unfinished deploys leads back to the deploy."""
    keys = Keys("shop", "d1")
    found = Keys.from_member(keys.member)
    assert found == keys
    assert {found: 1}[keys] == 1
    assert found != Keys("shop", "d2")
    assert found != "shop/d1"
    assert repr(found) == "Keys(shop/d1)"


@pytest.mark.parametrize("member", ["", "/", "shop", "shop/", "/d1", "shop/d1/x", "shop/d1\n", "shop//d1", "\ufffd/d1"])
def test_a_member_that_is_not_ours_is_refused(member: str) -> None:
    """Whatever somebody else put into the index."""
    with pytest.raises(InvalidId):
        Keys.from_member(member)
