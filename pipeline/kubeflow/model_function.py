"""Whether a module has the function that builds the model, found in its source: nothing of it is executed here."""

import importlib.util
import re
import symtable

from components.errors import ConfigError

# Names that such a module has are not in its source.
_HIDDEN = re.compile(r"import\s*\(?\s*\*|def __getattr__|globals\(\)")


def check_function(path: str) -> None:
    """Returns where ``module:function`` can be there; a module without source, or that makes names up, is believed.

    Raises:
      ConfigError: the module's source binds no such name, or is no Python.
    """
    module, _, name = path.partition(":")
    found = importlib.util.find_spec(module)
    get_source = getattr(found.loader, "get_source", None) if found else None
    try:
        source = get_source(module) if get_source else None
        if source is None or _HIDDEN.search(source):
            return
        symbols = symtable.symtable(source, module, "exec").get_symbols()
    except (ImportError, SyntaxError) as error:
        raise ConfigError(f"trainer.model = {path!r}: the source of {module!r} cannot be read: {error}.") from error
    if name not in {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}:
        raise ConfigError(f"trainer.model = {path!r}: the module {module!r} has no function {name!r}.")
