"""Secrets of known shapes."""

import base64
import json
import time

import pytest

from producer.mask import Mask
from producer.shapes import MOST_HELD, open_end
from tests.helpers import every_cut

CHARACTERS = "a1B2c3D4e5" * 30


def some(length: int) -> str:
    """Letters and digits, as a token has them."""
    return CHARACTERS[:length]


def encoded(value: object) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


JWT = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded({'sub': 'deploy-bot', 'admin': True})}.{some(43)}"
AWS_SECRET = (some(20) + "/+") * 2

# Each line, and what is left of it.
SECRET = [
    *((f"token: {head}{some(36)}!", f"token: {head}***!") for head in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    (f"ghs_1234_{JWT}", "ghs_1234_eyJ***"),
    (f"TOKEN={'github_pat_'}{some(22)}_{some(59)} ", "TOKEN=github_pat_*** "),
    (f"{'glpat-'}x_{some(20)}", "glpat-***"),
    (f"{'glpat-'}{some(50)}.01.{some(9)}\n", "glpat-***\n"),
    *((f"'{'xox'}{kind}-{'1' * 11}-{'2' * 12}-{some(24)}'", f"'xox{kind}-***'") for kind in "abcdeprs"),
    (f"{'xapp-'}1-A{'1' * 10}-{'2' * 13}-{some(64)}", "xapp-***"),
    (f"STRIPE_KEY={'sk_live_'}{some(24)}", "STRIPE_KEY=sk_live_***"),
    (f"{'rk_live_'}{some(99)},{'sk_test_'}{some(24)}", "rk_live_***,sk_test_***"),
    (f"key {'sk_'}{some(32)}", "key sk_***"),
    (f"\x1b[1;32m{'sk_'}{some(32)}\x1b[0m", "\x1b[1;32msk_***\x1b[0m"),
    (f'{{"key": "\\n{"sk_"}{some(32)}\\n"}}', '{"key": "\\nsk_***\\n"}'),
    (f"?key%3D{'sk_'}{some(32)}%26", "?key%3Dsk_***%26"),
    (f"//registry.example/:_authToken={'npm_'}{some(36)}", "//registry.example/:_authToken=npm_***"),
    (f"{'pypi-AgE'}IcHlwaS5vcmc{some(120)}-_x", "pypi-AgE***"),
    (f"HF_TOKEN={'hf_'}{some(34)}", "HF_TOKEN=hf_***"),
    (f"{'AIza'}Sy{some(33)}&v=1", "AIza***&v=1"),
    (f"AWS_ACCESS_KEY_ID={'AKIA'}{'ABCD2345' * 2}", "AWS_ACCESS_KEY_ID=AKIA***"),
    (f"{'ASIA'}{'ABCD2345' * 2}, {'ABIA'}{'ABCD2345' * 2}", "ASIA***, ABIA***"),
    (f"AWS_SECRET_ACCESS_KEY={AWS_SECRET[:40]}", "AWS_SECRET_ACCESS_KEY=***"),
    (f"aws_secret_access_key = {AWS_SECRET[:40]} ", "aws_secret_access_key = *** "),
    (f'  "SecretAccessKey": "{AWS_SECRET[:40]}",', '  "SecretAccessKey": "***",'),
    (f"secretAccessKey: '{AWS_SECRET[:40]}'", "secretAccessKey: '***'"),
    (f"mc --secret-key {AWS_SECRET[:40]} ls", "mc --secret-key *** ls"),
    (f"secret_key => {AWS_SECRET[:40]}", "secret_key => ***"),
    (f"cookie={JWT};", "cookie=eyJ***;"),
    (f"{encoded({'alg': 'dir', 'enc': 'A256GCM'})}..{some(16)}.{some(50)}.{some(22)}", "eyJ***"),
    (f"{encoded({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}.{some(99)}.{some(16)}.{some(50)}.{some(22)} x", "eyJ*** x"),
    ("https://ci:hunter2@git.example/app.git", "https://ci:***@git.example/app.git"),
    ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
    ("to postgres://app:p@ss@db:5432/app, retry", "to postgres://app:***@db:5432/app, retry"),
    ('"amqp://a:b1@one", "amqp://c:d2@two"', '"amqp://a:***@one", "amqp://c:***@two"'),
    (f"> Authorization: Bearer {some(20)}", "> Authorization: Bearer ***"),
    ("authorization: basic dXNlcjpwYXNz\r", "authorization: basic ***\r"),
    (f"'Authorization': 'token {some(20)}', 'x': 1", "'Authorization': 'token ***', 'x': 1"),
    (f'curl -H "Proxy-Authorization: Bearer {some(8)}" x', 'curl -H "Proxy-Authorization: Bearer ***" x'),
]

ORDINARY = [
    "commit 5f0ab0544d1f6a0c8f3f0b9f7e3a1c2d4e5f6a7b (HEAD -> main, origin/main)",
    "#12 sha256:9f6ad537c5132bcce57f7a0a20e317228d382c3cd61edae14650eec68b2b345c 12.58MB / 29.13MB 0.4s",
    "  integrity sha512-" + "aB3+/9xYz0" * 8 + "aB3+/w==",
    "resolved https://registry.example/@babel/core/-/core-7.24.0.tgz",
    "npm warn deprecated inflight@1.0.6: This module is not supported, and leaks memory.",
    "npm_config_registry=https://registry.example/ npm_package_name=shop npm_lifecycle_event=build",
    "sk_learn_pipeline sk_internationalization_helper task_0123456789abcdef0123 disk_0123456789abcdef0123",
    "from sklearn import sk_learn_estimator_0123456789abcdef  # risk_9f6ad537c5132bcce57f7a0a20e31722",
    "pulled registry.example/library/node:20@sha256:" + "9f6ad537" * 8,
    "  ➜  Local:   http://localhost:5173/@vite/client and http://127.0.0.1:3000/?user=a@b.example",
    "git clone ssh://git@git.example:2222/shop.git; git@github.com:shop/shop.git; https://git@git.example",
    "https://user@host.example:8443/path:with@sign",
    "//# sourceMappingURL=data:application/json;base64,"
    + base64.b64encode(b'{"version":3,"file":"a.js"}' * 9).decode(),
    "dist/assets/index-DiwrgTda.js   142.35 kB │ gzip: 45.91 kB │ map: 1,034.27 kB",
    "xoxo-love xox- xoxb-short glpat-short pypi-server pypi-AgEnt ghp_short github_pat_short hf_hub_download",
    "AKIAKI ASIAPACIFICSOUTHEASTREGION EURASIAABCD2345ABCD2345 AIzaShort eyJlbGxv.txt",
    "ghp_a_name_with_underscores_all_along_it_that_is_no_token",
    "the authorization: bearer authentication failed; Authorization: Basic required; Authorization: Bearer <token>",
    "secret_key_base is set; secret_access_key: missing; SECRET_KEY=short; --secret-key FILE",
    "cache key: secret_9f6ad537c5132bcce57f7a0a20e317228d382c3c",
    "layer hf_9f6ad537 npm_9f6ad537c5132bcce57f.tgz build_hf_x_9f6ad537c5132bcce57f7a0a20e317228d",
    "\x1b[36mINFO\x1b[0m 2026-03-01T12:00:00.123Z [nio-8080-exec-1] c.e.ShopController - GET /api/items?id=3 200 12ms",
    "-----BEGIN CERTIFICATE----- -------- --- END",
    "*** ghp_*** https://ci:***@git.example Authorization: Bearer ***",
    "",
]


@pytest.mark.parametrize(("line", "expected"), SECRET)
def test_a_secret_of_a_known_shape_is_masked(line: str, expected: str) -> None:
    """Only its secret part; and what is masked stays as it is when it is masked again."""
    mask = Mask()
    assert (mask(line), mask(expected)) == (expected, expected)


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_output_stays_as_it_is(line: str) -> None:
    """Hashes, names, addresses and talk about secrets are no secrets."""
    assert Mask()(line) == line


@pytest.mark.parametrize(("line", "expected"), SECRET)
def test_what_may_be_the_start_of_a_shape_is_held_back(line: str, expected: str) -> None:
    """Wherever the line is cut, what is shown before the rest has come, and the rest, are masked as the whole is."""
    mask = Mask()
    for first, second in every_cut(line.encode()):
        start = first.decode("utf-8", "ignore")
        shown = len(start) - open_end(start)
        parts = mask(start[:shown]), mask((start[shown:].encode() + second).decode("utf-8", "replace"))
        assert "".join(parts).replace("***", "") == expected.replace("***", ""), parts


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("", ""),
        ("Continue? [y/n] ", ""),
        ("Downloading", ""),
        ("50% ", ""),
        ("50%", ""),
        ("\x1b[2K\x1b[1", "\x1b[1"),
        ("Password: ", ""),
        ("at gh", "gh"),
        ("x https:", ":"),
        ("x https://ci:hunt", "://ci:hunt"),
        ("https://git.example/", ""),
        ("Authorization: Bear", "Authorization: Bear"),
        ("export AWS_SECRET_ACC", "SECRET_ACC"),
        ("aws_secret_access_key = 'abc", "secret_access_key = 'abc"),
        ("enter the secret: ", ""),
        ("eyJ" + "a" * 4_000, "eyJ" + "a" * 4_000),
        ("eyJ" + "a" * MOST_HELD, ""),
    ],
)
def test_no_more_is_held_back_than_may_be_one(text: str, held: str) -> None:
    """Prompts and progress show at once; and what never ends is not held for ever."""
    assert text[len(text) - open_end(text) :] == held


@pytest.mark.parametrize(
    "piece",
    ["eyJ", "eyJaaaaaaaaaaaaa-", "://:aa", "secret_key", "authorization: bearer ", "xoxb-", "AKIA", "_", "-", "@"],
)
def test_no_line_takes_long(piece: str) -> None:
    """Time grows with the length of a line, whatever is in it: this is 256 KiB of bait."""
    began = time.perf_counter()
    Mask()(piece * (256 * 1024 // len(piece)) + "@")
    assert time.perf_counter() - began < 2
