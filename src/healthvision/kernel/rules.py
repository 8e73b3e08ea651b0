# SPDX-License-Identifier: Apache-2.0
"""The one rule language: CEL over flat attribute maps, type-checked when saved, bounded when run.

Attributes are declared with their Python type (str, int, float, bool). A value that is absent is
the type's default ('' 0 0.0 false) and ``has_<name>`` is false. Regular expressions are RE2
(linear time) and comprehensions are refused, so a rule's work is bounded by its own length.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel

from healthvision.kernel.errors import Invalid

Attribute = str | int | float | bool
Attributes = Mapping[str, type]
MAX_LENGTH = 2000

_TYPES: Mapping[type, Any] = {
    str: cel.Type.STRING,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    bool: cel.Type.BOOL,
}
_DEFAULTS: Mapping[type, Attribute] = {str: "", int: 0, float: 0.0, bool: False}
_LITERAL = re.compile(r"""[rRbB]{0,2}("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
_MACRO = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")


class RuleInvalid(Invalid):
    """The expression is no rule over the declared attributes; ``line``/``column`` count from 1."""

    code, title = "rule-invalid", "Rule not valid"


class RuleFailed(Invalid):
    """The rule cannot be evaluated on these values, e.g. a division by zero."""

    code, title = "rule-failed", "Rule cannot be evaluated"


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """One compiled condition. ``attributes``: the declared names with their types."""

    expression: str
    attributes: Attributes
    _compiled: Any

    def matches(self, values: Mapping[str, Attribute | None]) -> bool:
        """Tell whether the condition holds.

        ``values``: attribute -> value; names that are not declared are ignored, absent ones and
        None get the default. Raises RuleFailed when a value has another type than declared or
        the evaluation fails.
        """
        data: dict[str, Attribute] = {}
        for name, kind in self.attributes.items():
            value = values.get(name)
            data[f"has_{name}"] = value is not None
            data[name] = _DEFAULTS[kind] if value is None else _typed(name, value, kind)
        outcome = self._compiled.eval(data=data)
        if outcome.type() != cel.Type.BOOL:
            raise RuleFailed(f"the rule cannot be evaluated: {outcome.value()}")
        return bool(outcome.value())


def compile_rule(expression: str, attributes: Attributes) -> Rule:
    """Parse and type-check an expression that must be true or false.

    Raises RuleInvalid naming line and column.
    """
    return _compile(expression, tuple(sorted(attributes.items(), key=lambda item: item[0])))


@lru_cache(maxsize=1024)
def _compile(expression: str, attributes: tuple[tuple[str, type], ...]) -> Rule:
    if not expression.strip():
        raise RuleInvalid("the rule is empty", line=1, column=1)
    if len(expression) > MAX_LENGTH:
        raise RuleInvalid(f"the rule is longer than {MAX_LENGTH} characters", limit=MAX_LENGTH)
    _refuse_macros(expression)
    declared = dict(attributes)
    variables = {name: _TYPES[kind] for name, kind in declared.items()}
    variables |= {f"has_{name}": cel.Type.BOOL for name in declared}
    try:
        compiled = cel.NewEnv(variables=variables).compile(expression)
    except RuntimeError as error:
        raise _invalid(str(error)) from None
    if compiled.return_type() != cel.Type.BOOL:
        kind_name = compiled.return_type().name()
        raise RuleInvalid(f"a rule is true or false, this gives {kind_name}", line=1, column=1)
    return Rule(expression, MappingProxyType(declared), compiled)


def _typed(name: str, value: Attribute, kind: type) -> Attribute:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RuleFailed(f"the attribute {name} is no {kind.__name__}", attribute=name)
    return value


def _refuse_macros(expression: str) -> None:
    bare = _LITERAL.sub(lambda match: "'" + " " * (len(match.group(0)) - 2) + "'", expression)
    found = _MACRO.search(bare)
    if found is not None:
        line = bare.count("\n", 0, found.start()) + 1
        column = found.start() - (bare.rfind("\n", 0, found.start()) + 1) + 1
        message = f"line {line}, column {column}: '{found.group(1)}' is not allowed in a rule"
        raise RuleInvalid(message, line=line, column=column)


def _invalid(message: str) -> RuleInvalid:
    place = _PLACE.search(message)
    if place is None:
        return RuleInvalid("the rule cannot be read", line=1, column=1)
    line, column, text = int(place.group(1)), int(place.group(2)), place.group(3)
    return RuleInvalid(f"line {line}, column {column}: {text[:300]}", line=line, column=column)
