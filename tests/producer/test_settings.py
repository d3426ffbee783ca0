"""The settings that every service shares."""

import pytest
from pydantic import Field

from producer.deploys import Limits
from producer.settings import Settings

NO_NUMBER = "Input should be a valid integer, unable to parse string as an integer"


class Service(Settings):
    """A service with a switch of its own."""

    stop_timeout: float = Field(10, ge=0, description="seconds to stop in")
    quiet: bool = Field(False, description="say less")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the developer's settings."""
    for name in Service.model_fields:
        monkeypatch.delenv(f"DEPLOYTAIL_{name.upper()}", raising=False)


def settings(*arguments: str) -> Service:
    """The settings that this command line gives."""
    return Service.from_command_line("python -m service", arguments)


def test_the_defaults() -> None:
    """No address, and the limits of the contract."""
    found = settings()
    assert found == Service(
        redis_url=None, queue_url=None, queue="deploys", cap_events=10_000, cap_bytes=8 * 1024 * 1024, ttl=604_800
    )
    assert (found.limits, found.stop_timeout, found.quiet) == (Limits(), 10.0, False)


def test_each_setting_is_an_option() -> None:
    """With dashes; a switch takes no value."""
    found = settings(
        *("--redis-url", "redis://a", "--queue-url=redis://b", "--queue", "q"),
        *("--cap-events", "20", "--cap-bytes", "3000", "--ttl", "4", "--stop-timeout", "0.5", "--quiet"),
    )
    assert found.model_dump() == {
        "redis_url": "redis://a",
        "queue_url": "redis://b",
        "queue": "q",
        "cap_events": 20,
        "cap_bytes": 3000,
        "ttl": 4,
        "stop_timeout": 0.5,
        "quiet": True,
    }
    assert found.limits == Limits(20, 3000, 4)


def test_each_setting_is_a_variable_and_an_option_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEPLOYTAIL_ and the name in capitals."""
    for name, value in {"REDIS_URL": "redis://a", "CAP_EVENTS": "20", "STOP_TIMEOUT": "3", "QUIET": "true"}.items():
        monkeypatch.setenv(f"DEPLOYTAIL_{name}", value)
    found = settings("--stop-timeout", "4")
    assert (found.redis_url, found.cap_events, found.stop_timeout, found.quiet) == ("redis://a", 20, 4.0, True)


def stopped(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """What a wrong command line says; the exit status is 2, and nothing goes to standard output."""
    with pytest.raises(SystemExit) as caught:
        settings(*arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_wrong_settings_are_named_each_by_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option or the variable, what is wrong, and what was given."""
    monkeypatch.setenv("DEPLOYTAIL_CAP_BYTES", "many")
    monkeypatch.setenv("DEPLOYTAIL_TTL", "60")
    assert stopped(capsys, "--cap-events", "1", "--ttl", "soon") == [
        "python -m service: --cap-events: Input should be greater than or equal to 2, not '1'",
        f"python -m service: DEPLOYTAIL_CAP_BYTES: {NO_NUMBER}, not 'many'",
        f"python -m service: --ttl: {NO_NUMBER}, not 'soon'",
    ]


@pytest.mark.parametrize(
    "arguments",
    [["--cap-events"], ["--no-such"], ["--cap-event", "5"], ["stray"], ["--quiet=yes"]],
    ids=lambda arguments: arguments[0],
)
def test_a_wrong_command_line_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """Unknown, shortened, without its value, or with one too many."""
    assert stopped(capsys, *arguments)[-1].startswith("python -m service: error: ")


@pytest.mark.parametrize(("option", "least"), [("cap-events", 2), ("cap-bytes", 1024), ("ttl", 1)])
def test_a_limit_has_a_least_value(capsys: pytest.CaptureFixture[str], option: str, least: int) -> None:
    """Below it a log could not work."""
    assert getattr(settings(f"--{option}", str(least)), option.replace("-", "_")) == least
    assert stopped(capsys, f"--{option}", str(least - 1))[0].startswith(f"python -m service: --{option}: ")


def test_the_help_shows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """Its option, its description, its default and its variable."""
    with pytest.raises(SystemExit) as caught:
        settings("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0
    assert "A service with a switch of its own." in text
    for name, field in Service.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"[DEPLOYTAIL_{name.upper()}]" in text
        assert str(field.description) in text
    assert "events that are cached of a log (default: 10000) [DEPLOYTAIL_CAP_EVENTS]" in text
