"""What to tell a person about an exception that came out of a component."""

import re

# Enough of a message to act on; the whole of it is in the log.
_MAX_LINES = 5
_MAX_CHARACTERS = 1000
_BEAM_SUFFIX = re.compile(r"\s*\[while running '.*", re.DOTALL)
_LAST_OF_TRACEBACK = re.compile(r"^(?:[A-Za-z_]\w*\.)*(?P<type>[A-Z]\w*): (?P<message>.*)", re.MULTILINE | re.DOTALL)


class ComponentError(Exception):
    """A component failed; the message says which one and its own error, in a few lines.

    Attributes:
      component: the node's id.
      log: path of the log with the whole story.
      report: path of the run's report; empty without one.
      bad_input: the cause is the user's input (data, schema, configuration), not the program.
    """

    def __init__(self, component: str, message: str, log: str, *, bad_input: bool = False) -> None:
        """See the class."""
        super().__init__(message)
        self.component = component
        self.log = log
        self.report = ""
        self.bad_input = bad_input


def own_error(error: BaseException) -> str:
    """``Type: message`` of the error that user code raised, without the runner's wrappings.

    A wrapper (Beam's copy of an exception with the step's name, a remote traceback as text, TFX's failed execution)
    is followed to its origin; an error that code raised on purpose ``from`` another one is kept.
    """
    kind, message = _kind_and_message(error)
    return f"{kind}: {_shortened(message)}".removesuffix(": ")


def whole_error(error: BaseException) -> str:
    """What ``own_error`` gives, all lines of it."""
    return "{}: {}".format(*_kind_and_message(error)).removesuffix(": ")


def _kind_and_message(error: BaseException) -> tuple[str, str]:
    origin = _unwrapped(error)
    kind, message = type(origin).__name__, str(origin)
    if "Traceback (most recent call last)" in message:
        # The text after the last stack line: a line that starts at column 0 and is not the word Traceback.
        tail = message.rpartition("Traceback (most recent call last)")[2]
        found = _LAST_OF_TRACEBACK.search(tail)
        if found:
            kind, message = found["type"], found["message"]
    return kind, _BEAM_SUFFIX.sub("", message)


def _unwrapped(error: BaseException) -> BaseException:
    seen: set[int] = set()
    while id(error) not in seen and _is_wrapper(error):
        seen.add(id(error))
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error


def _is_wrapper(error: BaseException) -> bool:
    text = str(error)
    # Beam, tf.Transform, TFX
    return (
        "[while running '" in text
        or text.startswith("Failed to apply: ")
        or type(error).__name__ == "_ExecutionFailedError"
    )


def _shortened(message: str) -> str:
    lines = [line.rstrip() for line in message.strip().splitlines() if line.strip()]
    text = "\n".join(lines[:_MAX_LINES])
    return text if len(lines) <= _MAX_LINES and len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + " ..."
