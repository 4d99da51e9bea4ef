"""The handful of plain commands that the Python engine answers, for a curious person with a stock client."""

from __future__ import annotations

from datetime import datetime

from hvbackup.simulator.python_engine import PlainCall, PythonEngine

_POWERSHELL_VERSION = "5.1.20348.2849"


def register_builtins(engine: PythonEngine, computer_name: str) -> None:
    """Register hostname, whoami, Get-Date, `$PSVersionTable` and `$env:COMPUTERNAME`."""

    def answer_name(call: PlainCall) -> None:
        call.channel.write_output(computer_name)

    def answer_user(call: PlainCall) -> None:
        call.channel.write_output(f"{computer_name}\\administrator".lower())

    def answer_date(call: PlainCall) -> None:
        call.channel.write_output(datetime.now().astimezone().isoformat(timespec="seconds"))

    def answer_version(call: PlainCall) -> None:
        call.channel.write_output(_POWERSHELL_VERSION)

    def answer_version_table(call: PlainCall) -> None:
        call.channel.write_output({"PSVersion": _POWERSHELL_VERSION, "PSEdition": "Desktop"})

    engine.register(r"hostname(\.exe)?|\$env:COMPUTERNAME", answer_name)
    engine.register(r"whoami(\.exe)?", answer_user)
    engine.register(r"Get-Date", answer_date)
    engine.register(r"\$PSVersionTable\.PSVersion(\.ToString\(\))?", answer_version)
    engine.register(r"\$PSVersionTable", answer_version_table)
