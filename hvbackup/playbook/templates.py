"""Templates and conditions of a playbook, with the meaning of ansible-core 2.19.

What that is: Jinja with native types, where a single `{{ }}` keeps the type of its value; variables whose values are
templates are rendered when they are used; conditions are expressions and give true or false, nothing else.
Only `Text` is a template (`hvbackup.playbook.nodes`). There are no lookups, no environment and no files in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
from jinja2.runtime import Undefined
from jinja2.utils import missing

from hvbackup.errors import HvBackupError, PlaybookError
from hvbackup.playbook.nodes import Map, Place, Seq, Text, place_of, place_text
from hvbackup.playbook.suggestions import suggestion
from hvbackup.playbook.templating.environment import Environment
from hvbackup.playbook.templating.opened import Opened
from hvbackup.playbook.templating.registry import FILTERS, GLOBALS, TESTS
from hvbackup.playbook.templating.type_names import type_name
from hvbackup.playbook.templating.undefined import Failed, Missing, MissingUsed, sentence
from hvbackup.playbook.templating.values import OMIT, HostVariables, result, seen

__all__ = ["OMIT", "HostVariables", "Templar"]

#: Deepest chain of variables that refer to each other.
MAX_DEPTH = 40
_MARKS = ("{{", "{%", "{#")
_NO_LOOKUPS = ("lookup", "query", "q")


class Templar:
    """Renders values and evaluates conditions. It holds no variables; one serves all hosts and threads of a run."""

    def __init__(self) -> None:
        self._environment = Environment(FILTERS, TESTS, GLOBALS)

    def render(self, value: Any, variables: Mapping[str, Any]) -> Any:
        """Return `value` with every template in it replaced by what it gives.

        The result holds no nodes any more: dictionaries, lists, plain `str`, `SecretText` where a secret went in,
        numbers, truth values, dates, None. Entries and items that give `omit` are left out; a value that is nothing
        but `omit` is `OMIT`.

        Args:
            variables: Values are nodes or plain values. It is asked for single names only, so it may be lazy; a
                `HostVariables` in it gathers the variables of a host when a template asks for them.

        Raises:
            PlaybookError: Something is undefined, or wrong in another way; with the place of the template.
        """
        scope = _Scope(self._environment, variables)
        return self._finish(value, scope)

    def condition(self, expression: Any, variables: Mapping[str, Any]) -> bool:
        """Evaluate `when`, `failed_when` and their like: an expression, a truth value, or a list that must all hold.

        Raises:
            PlaybookError: It does not give true or false, holds `{{ }}`, or something in it is undefined or wrong.
        """
        if isinstance(expression, bool):
            return expression
        if isinstance(expression, list):
            return all(self._single(each, variables, place_of(expression)) for each in expression)
        return self._single(expression, variables, None)

    def _single(self, expression: Any, variables: Mapping[str, Any], around: Place | None) -> bool:
        if isinstance(expression, bool):
            return expression
        place = place_text(place_of(expression) or around)
        if not isinstance(expression, Text):
            kind = type(expression).__name__
            raise PlaybookError(f"a condition is an expression, not {kind}", place=place, hint="Write an expression.")
        source = expression.strip()
        if any(mark in source for mark in _MARKS):
            raise PlaybookError(
                "a condition is an expression already; templates in it are not evaluated",
                place=place,
                hint="Write the name alone, without {{ }}.",
            )
        if not source:
            raise PlaybookError("a condition is empty", place=place, hint="Write an expression, or remove the key.")
        value = _Scope(self._environment, variables).evaluate(Text(source, expression.place), expression=True)
        if isinstance(value, Undefined):
            raise _error_of(value, expression.place, variables)
        if not isinstance(value, bool):
            raise PlaybookError(
                f"the condition gives {_kind(value)}, not true or false",
                place=place,
                hint="Compare it, or add a test or `| bool`: `name is defined`, `list | length > 0`, `text | bool`.",
            )
        return value

    def _finish(self, value: Any, scope: _Scope) -> Any:
        if isinstance(value, (Map, dict)):
            rendered = {}
            for key, item in value.items():
                finished = self._finish(item, scope)
                if finished is not OMIT:
                    rendered[str(key) if isinstance(key, str) else key] = finished
            return rendered
        if isinstance(value, (Seq, list, tuple)):
            return [each for each in (self._finish(item, scope) for item in value) if each is not OMIT]
        place = place_of(value)
        try:
            given = seen(value, scope)
            if given is OMIT or isinstance(given, HostVariables):
                return given
            return result(given)
        except MissingUsed as error:
            raise _error_of(error.missing, place, scope.variables) from None
        except PlaybookError as error:
            raise _placed(error, place) from None


class _Scope:
    """The variables of one rendering, each rendered once."""

    def __init__(self, environment: Environment, variables: Mapping[str, Any], depth: int = 0) -> None:
        self.variables = variables
        self._environment = environment
        self._done: dict[str, Any] = {}
        self._under_way: list[str] = []
        self._depth = depth

    def other(self, variables: Mapping[str, Any]) -> _Scope:
        """The scope of other variables."""
        return _Scope(self._environment, variables, self._depth)

    def lookup(self, name: str) -> Any:
        """The rendered value of a variable; Jinja's `missing` when there is none."""
        if name in self._done:
            return self._done[name]
        try:
            raw = self.variables[name]
        except KeyError:
            return missing
        if name in self._under_way:
            chain = " → ".join([*self._under_way[self._under_way.index(name) :], name])
            return _failed(PlaybookError(f"the variable {name!r} refers to itself ({chain})"))
        self._under_way.append(name)
        try:
            self._done[name] = value = seen(raw, self)
        except PlaybookError as error:
            return _failed(error)
        finally:
            self._under_way.pop()
        return value

    def render_text(self, text: Text) -> Any:
        """See `values.Scope`."""
        if text.startswith("#jinja2:"):
            return _failed(PlaybookError("settings of Jinja in a text are not read", place=place_text(text.place)))
        if not any(mark in text for mark in _MARKS):
            return Opened(text) if text.secret else str(text)
        value = self.evaluate(text, expression=False)
        if isinstance(value, str):
            lines = _trailing_newlines(text) - _trailing_newlines(value)
            if lines > 0:
                value = type(value)(value + "\n" * lines)
            if text.secret:
                value = Opened(value)
        return value

    def evaluate(self, text: Text, *, expression: bool) -> Any:
        """Return the value of a template or expression; what fails or is undefined as `Missing` with its error."""
        if self._depth >= MAX_DEPTH:
            return _failed(
                PlaybookError(f"templates refer to each other more than {MAX_DEPTH} deep", place=place_text(text.place))
            )
        self._depth += 1
        try:
            value = self._environment.compiled(str(text), expression=expression)(self.lookup)
        except MissingUsed as error:
            value = error.missing
        except HvBackupError as error:
            return _failed(_placed(error, text.place))
        except TemplateError as error:
            return _failed(_template_error(error, text))
        except RecursionError:
            return _failed(PlaybookError("templates refer to each other too deeply", place=place_text(text.place)))
        except Exception as error:  # noqa: BLE001 - expressions run methods of any value: what they raise is theirs
            message = f"the template fails: {type(error).__name__}: {error}"
            return _failed(PlaybookError(message, place=place_text(text.place)))
        finally:
            self._depth -= 1
        if isinstance(value, Missing):
            value.error = _error_of(value, text.place, self.variables)
        return value


def _failed(error: HvBackupError) -> Failed:
    return Failed(_placed(error, None))


def _placed(error: HvBackupError, place: Place | None) -> PlaybookError:
    """The same error with a place, if it has none yet."""
    if isinstance(error, PlaybookError) and (error.place is not None or place is None):
        return error
    return PlaybookError(error.message, place=place_text(place), hint=error.hint)


def _error_of(absent: Undefined, place: Place | None, variables: Mapping[str, Any]) -> PlaybookError:
    if isinstance(absent, Missing) and absent.error is not None:
        return _placed(absent.error, place)
    return PlaybookError(sentence(absent), place=place_text(place), hint=_hint_for(absent, variables))


def _hint_for(absent: Undefined, variables: Mapping[str, Any]) -> str:
    name = getattr(absent, "_undefined_name", None)
    about = getattr(absent, "_undefined_obj", missing)
    if about is missing and name in _NO_LOOKUPS:
        return "There are no lookups here: use variables, vars_files or a vault."
    known = variables if about is missing else about if isinstance(about, Mapping) else ()
    near = suggestion(name, [each for each in known if isinstance(each, str)]) if isinstance(name, str) else None
    return near or "Define it, or use `| default(...)`."


def _template_error(error: TemplateError, text: Text) -> PlaybookError:
    message = error.message or type(error).__name__
    hint = None
    for kind, known in (("filter", FILTERS), ("test", TESTS)):
        if message.startswith(f"No {kind} named"):
            name = message.split("'")[1]
            message = f"there is no {kind} {name!r}"
            own = [each for each in known if ("." in each) == name.startswith("ansible.builtin.")]
            hint = suggestion(name, own) or f"docs/playbook-language.md lists the {kind}s that there are."
    if isinstance(error, SecurityError):
        message = f"the template is refused: {message}"
    place = text.place
    if isinstance(error, TemplateSyntaxError) and place is not None and error.lineno > 1 and "\n" in text:
        message = f"{message} (line {error.lineno} of this text)"
    return PlaybookError(message, place=place_text(place), hint=hint)


def _trailing_newlines(text: str) -> int:
    return len(text) - len(text.rstrip("\n"))


def _kind(value: Any) -> str:
    if isinstance(value, Opened):
        return "a secret text"
    names = {"str": "a text", "int": "a number", "float": "a number", "NoneType": "nothing"}
    name = type_name(value)
    return names.get(name, f"a {name}")
