"""What a study is of: a search that joins it must be of the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from squeezenas.ask_tell.storage import foreign_faults

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

IDENTITY = "identity"


def open_study(
    storage: BaseStorage, name: str, identity: Mapping[str, Any], directions: Sequence[str]
) -> int:
    """Makes the study, or joins it; gives the storage's number of it.

    Args:
        storage: where studies are kept.
        name: of the study.
        identity: what it is of, in JSON values.
        directions: `maximize` or `minimize`, one an objective.

    Raises:
        ValueError: the study is of something else; names the first key that differs. Or it was not
            made by this program.
    """
    from optuna.exceptions import DuplicatedStudyError
    from optuna.study import StudyDirection

    wanted = [StudyDirection[direction.upper()] for direction in directions]
    ours = json.loads(json.dumps(identity))
    with foreign_faults(f"study {name!r}"):
        try:
            study = storage.create_new_study(wanted, name)
        except DuplicatedStudyError:
            study = storage.get_study_id_from_name(name)
        found = [direction.name.lower() for direction in storage.get_study_directions(study)]
        # Counted first: whoever makes a trial of ours has written the identity before.
        count = storage.get_n_trials(study)
        theirs = storage.get_study_user_attrs(study).get(IDENTITY)
    if found != list(directions):
        raise _of_another(name, "directions", found, list(directions))
    if theirs is None and count:
        raise ValueError(
            f"study {name!r}: its trials were not made by this program; give another study="
        )
    if theirs is not None and (fault := _difference(theirs, ours, "")):
        raise _of_another(name, *fault)
    # Written by each who joins: so a storage that is read-only shows before anything is evaluated.
    storage.set_study_user_attr(study, IDENTITY, ours)
    return study


def _of_another(name: str, key: str, theirs: Any, ours: Any) -> ValueError:
    return ValueError(
        f"study {name!r}: it was made with {key}={theirs}, this search has {key}={ours}; go on "
        "with the same configuration, or give another study="
    )


def _difference(theirs: Any, ours: Any, key: str) -> tuple[str, Any, Any] | None:
    """The first key, dotted, whose values differ, and both values."""
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return None if theirs == ours else (key, theirs, ours)
    for part in {**ours, **theirs}:
        inside = f"{key}.{part}" if key else part
        if fault := _difference(theirs.get(part), ours.get(part), inside):
            return fault
    return None
