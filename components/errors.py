"""What a user can mend: the few exception types whose message is shown alone, with exit status 2."""

import re

from schemas.errors import InputError, SchemaError

__all__ = ["ConfigError", "DataError", "DigestError", "InputError", "NotFrozenError", "SchemaError", "input_error_in"]


class ConfigError(InputError):
    """A configuration file or an option that cannot be used as it stands."""


class DataError(InputError):
    """Data that cannot be read as what the schema or the format says it is."""


class DigestError(InputError):
    """The values of a constants file and its stated digest, or its decimal and hex forms, disagree."""


class NotFrozenError(InputError):
    """A graph with state in it where constants were required; the message names every offending op."""


# A Beam worker in another process sends the traceback as text; its last line starts with the qualified class name.
_IN_TEXT = re.compile(
    r"^(?:RuntimeError: )?(?:components|schemas)\.errors\."
    r"(?:Input|Config|Schema|Data|Digest|NotFrozen)Error: (?P<message>.+?)"
    r"(?: \[while running .*)?$",
    re.MULTILINE,
)


def input_error_in(error: BaseException) -> str | None:
    """The message of the InputError behind ``error``, or None where bad input is not the cause.

    Walks the exception chain (cause, context), then looks into the text that Beam makes of an exception in a
    worker process. Beam's suffix ``[while running 'step']`` is cut off.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, InputError):
            return re.sub(r" \[while running '.*", "", str(current), flags=re.DOTALL).strip()
        found = _IN_TEXT.findall(str(current))
        if found:
            return str(found[-1]).strip()
        current = current.__cause__ or current.__context__
    return None
