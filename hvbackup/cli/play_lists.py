"""`--list-hosts`, `--list-tasks`, `--list-tags`, `--syntax-check` of `hvbackup play`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvbackup.cli.output import Output

if TYPE_CHECKING:
    from hvbackup.playbook.plays import Play, Playbook
    from hvbackup.playbook.run_options import RunOptions
    from hvbackup.playbook.runner import Runner


def show_lists(
    output: Output,
    playbook: Playbook,
    runner: Runner,
    options: RunOptions,
    *,
    list_hosts: bool,
    list_tasks: bool,
    list_tags: bool,
    syntax_check: bool,
) -> int:
    """Show what would be run, and run nothing."""
    hosts = [runner.hosts_of(play) for play in playbook.plays]  # a wrong pattern is found by --syntax-check too
    if syntax_check and not (list_hosts or list_tasks or list_tags):
        output.line(f"{playbook.path}: no mistakes found")
    else:
        output.line(f"playbook: {playbook.path}")
        for play, names in zip(playbook.plays, hosts, strict=True):
            _show_play(output, play, names, options, list_hosts=list_hosts, list_tasks=list_tasks, list_tags=list_tags)
    output.summary(0, plays=len(playbook.plays))
    return 0


def _show_play(
    output: Output,
    play: Play,
    hosts: tuple[str, ...],
    options: RunOptions,
    *,
    list_hosts: bool,
    list_tasks: bool,
    list_tags: bool,
) -> None:
    from hvbackup.playbook.plays import tasks_of
    from hvbackup.playbook.tags import selected

    only = options.tags
    if list_tags and not (options.tags or options.skip_tags):
        only = ("all", "never")  # who asks for the tags wants all of them, as in Ansible
    tasks = [task for task in tasks_of(selected(play.nodes, only, options.skip_tags)) if not task.implicit]
    pattern = ",".join(map(str, play.hosts))
    name = str(play.name or pattern)
    tags = sorted({tag for task in tasks for tag in task.tags} | play.tags)
    output.record(
        "play",
        {
            "number": play.number,
            "name": name,
            "hosts": hosts,
            "tags": tags,
            "tasks": [{"name": task.title, "module": task.module, "tags": sorted(task.tags)} for task in tasks],
        },
    )
    output.line()
    output.line(f"  play #{play.number} ({pattern}): {name}    tags: [{', '.join(sorted(play.tags))}]")
    if list_hosts:
        output.line(f"    hosts ({len(hosts)}):")
        for host in hosts:
            output.line(f"      {host}")
    if list_tasks:
        output.line("    tasks:")
        for task in tasks:
            output.line(f"      {task.title}    tags: [{', '.join(sorted(task.tags))}]")
    if list_tags:
        output.line(f"    task tags: [{', '.join(tags)}]")
