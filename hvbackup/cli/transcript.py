"""`hvbackup transcript`: what a saved output of diskshadow or vssadmin says. No host is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.errors import InvalidRequest

if TYPE_CHECKING:
    from hvbackup.vss.report import ReportedFailure, TranscriptReport

#: A listing of a big host is a few MB; more than this is some other file.
_LIMIT = 256 << 20


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--code-page", type=int, metavar="NUMBER", help="OEM code page of the host, such as 850.")
@pass_invocation
def transcript(invocation: Invocation, file: str, code_page: int | None) -> int:
    """Explain FILE: a saved output or log of diskshadow, or of `vssadmin list writers` in any language (`-`: stdin).

    Shows writers, VMs with their method, shadow copies, and each failure with its meaning for Hyper-V and its cure.
    What is not understood is quoted as unknown.

    \b
    Exit status: 0 no failure in it · 1 it shows a failure · 2 the file cannot be read
    """
    from hvbackup.vss.report import read_transcript

    report = read_transcript(_read(file), code_page=code_page)
    output = invocation.output
    output.record("transcript", report)
    _writers(invocation, report)
    _shadow_copies(invocation, report)
    for failure in report.failures:
        _failure(invocation, failure)
    if report.unknown:
        output.line()
        output.line(f"not understood ({len(report.unknown)} lines):", fg="yellow")
        for text in report.unknown:
            output.line(f"    {text}")
    if not report.kinds and not report.failures:
        output.talk("warning: this shows nothing of diskshadow or vssadmin", fg="yellow")
    code = 1 if report.failures else 0
    output.summary(code, kinds=report.kinds, failures=len(report.failures), unknown=len(report.unknown))
    return code


def _read(file: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(_LIMIT)
        with Path(file).open("rb") as stream:
            return stream.read(_LIMIT)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from None


def _writers(invocation: Invocation, report: TranscriptReport) -> None:
    from hvbackup.cli.writers import state_text

    output = invocation.output
    if report.writers:
        output.table(
            ("writer", "state", "last error", "components", "id"),
            [(w.name, state_text(w), w.last_error or "", len(w.components), w.id) for w in report.writers],
        )
        output.line()
    if report.vms:
        output.table(
            ("VM", "method", "id", "caption"),
            [(vm.vm_name, vm.method.value, vm.vm_id, vm.caption) for vm in report.vms],
        )
        output.line()


def _shadow_copies(invocation: Invocation, report: TranscriptReport) -> None:
    output = invocation.output
    for copy in report.shadow_copies:
        output.line(f"shadow copy {{{copy.id}}} of set {{{copy.set_id or 'unknown'}}}", bold=True)
        for label, text in (
            ("volume", copy.volume),
            ("device", copy.device),
            ("created", copy.created_text),
            ("attributes", " ".join(copy.attributes)),
        ):
            if text:
                output.line(f"    {label:<12}{text}")
    for exclusion in report.exclusions:
        output.line(f"left out: {exclusion.text}", fg="yellow")


def _failure(invocation: Invocation, failure: ReportedFailure) -> None:
    output = invocation.output
    output.line()
    name = " ".join(filter(None, (failure.code, failure.name))) or failure.kind
    output.line(f"failure: {name}", fg="red", bold=True)
    for label, text in (
        ("command", failure.command),
        ("it says", failure.quote),
        ("meaning", failure.meaning),
        ("for Hyper-V", failure.for_hyperv),
        ("cure", failure.cure),
    ):
        if text:
            output.line(f"    {label:<12}{text}")
