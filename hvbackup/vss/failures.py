"""The failures of a transcript: HRESULTs, calls that failed, usage blocks, as they come line by line."""

from __future__ import annotations

from hvbackup.vss import shapes
from hvbackup.vss.findings import Failure
from hvbackup.vss.hresults import BY_NAME
from hvbackup.vss.kept import Kept, shortened

#: A usage block is some ten lines long; what is quoted of it ends here.
_LONGEST_TEXT = 1_000


class FailureReader:
    """Takes lines that may tell a failure, with the last command before them."""

    def __init__(self) -> None:
        self.found: Kept[Failure] = Kept(200)
        self.in_usage = False

    def take(self, text: str, command: str | None) -> bool:
        """Take a line that is no bullet; return False when it tells no failure."""
        call = shapes.COM_CALL.search(text)
        if call:
            self._fail("com-call", text, command, name=call[1])
        elif shapes.OPERATION_FAILED.search(text):
            self._fail("operation", text, command)
        elif shapes.USAGE.match(text):
            self._fail("usage", text, command)
            self.in_usage = True
        else:
            return self.take_hresult(text, text, command)
        return True

    def take_hresult(self, text: str, body: str, command: str | None) -> bool:
        """Take `- Returned HRESULT: 80042306`, `- Error text: VSS_E_...`, or either in some other text."""
        field, other = shapes.HRESULT_FIELD.match(body), shapes.ANY_HRESULT.search(body)
        name = shapes.ERROR_NAME.search(body)
        if not (field or other or name):
            return False
        digits = field or other
        hresult = int(digits[1], 16) if digits else BY_NAME.get(name[1] if name else "")
        last = self.found.last
        if last is not None and last.kind == "operation" and (last.hresult is None or last.name is None):
            self.found.replace_last(
                Failure(
                    kind=last.kind,
                    text=f"{last.text} / {shortened(text)}",
                    hresult=last.hresult if last.hresult is not None else hresult,
                    name=last.name or (name[1] if name else None),
                    command=last.command,
                )
            )
        else:
            kind = "operation" if field and text.startswith("-") else "message"
            self._fail(kind, text, command, hresult=hresult, name=name[1] if name else None)
        return True

    def take_usage(self, text: str) -> None:
        """Take a further line of a usage block."""
        last = self.found.last
        if last is not None and len(last.text) < _LONGEST_TEXT:
            self.found.replace_last(
                Failure(kind=last.kind, text=f"{last.text} / {shortened(text)}", command=last.command)
            )

    def _fail(
        self, kind: str, text: str, command: str | None, *, hresult: int | None = None, name: str | None = None
    ) -> None:
        self.found.add(Failure(kind=kind, text=shortened(text), hresult=hresult, name=name, command=command))
