"""Runs many playbooks with ansible-core: its imports once, then a fork for each. Started with ansible-core's Python.

Standard input is JSON, `[{"arguments": [...], "cwd": "...", "record": "...", "output": "..."}, ...]`; the answer is the
list of exit codes.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import ansible.cli.playbook
import ansible.plugins.strategy.linear  # noqa: F401 - so that no fork has to
from ansible.cli.playbook import PlaybookCLI


def run(case: dict[str, Any]) -> None:
    """Run one case; the process ends with it."""
    os.chdir(case["cwd"])
    os.environ["RECORD_TO"] = case["record"]
    out = os.open(case["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, number)
    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *case["arguments"]])
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(int(end.code or 0))
    os._exit(0)


def main() -> None:
    """Run all cases, two at a time."""
    cases = json.load(sys.stdin)
    codes = [0] * len(cases)
    running: dict[int, int] = {}
    waiting = list(enumerate(cases))
    while waiting or running:
        while waiting and len(running) < 2:
            number, case = waiting.pop(0)
            child = os.fork()
            if child == 0:
                run(case)
            running[child] = number
        child, status = os.wait()
        codes[running.pop(child)] = os.waitstatus_to_exitcode(status)
    json.dump(codes, sys.stdout)


main()
