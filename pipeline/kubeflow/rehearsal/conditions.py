"""The conditions of tasks: the part of CEL, Google's expression language, that TFX writes."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from components.errors import DataError

_COMPARES: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.LtE: operator.le,
    ast.GtE: operator.ge,
}


def holds(condition: str, inputs: Mapping[str, Any]) -> bool:
    """Whether a task's condition is true.

    Args:
      condition: such as ``(inputs.artifacts['x'].artifacts[0].metadata['blessed'] == 1.0)``.
      inputs: the task's, as in ExecutorInput; parameters are ``parameter_values`` to a condition.

    Raises:
      DataError: the condition uses more of the language, or names what is not there.
    """
    python = re.sub(r"!(?!=)", " not ", condition.replace("&&", " and ").replace("||", " or "))
    names = {"inputs": {**inputs, "parameter_values": inputs.get("parameterValues", {})}, "true": True, "false": False}
    try:
        return bool(_evaluated(ast.parse(python.strip(), mode="eval").body, names))
    except (SyntaxError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"The condition {condition!r} cannot be evaluated: {error}.") from error


def _evaluated(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.Attribute):
        return _evaluated(node.value, names)[node.attr]
    if isinstance(node, ast.Subscript):
        return _evaluated(node.value, names)[_evaluated(node.slice, names)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _evaluated(node.operand, names)
    if isinstance(node, ast.BoolOp):
        every = all if isinstance(node.op, ast.And) else any
        return every(_evaluated(value, names) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _evaluated(node.left, names) + _evaluated(node.right, names)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARES:
        return _COMPARES[type(node.ops[0])](_evaluated(node.left, names), _evaluated(node.comparators[0], names))
    raise DataError(f"A condition has {ast.unparse(node)!r}, which is more of CEL than TFX writes.")
