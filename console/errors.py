"""Errors of `console`."""


class ConsoleError(Exception):
    """Base class: a request, an account or a setting can't be used; one line that says what to do.

    Args:
        code: the HTTP status that it is answered with. status: the command line's exit status.
    """

    def __init__(self, message: str, code: int = 422, status: int = 2) -> None:
        super().__init__(message)
        self.code, self.status = code, status
