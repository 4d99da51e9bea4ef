"""Long answers come packed and are read like the others."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from hvbackup.errors import ContractViolated
from hvbackup.remote.calls import GetLeftover
from hvbackup.remote.contract import parse_answer

DOCUMENT = json.dumps({"contract": 1, "ok": True, "data": {"leftovers": []}, "warnings": ["kept ä"]})


def packed(document: str) -> str:
    packing = zlib.compressobj(1, zlib.DEFLATED, -15)
    return "deflate:" + base64.b64encode(packing.compress(document.encode()) + packing.flush()).decode()


def test_a_packed_answer_is_read_like_a_plain_one() -> None:
    plain, long = parse_answer(GetLeftover(), DOCUMENT), parse_answer(GetLeftover(), packed(DOCUMENT))

    assert (plain.data, plain.warnings) == (long.data, long.warnings)
    assert long.warnings == ("kept ä",)


@pytest.mark.parametrize(
    "text",
    [
        "deflate:",
        "deflate:not base64!",
        "deflate:////",
        packed(DOCUMENT)[:-8],
        "deflate:" + base64.b64encode(base64.b64decode(packed(DOCUMENT)[8:]) + b"more").decode(),
        packed("no json"),
    ],
)
def test_a_packed_answer_that_is_damaged_violates_the_contract(text: str) -> None:
    with pytest.raises(ContractViolated, match="did not answer by the contract"):
        parse_answer(GetLeftover(), text, host="hv1")
