"""Where trials are kept: in memory, in a journal file, in SQLite or in PostgreSQL, by Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage
    from sqlalchemy.engine import URL

ACCEPTED = "memory, journal, journal:FILE, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
PATIENCE = 60.0
"""Seconds that a process waits for the others' turns in an SQLite file."""
STARTS = 5
"""How often tables are made: processes that start together get in each other's way."""
FOREIGN = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError,
    ValueError,
)  # fmt: skip
"""What reading raises of lines and tables that were not written by this program."""


def open_storage(storage: str, folder: Path) -> BaseStorage:
    """The storage of that name, made if it is missing.

    Args:
        storage: memory, journal, journal:FILE, sqlite:///FILE or postgresql://USER@HOST/DATABASE.
        folder: the run folder, for `trials.journal`.

    Raises:
        ValueError: not the name of a storage, or a package that it needs is missing.
        OSError: it cannot be reached, read or written to.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if storage == "memory":
            return optuna.storages.InMemoryStorage()
        if storage == "journal":
            return _journal(folder / "trials.journal")
        kind, _, place = storage.partition(":")
        if kind == "journal" and place:
            return _journal(Path(place))
        return _database(storage)


@contextmanager
def storage_faults(place: str) -> Iterator[None]:
    """Says in one sentence what is wrong with a storage.

    Args:
        place: what the sentence begins with; without passwords.

    Raises:
        OSError: in place of what Optuna and SQLAlchemy raise.
    """
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as error:
        raise _unusable(place, error.__cause__ or error) from error
    except OSError as error:
        raise _unusable(place, error) from error


@contextmanager
def foreign_faults(place: str) -> Iterator[None]:
    """Says in one sentence that a storage holds what this program did not write.

    Args:
        place: what the sentence begins with.

    Raises:
        ValueError: in place of whatever goes wrong when it is read.
    """
    from squeezenas.ask_tell.journal import DamagedJournalError

    try:
        yield
    except DamagedJournalError:
        raise
    except FOREIGN as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(
            f"{place}: holds what this program did not write ({said}); give another study= or "
            "storage="
        ) from error


def _unusable(place: str, error: BaseException) -> OSError:
    """The first line of what the driver says; it names hosts and files but no passwords."""
    cause = getattr(error, "orig", None) or error
    text = getattr(cause, "strerror", None) or str(cause)
    said = (text.strip() or type(cause).__name__).splitlines()[0]
    return OSError(
        f"{place}: cannot be used ({said}); check that it is there, that it answers and that it "
        "may be written to, or give another storage="
    )


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage

    from squeezenas.ask_tell.journal import DamagedJournalError, Journal

    try:
        return JournalStorage(Journal(path))
    except OSError as error:
        raise _unusable(f"journal {path}", error) from error
    except DamagedJournalError:
        raise
    except FOREIGN:
        raise ValueError(f"journal {path}: not a journal of trials; name another file") from None


def _database(storage: str) -> BaseStorage:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage, get_storage
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    try:
        url = make_url(storage)
    except (SQLAlchemyError, ValueError):
        raise ValueError(f"storage: not understood, expected {ACCEPTED}") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError(f"storage {url.drivername!r} is not known, expected {ACCEPTED}")
    url = _with_driver(url)
    for start in range(STARTS):
        try:
            opened = RDBStorage(
                url.render_as_string(hide_password=False), engine_kwargs=_settings(url)
            )
            break
        except (ImportError, NoSuchModuleError) as error:
            raise ValueError(
                f"storage {url}: a package is missing ({error.__cause__ or error}); for PostgreSQL "
                "`pip install 'squeezenas[postgresql]'`"
            ) from error
        # RuntimeError: tables of another version
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            if start == STARTS - 1 or not _collided(error):
                raise _unusable(f"storage {url}", error.__cause__ or error) from error
        except FOREIGN as error:  # of what is in the tables
            raise _unusable(f"storage {url}", error) from error
    if url.get_backend_name() == "sqlite":
        _one_at_a_time(opened)
    return get_storage(opened)


def _with_driver(url: URL) -> URL:
    """PostgreSQL through psycopg 3 where it is installed and no other driver is named."""
    if url.drivername == "postgresql" and find_spec("psycopg"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _settings(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": PATIENCE}}
    return {"pool_pre_ping": True}  # servers cut connections that a long evaluation leaves idle


def _collided(error: Exception) -> bool:
    """Whether another process made the same tables in the same moment."""
    texts = f"{error} {error.__cause__}"
    return any(sign in texts for sign in ("already exists", "duplicate key", "UNIQUE constraint"))


def _one_at_a_time(storage: RDBStorage) -> None:
    """Every transaction of an SQLite file excludes all others from its beginning.

    SQLite ignores `SELECT ... FOR UPDATE`. Without this, a process that gives up a trial and the
    one that finishes it could both believe to be the first.
    """
    from sqlalchemy import event

    @event.listens_for(storage.engine, "connect")
    def leave_transactions_to_us(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(storage.engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()
