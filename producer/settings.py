"""The settings that every service shares: each a variable `DEPLOYTAIL_...`, and an option that wins over it."""

import argparse
import sys
from collections.abc import Sequence
from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from producer.deploys import Limits

_PREFIX = "DEPLOYTAIL_"
_DEFAULT = Limits()


class Settings(BaseSettings):
    """Where Redis is, and how much of a log is kept."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX)

    redis_url: str | None = Field(
        None, description="Redis or Valkey of the logs; by default the one that 'deploytail up' runs"
    )
    queue_url: str | None = Field(None, description="Redis or Valkey of the queue; by default that of the logs")
    queue: str = Field("deploys", description="name of the queue")
    cap_events: int = Field(_DEFAULT.cap_events, ge=2, description="events that are cached of a log")
    cap_bytes: int = Field(_DEFAULT.cap_bytes, ge=1024, description="bytes that are cached of a log")
    ttl: int = Field(_DEFAULT.ttl, ge=1, description="seconds for which a finished log is kept")

    @property
    def limits(self) -> Limits:
        """The bounds of a log."""
        return Limits(self.cap_events, self.cap_bytes, self.ttl)

    @classmethod
    def from_command_line(cls, prog: str, arguments: Sequence[str] | None = None) -> Self:
        """The settings of the command `prog`; on wrong ones it says which and exits with status 2."""
        parser = argparse.ArgumentParser(prog, description=cls.__doc__, allow_abbrev=False)
        for name, field in cls.model_fields.items():
            default = "" if field.default is None else f" (default: {field.default})"
            text = f"{field.description}{default} [{_PREFIX}{name.upper()}]"
            flag = f"--{name.replace('_', '-')}"
            if field.annotation is bool:
                parser.add_argument(flag, action="store_true", default=None, help=text)
            else:
                parser.add_argument(flag, dest=name, metavar=name.rpartition("_")[2].upper(), help=text)
        given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            for problem in error.errors():
                name = str(problem["loc"][0])
                where = f"--{name.replace('_', '-')}" if name in given else f"{_PREFIX}{name.upper()}"
                sys.stderr.write(f"{prog}: {where}: {problem['msg']}, not {problem['input']!r}\n")
            sys.exit(2)
