"""The Jinja environment: sandboxed, native types without guessing, variables looked up where they are used."""

from __future__ import annotations

import functools
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.compiler import Frame
from jinja2.lexer import TOKEN_STRING, TOKEN_VARIABLE_BEGIN, TOKEN_VARIABLE_END, Lexer
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.parser import Parser
from jinja2.runtime import Context, Undefined, str_join
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import LRUCache, missing

from hvbackup.errors import PlaybookError
from hvbackup.playbook.templating.bounds import MAX_TEXT, check_format, check_padding, check_power, check_product
from hvbackup.playbook.templating.opened import Opened
from hvbackup.playbook.templating.undefined import Missing, MissingUsed
from hvbackup.playbook.templating.values import OMIT, plain


def concat(parts: Iterable[Any]) -> Any:
    """Join what a template printed: one value stays what it is, several become text, None is nothing.

    Jinja's own native types evaluate the text as Python, and turn a VM called "2024" into a number. An `if` without
    `else` gives Jinja's plain `Undefined`: nothing beside other parts, and undefined where it is all there is.
    """
    found = [part for part in parts if part is not None]
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    found = [part for part in found if type(part) is not Undefined]
    absent = next((part for part in found if isinstance(part, Undefined)), None)
    if absent is not None:
        return absent
    try:
        texts = [
            part if isinstance(part, str) else str(plain(part, printed=True)) for part in found if part is not OMIT
        ]
    except MissingUsed as error:
        return error.missing
    if sum(map(len, texts)) > MAX_TEXT:
        raise PlaybookError(f"a template gives more than {MAX_TEXT} characters")
    joined = "".join(texts)
    return Opened(joined) if any(isinstance(part, Opened) for part in found) else joined


class _CodeGenerator(NativeCodeGenerator):
    """Constant parts of a template keep their text."""

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        parts = list(group)
        return repr(parts[0] if len(parts) == 1 else "".join(map(str, parts)))

    def visit_Const(self, node: nodes.Const, frame: Frame) -> None:  # noqa: N802 - named by Jinja
        self.write(repr(node.as_const(frame.eval_ctx)))

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - named by Jinja
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Lexer(Lexer):
    r"""Inside `{{ }}` a backslash is a backslash: YAML has escapes of its own. `{% %}` and conditions have Jinja's."""

    def tokeniter(self, *args: Any, **kwargs: Any) -> Iterator[tuple[int, str, str]]:
        printing = False
        for line, kind, text in super().tokeniter(*args, **kwargs):
            if kind in (TOKEN_VARIABLE_BEGIN, TOKEN_VARIABLE_END):
                printing = kind == TOKEN_VARIABLE_BEGIN
            doubled = printing and kind == TOKEN_STRING
            yield line, kind, text.replace("\\", "\\\\") if doubled else text


class VariableContext(Context):
    """Looks variables up at the moment of use. Jinja's own way copies them, and with that renders none of them."""

    lookup: Callable[[str], Any]

    def resolve_or_missing(self, key: str) -> Any:
        """The value of a name as Jinja wants it."""
        if key in self.vars:
            return self.vars[key]
        found = self.lookup(key)
        if found is missing:
            return self.environment.globals.get(key, missing)
        return found

    def get_all(self) -> dict[str, Any]:
        """What the template has set itself; variables are looked up, never listed."""
        return dict(self.vars)

    def derived(self, locals: dict[str, Any] | None = None) -> Context:
        """As Jinja's, with the same variables."""
        made = super().derived(locals)
        if isinstance(made, VariableContext):
            made.lookup = self.lookup
        return made

    __repr__ = object.__repr__


def _listed(value: Any) -> Any:
    """What a method gives, as a list where Python gives a view or an iterator."""
    if isinstance(value, (ItemsView, ValuesView)):
        items = list(value)
        single = [item[1] for item in items] if isinstance(value, ItemsView) else items
        absent = next((each for each in single if isinstance(each, Undefined)), None)
        return items if absent is None else absent
    return list(value) if isinstance(value, (Iterator, KeysView)) else value


@pass_context
def _as_it_is(_context: Context, value: Any) -> Any:
    """Print a value; that this needs the context keeps Jinja from folding constants while it compiles."""
    return value


class Environment(SandboxedEnvironment):
    """One for all templates of a run; may be used from several threads."""

    code_generator_class = _CodeGenerator
    context_class = VariableContext
    concat = staticmethod(concat)
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, filters: Mapping[str, Any], tests: Mapping[str, Any], names: Mapping[str, Any]) -> None:
        super().__init__(
            undefined=Missing,
            trim_blocks=True,
            autoescape=False,
            finalize=_as_it_is,
            optimized=False,
            cache_size=0,
        )
        self.filters = dict(filters)
        self.tests = dict(tests)
        self.globals = {"range": self.globals["range"], "dict": dict, "omit": OMIT, **names}
        self._compiled: LRUCache = LRUCache(2000)

    @functools.cached_property
    def lexer(self) -> Lexer:
        """The lexer of all templates."""
        return _Lexer(self)

    def compiled(self, source: str, *, expression: bool) -> Callable[[Callable[[str], Any]], Any]:
        """Return a function that takes the lookup of variables and gives the value of `source`.

        Raises:
            TemplateSyntaxError: It is no template, or no expression.
        """
        key = (source, expression)
        template = self._compiled.get(key)
        if template is None:
            template = self._expression(source) if expression else self.from_string(source)
            self._compiled[key] = template
        return functools.partial(self._evaluate, template, expression)

    def _expression(self, source: str) -> Any:
        parser = Parser(self, source, state="variable")
        try:
            content = parser.parse_expression()
            if not parser.stream.eos:
                parser.fail("this is more than one expression", parser.stream.current.lineno)
        finally:
            parser.stream.close()
        content.set_environment(self)
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), content, lineno=1)]
        return self.from_string(nodes.Template(body, lineno=1))

    def _evaluate(self, template: Any, expression: bool, lookup: Callable[[str], Any]) -> Any:
        context = VariableContext(self, {}, template.name, template.blocks)
        context.lookup = lookup
        parts = template.root_render_func(context)
        if not expression:
            return concat(parts)
        for _ in parts:
            pass
        return context.vars["result"]

    @staticmethod
    def joined(parts: tuple[Any, ...]) -> str:
        """What `~` gives: text, secret where a part is."""
        text = str_join(parts)
        return Opened(text) if any(isinstance(part, Opened) for part in parts) else text

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse products, powers and formats that would fill the memory."""
        if operator == "**":
            check_power(left, right)
        elif operator == "*":
            check_product(left, right)
        else:
            check_format(left, right if isinstance(right, tuple) else (right,))
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As in ansible-core: where the sandbox hides an attribute, an item of that name is still found."""
        try:
            value = getattr(obj, attribute)
        except AttributeError:
            safe = True
        else:
            if self.is_safe_attribute(obj, attribute, value):
                # `'{0.__class__}'.format(x)` must not reach what `x.__class__` does not.
                return self.wrap_str_format(value) or value
            safe = False
        try:
            return obj[attribute]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=attribute) if safe else self.unsafe_undefined(obj, attribute)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """As Jinja's, with a bound on the width of fields."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        def call(*args: Any, **kwargs: Any) -> str:
            check_format(value.__self__)
            return wrapped(*args, **kwargs)

        return call

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja's own names
        """Call a method in a template; what it is given and gives is plain."""
        absent = next((each for each in (__obj, *args, *kwargs.values()) if isinstance(each, Undefined)), None)
        if absent is not None:
            return absent
        if isinstance(getattr(__obj, "__self__", None), str):
            check_padding(getattr(__obj, "__name__", ""), args)
        value = super().call(
            __context, __obj, *map(plain, args), **{name: plain(item) for name, item in kwargs.items()}
        )
        return _listed(value)
