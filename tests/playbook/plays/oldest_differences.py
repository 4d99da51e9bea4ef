"""What ansible-core 2.17 does otherwise than 2.19, whose meaning counts here; docs/playbook-language.md tells users."""

from __future__ import annotations

#: Results of arithmetic and of statements are texts; an `if` without `else` gives an empty one.
NUMBERS_ARE_TEXTS = frozenset({
    "blocks: a failed task registers also when it is rescued",
    "builtins: debug",
    "builtins: set_fact",
    "failures: arguments are rendered once for all attempts",
    "loops: loop over a template with conditions for each item",
    "loops: set_fact in a loop keeps the last one",
    "loops: unreachable items",
    "more: run_once in a loop",
    "more: serial as zero",
    "more: serial larger than the hosts",
    "more: set_fact of nested templates and later use in hostvars",
    "strategy: implicit localhost",
    "templates: an if without else",
    "templates: filters on lists and mappings",
    "templates: statements in templates",
    "templates: values of single expressions keep their types",
    "variables: types stay what they are",
})  # fmt: skip
#: A failure has the same status; its result has no `changed`, or no `msg`.
FAILURES_SAY_LESS = frozenset({
    "blocks: a condition that cannot be evaluated is rescued",
    "builtins: assert",
    "builtins: debug of what is not defined",
    "builtins: pause",
    "builtins: settings that cannot be rendered",
    "conditions: an undefined variable in a condition fails the task",
    "conditions: errors in changed_when and failed_when",
    "conditions: false conditions hide errors in arguments",
    "conditions: syntax errors in conditions",
    "conditions: until fails after its retries",
    "conditions: until in a loop",
    "loops: a loop over something that is no list fails",
    "loops: a loop over something undefined is skipped when the condition is false",
    "shapes: wait for something with until, then go on by condition",
    "templates: wrong templates fail their task",
    "variables: variables that refer to themselves fail",
})  # fmt: skip
#: In a condition any text is a truth value.
TEXTS_ARE_TRUE = frozenset({
    "conditions: a text is no truth value",
    "conditions: conditions of many kinds",
    "conditions: conditions refer to variables that are templates",
})  # fmt: skip
#: Texts that come out of a template may be rendered once more, and a range is a list.
RENDERED_AGAIN = frozenset({
    "loops: loops with lists of lists and filters",
    "loops: templates in items are rendered once",
    "templates: names of VMs that look like something else",
    "variables: omit",
})  # fmt: skip
#: Words that it does not know, and states of hosts that were mended later.
OLD_ENGINE = frozenset({
    "failures: a flush after a handler has failed begins behind it",
    "handlers: handlers flushed inside of a block with rescue",
    "loops: break_when ends a loop",
    "more: end_play in a rescue",
    "shapes: keywords as templates",
    "strategy: end_host in a rescue",
    "variables: hostvars of others",
})  # fmt: skip
ALL = NUMBERS_ARE_TEXTS | FAILURES_SAY_LESS | TEXTS_ARE_TRUE | RENDERED_AGAIN | OLD_ENGINE
