"""The proof that a reader has the whole log."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from producer.proof import Proof


def test_a_known_checksum() -> None:
    """The number of lines, and the CRC-32 of "a\\né\\n\\n" in UTF-8, computed bit by bit."""
    assert Proof().add("a").add("é").add("") == Proof(3, 0x90B1436E)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_the_running_proof_is_that_of_the_whole(lines: list[str]) -> None:
    """However many lines: the checksum of all of them, each with a newline, at once."""
    proof = Proof()
    for line in lines:
        proof = proof.add(line)
    assert proof == Proof(len(lines), zlib.crc32("".join(f"{line}\n" for line in lines).encode()))
