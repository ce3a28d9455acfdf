"""The console: pages and a JSON API in the browser over one gallery."""

from .app import create_app
from .errors import ConsoleError

__all__ = ["ConsoleError", "create_app"]
