"""What a Python function holds: the objects that its code can reach, by the names that it has for them."""

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

# Deep enough for a table of layers in an object that a helper function uses.
_STEPS = 8
# Larger containers are data, not layers.
_ITEMS = 1_000
_LIBRARIES = ("tensorflow", "keras", "tf_keras", "numpy", "builtins", "components")
_DATASET_MODULES = ("tensorflow.python.data", "keras.src.utils", "tf_keras.src.utils")


def held_by(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """The objects that the code of ``function`` names, each once: (name, object).

    Looks into closures, defaults, the globals that the code names, the attributes and methods of its objects that it
    names, partials, containers, and the functions found on the way; not into libraries.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Any, int]] = [("", function, 0)]
    kept = []  # bound methods are made on the way, and an id counts while its object lives
    while waiting:
        name, held, steps = waiting.pop()
        if id(held) in seen or steps > _STEPS or isinstance(held, types.ModuleType | str | bytes | int | float):
            continue
        seen.add(id(held))
        kept.append(held)
        if name:
            yield name, held
        waiting += [(inner_name, inner, steps + 1) for inner_name, inner in _inside(name, held)]


def _inside(name: str, held: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(held, types.FunctionType):
        yield from _in_function(held)
    elif isinstance(held, types.MethodType):
        if isinstance(held.__func__, types.FunctionType):
            yield from _in_function(held.__func__, held.__self__)
    elif isinstance(held, functools.partial):
        yield from [("function", held.func), *(("argument", value) for value in held.args), *held.keywords.items()]
    elif isinstance(held, tf.types.experimental.PolymorphicFunction):
        yield "python_function", held.python_function
    elif isinstance(held, Mapping | list | tuple | set | frozenset):
        if len(held) <= _ITEMS:
            items = list(held.items()) if isinstance(held, Mapping) else enumerate(held)
            yield from ((f"{name}[{key!r}]", value) for key, value in items)
    else:
        if is_keras_layer(held):
            yield from ((f"{name}.{layer.name}", layer) for layer in getattr(held, "layers", ()))
        yield from _parts(name or "self", held, ("__call__", "call"))


def _in_function(function: types.FunctionType, *owner: Any) -> Iterator[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("self", held) for held in owner]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # a name that is not bound yet
            found.append((name, cell.cell_contents))
    found += [("default", value) for value in (function.__defaults__ or ())]
    found += (function.__kwdefaults__ or {}).items()
    if not _of_library(function):
        named = _names_in(function.__code__)
        found += [(name, function.__globals__[name]) for name in named if name in function.__globals__]
        found += [part for name, held in found for part in _parts(name, held, named)]
    yield from found


def _names_in(code: types.CodeType) -> list[str]:
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names_in(part)]
    return list(dict.fromkeys([*code.co_names, *inner]))


def _parts(name: str, held: Any, named: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The attributes and methods of an object of the user's own, or of a module, that code names."""
    if _of_library(held if isinstance(held, types.ModuleType) else type(held)):
        return
    own = getattr(held, "__dict__", {})
    for attribute in named:
        method = inspect.getattr_static(type(held), attribute, None)
        method = method.fget if isinstance(method, property) else method
        if attribute in own:
            yield f"{name}.{attribute}", own[attribute]
        elif isinstance(method, types.FunctionType) and not _of_library(method):
            yield f"{name}.{attribute}", types.MethodType(method, held)
        elif isinstance(method, tf.types.experimental.PolymorphicFunction):
            yield f"{name}.{attribute}", types.MethodType(method.python_function, held)


def _of_library(made: Any) -> bool:
    if isinstance(made, types.ModuleType):
        return made.__name__.split(".")[0] in _LIBRARIES
    return _is_in(made, _LIBRARIES)


def is_keras_layer(held: Any) -> bool:
    """Whether it is a layer or model of Keras 3 or tf_keras, neither of which has to be loaded."""
    return any(
        base.__name__ == "Layer" and base.__module__.split(".")[0] in ("keras", "tf_keras")
        for base in type(held).__mro__
    )


def is_tf_datas_own(function: Callable[..., Any]) -> bool:
    """Whether tf.data or Keras's dataset utilities made it, as for ``sample_from_datasets``; no user's code in it."""
    held = [one for _, one in held_by(function) if callable(one)]
    return _is_in(function, _DATASET_MODULES) and all(_is_in(one, _LIBRARIES) for one in held)


def _is_in(made: Any, modules: tuple[str, ...]) -> bool:
    module = getattr(made, "__module__", None) or ""
    return any(module == name or module.startswith(f"{name}.") for name in modules)


def name_of(function: Callable[..., Any]) -> str:
    """A function as a person finds it: ``train.py:12 <lambda>``; an object by its class."""
    while isinstance(function, functools.partial | tf.types.experimental.PolymorphicFunction):
        function = function.func if isinstance(function, functools.partial) else function.python_function
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    if code is None:
        return f"object of {type(plain).__qualname__}"
    if _of_library(plain):
        users = (held for _, held in held_by(plain) if isinstance(held, types.FunctionType) and not _of_library(held))
        user = next(users, None)
        return f"{plain.__module__}.{plain.__qualname__}" if user is None else name_of(user)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno} {plain.__qualname__.rpartition('<locals>.')[2]}"
