"""`hvbackup show`: what a restore point holds, as a tree."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.sizes import size_text
from hvbackup.jobs.point_files import TreeNode, point_tree


@click.command()
@click.argument("point")
@repository_options
@pass_invocation
def show(invocation: Invocation, point: str, location: str | None, passphrase: str | None) -> int:
    """Show POINT (its id, or the beginning of it): what was asked for, what was achieved, and every file."""
    output = invocation.output
    with invocation.repository(location, passphrase) as repository:
        found = repository.point(point)
    output.record("point", found)
    rows = [
        ("restore point", found.id),
        ("VM", f"{found.vm_name}  ({found.vm_id})"),
        ("host", found.host),
        ("shadow copy", found.snapshot_at),
        ("finished", found.finished_at),
        ("method", f"{found.method.value} (expected: {found.method_asked.value})"),
        ("consistency", found.consistency),
        ("run", found.run_id),
        ("tags", ", ".join(found.tags)),
    ]
    for label, text in rows:
        if text:
            output.line(f"{label:<15}{text}")
    for label, texts in (("evidence", found.evidence), ("warning", found.warnings)):
        for text in texts:
            output.line(f"{label:<15}{text}", fg="yellow" if label == "warning" else None)
    output.line()
    _tree(invocation, point_tree(found), "", top=True)
    output.summary(0)
    return 0


def _tree(invocation: Invocation, node: TreeNode, indent: str, *, top: bool = False, last: bool = True) -> None:
    size = "" if node.size_bytes is None else f"  {size_text(node.size_bytes)}"
    folder = "/" if node.size_bytes is None else ""
    branch = "" if top else ("└─ " if last else "├─ ")
    invocation.output.line(f"{indent}{branch}{node.name}{folder}{size}")
    below = indent if top else indent + ("   " if last else "│  ")
    for number, child in enumerate(node.children, 1):
        _tree(invocation, child, below, last=number == len(node.children))
