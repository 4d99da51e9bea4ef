"""The contract with `ps_scripts/`, version 1: one request in, one JSON document out.

An answer is `{"contract":1,"ok":true,"data":{...},"warnings":["..."]}` or
`{"contract":1,"ok":false,"error":{"id","message","details","category","stack"}}`. Every script is one class here, with
its fields as the request and `answer` as the type of `data`; `ps_scripts/README.md` says the same for people. A long
document may come packed, as `deflate:` and base64 of its UTF-8 as raw DEFLATE (RFC 1951): an inventory of 500 VMs then
fits into one envelope instead of five.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from hvbackup.errors import ContractViolated, ScriptFailed
from hvbackup.models import Model, decodable

CONTRACT = 1
#: What a packed document begins with.
PACKED = "deflate:"
#: No inventory comes near this; what unpacks to more is none.
_LONGEST_DOCUMENT = 256 << 20

AnswerT = TypeVar("AnswerT", bound=Model)


class Call(Model, Generic[AnswerT], frozen=True, kw_only=True):
    """A request to one script. Subclasses add the fields of the request.

    Class attributes:
        script: File name in `ps_scripts/`, without `.ps1`.
        answer: Type of the answer's data.
        idempotent: Whether asking twice does no harm, so that a broken connection may be repaired by asking again.
    """

    script: ClassVar[str]
    answer: ClassVar[type[Model]]
    idempotent: ClassVar[bool] = False

    def encode(self) -> str:
        """Return the request as JSON in ASCII, so that no code page on the way can change it."""
        import json

        return json.dumps(msgspec.to_builtins(self), ensure_ascii=True, separators=(",", ":"))


class Answer(Generic[AnswerT]):
    """The good answer of a script: its data and the warnings that came with it."""

    __slots__ = ("data", "warnings")

    def __init__(self, data: AnswerT, warnings: tuple[str, ...] = ()) -> None:
        self.data = data
        self.warnings = warnings


class _Error(msgspec.Struct, kw_only=True):
    id: str
    message: str
    details: Any = None
    category: str = ""
    stack: str = ""


class _Document(msgspec.Struct, kw_only=True):
    contract: int
    ok: bool
    data: msgspec.Raw = msgspec.Raw(b"null")
    warnings: tuple[str, ...] = ()
    error: _Error | None = None


def unpacked(text: str) -> bytes | str:
    """Return the document of an answer; `ValueError` when it was packed and is damaged."""
    if not text.startswith(PACKED):
        return text
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        document = unpacking.decompress(base64.b64decode(text[len(PACKED) :], validate=True), _LONGEST_DOCUMENT)
    except (zlib.error, binascii.Error) as error:
        raise ValueError(f"its packed document is damaged ({error})") from None
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("its packed document does not end where it should")
    return document


def parse_answer(call: Call[AnswerT], text: str, *, host: str = "", port: int | None = None) -> Answer[AnswerT]:
    """Turn what a script wrote into its typed answer.

    Raises:
        ScriptFailed: The script said no; a subclass where one has the error's id.
        ContractViolated: The text is not an answer of contract 1 of this script.
    """

    def violated(reason: str) -> ContractViolated:
        return ContractViolated(
            f"{call.script} on {host or 'the host'} did not answer by the contract: {reason}",
            host=host,
            port=port,
            hint="This is a bug, or something on the host writes into PowerShell's output. It answered: "
            + repr(text[:300]),
        )

    try:
        document = msgspec.json.decode(unpacked(text), type=decodable(_Document))
    except (msgspec.DecodeError, ValueError) as error:
        raise violated(str(error)) from None
    if document.contract != CONTRACT:
        raise violated(f"contract {document.contract} instead of {CONTRACT}")
    if not document.ok:
        if document.error is None:
            raise violated("not ok, but no error")
        error_class = ScriptFailed.registry.get(document.error.id, ScriptFailed)
        raise error_class(
            document.error.message,
            script=call.script,
            error_id=document.error.id,
            details=document.error.details,
            category=document.error.category,
            stack=document.error.stack,
            host=host,
            port=port,
        )
    try:
        data = msgspec.json.decode(document.data, type=decodable(call.answer))
    except (msgspec.DecodeError, ValueError) as error:
        raise violated(str(error)) from None
    return Answer(data, document.warnings)  # type: ignore[arg-type]
