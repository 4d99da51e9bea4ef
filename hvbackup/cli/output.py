"""What commands say: tables and lines for people, NDJSON for programs.

Results go to standard output, talk to standard error. With `--json` each result is one line of JSON with a `type`, and
the last one is `{"type":"summary",...}` with the exit code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from hvbackup.models import Model

#: Characters that steer a terminal; names come from hosts and must not.
_CONTROL = {c: "\N{REPLACEMENT CHARACTER}" for c in (*range(32), *range(127, 160)) if c not in (9, 10)}
#: And those that turn the order of what stands beside them round, or begin a line (Unicode TR 36, TR 9).
_CONTROL |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029), "\N{REPLACEMENT CHARACTER}")


def clean(text: str) -> str:
    """Return text without characters that steer a terminal."""
    return text.translate(_CONTROL)


def one_line(text: str) -> str:
    """Return text on one line: a line break in a name must not look like a line of ours."""
    return text.replace("\n", "\N{REPLACEMENT CHARACTER}").replace("\t", "\N{REPLACEMENT CHARACTER}")


class Output:
    """Where a command's results go. One for each invocation, in `click.Context.obj`."""

    def __init__(self, *, json: bool, quiet: bool = False, verbose: int = 0) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose

    def record(self, kind: str, content: Model | dict[str, Any]) -> None:
        """With `--json`, write one line; else nothing."""
        if self.json:
            fields = content.to_dict() if isinstance(content, Model) else msgspec.to_builtins(content)
            click.echo(_json({"type": kind, **fields}))

    def raw(self, content: dict[str, Any]) -> None:
        """Write one line of JSON without a `type`, at once (who started us waits for it)."""
        click.echo(msgspec.json.encode(content).decode())
        sys.stdout.flush()

    def summary(self, exit_code: int, **fields: Any) -> None:
        """With `--json`, write the last line."""
        self.record("summary", {"exitCode": exit_code, **fields})

    def line(self, text: str = "", **style: Any) -> None:
        """Write a line of the result for people."""
        if not self.json:
            click.echo(click.style(clean(text), **style))

    def talk(self, text: str, **style: Any) -> None:
        """Write a line about the work to standard error."""
        if not self.quiet:
            click.echo(click.style(clean(text), **style), err=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table for people; numbers are right-aligned, the last column takes what is left of the line."""
        if self.json:
            return
        # One line for each row: a name with a line break in it must not look like a row of its own.
        cells = [[clean(str(cell)).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
        for text in table_lines(columns, cells, width=_width()):
            click.echo(text)


def _json(record: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(record).decode()
    except UnicodeEncodeError:  # a file's name that is no Unicode: JSON can hold its parts as escapes
        return json.dumps(record, separators=(",", ":"))


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None) -> list[str]:
    """Return the lines of a table (pure). `width` cuts the last column; None cuts nothing."""
    widths = [max(len(text) for text in column) for column in zip(columns, *rows, strict=True)]
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(columns))]

    def render(cells: Sequence[str]) -> str:
        parts = [cell.rjust(widths[i]) if right[i] else cell.ljust(widths[i]) for i, cell in enumerate(cells)]
        text = "  ".join(parts).rstrip()
        return text if width is None or len(text) <= width else text[: width - 1] + "…"

    rule = "  ".join("─" * w for w in widths)
    return [render(columns), rule if width is None else rule[:width], *(render(row) for row in rows)]


def _is_number(text: str) -> bool:
    head, _, unit = text.partition(" ")
    return head.replace(".", "", 1).isdigit() and unit in {"", "B", "KiB", "MiB", "GiB", "TiB", "s"}


def _width() -> int | None:
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns
