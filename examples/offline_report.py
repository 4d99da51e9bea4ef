#!/usr/bin/env python3
r"""Say which VMs of a Hyper-V host a backup would pause, what makes each Offline, and the line that cures it.

    offline_report.py hv01.example.com --user 'EXAMPLE\svc-backup' --password-from keyring:hvbackup/svc-backup
    offline_report.py hv01.example.com --json | jq -r '.[] | select(.method == "offline") | .because[].cure'

The writer's word decides; the conditions that the host shows explain it. Where none of them fails, what could not be
seen from the host is listed as `perhaps`, with how to look. Nothing is changed on the host.

Exit status: 0 the report is complete · 2 usage · 4 unreachable · 7 authentication, and the others of hvbackup.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from typing import Any

from hvbackup import ConnectionOptions, HvBackupError, connect, read_secret
from hvbackup.models import Classification, Condition, Method, Verdict


def main() -> int:
    """Run the script and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a VM's name may be in any script, whatever the code page
            stream.reconfigure(errors="replace")
    arguments = parse_arguments()
    try:
        options = ConnectionOptions(
            host=arguments.host,
            port=arguments.port,
            username=arguments.user,
            password=read_secret(arguments.password_from) if arguments.password_from else None,
            ca_file=arguments.ca_file,
        )
        with connect(arguments.host, options=options) as host:
            entries = [entry(each) for each in host.classify()]
    except HvBackupError as error:
        print(f"error: {error}" + (f" ({error.hint})" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    if arguments.json:
        json.dump(entries, sys.stdout, indent=2)
        print()
    else:
        print_report(entries)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Return the command line, checked."""
    parser = argparse.ArgumentParser(description="Say which VMs of a host a backup would pause, and what cures that.")
    parser.add_argument("host")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--user", metavar="NAME", help="default: who runs this (Kerberos, SSPI)")
    parser.add_argument("--password-from", metavar="REF", help="such as keyring:SERVICE/USER or env:NAME")
    parser.add_argument("--port", type=int, help="default: 5986")
    parser.add_argument("--ca-file", metavar="FILE", help="authorities that sign the host's certificate (PEM)")
    arguments = parser.parse_args()
    if (arguments.user is None) != (arguments.password_from is None):
        parser.error("--user and --password-from belong together")
    return arguments


def entry(found: Classification) -> dict[str, Any]:
    """Return what is said of one VM: reasons for those that are not Online only."""
    failed: list[Condition] = []
    unseen: list[Condition] = []
    if found.method is not Method.ONLINE:
        failed = [each for each in found.conditions if each.verdict is Verdict.FAILED]
        unseen = [] if failed else [each for each in found.conditions if each.verdict is Verdict.UNSEEN]
    return {
        "vm": found.vm_name,
        "id": found.vm_id,
        "method": found.method.value,
        "byWriter": found.by_writer.value,
        "byConditions": found.by_conditions.value,
        "because": [reason(each) for each in failed],
        "perhaps": [reason(each) for each in unseen],
    }


def reason(condition: Condition) -> dict[str, Any]:
    """Return one condition as JSON has it."""
    return {
        "condition": condition.id,
        "text": condition.text,
        "reason": condition.reason,
        "cure": condition.cure,
    }


def print_report(entries: list[dict[str, Any]]) -> None:
    """Print a paragraph for each VM that is not Online, and what the others are."""
    for each in entries:
        print(f"{each['method'].upper():<8} {each['vm']}  ({each['id']})")
        for word in ("because", "perhaps"):
            for found in each[word]:
                print(f"    {word}: {found['text']} - {found['reason']}")
                if found["cure"]:
                    print(f"        {found['cure']}")
    online = sum(each["method"] == "online" for each in entries)
    print(f"{online} of {len(entries)} VMs stay running while they are backed up.")


if __name__ == "__main__":
    sys.exit(main())
