"""The root of the errors a user can mend, and the schema's own; at the bottom of the import order."""


class InputError(ValueError):
    """Bad input: the message says what was required, what came and what to do, in one line."""


class SchemaError(InputError):
    """A schema, or one of its annotation tags, that cannot be used as it stands."""
