"""What the oldest supported Python would refuse, and the one at hand may not."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "hvbackup"


def base_names(definition: ast.ClassDef) -> set[str]:
    """The names of a class's bases, without what stands in brackets."""
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in definition.bases)
    return {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in bases}


def test_no_named_tuple_is_generic() -> None:
    """Python 3.10: TypeError, multiple inheritance with NamedTuple is not supported."""
    generic = [
        f"{path.name}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and {"NamedTuple", "Generic"} <= base_names(node)
    ]

    assert [] == generic


def test_all_of_it_is_the_grammar_of_python_310() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        try:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
        except SyntaxError as error:
            wrong.append(f"{path.name}: {error}")

    assert [] == wrong
