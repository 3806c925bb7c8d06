"""Errors that are the user's to mend. Their text is the whole message: no traceback is shown."""


class UserError(Exception):
    """Something that the user can put right; the text names what was found and what to do."""


class ConfigError(UserError):
    """A configuration key or value is wrong; names the key, the value and what is allowed."""


class DataError(UserError):
    """A dataset can't be used as it is; names the folder, file or class."""


class ModelError(UserError):
    """A model can't be loaded or can't do what the configuration asks of it."""


class OutOfMemoryError(ModelError):
    """A model does not fit in memory with so much at once; less may fit."""


class JournalError(UserError):
    """A run directory or its journal can't be used; names the file and line."""
