"""The Optuna study of one search: which architectures are claimed, by whom, and what came out.

Every architecture is a trial: created in state RUNNING, in one transaction with its parameters,
before it is evaluated, and that is the claim. Trials are numbered under a lock, so that of two
claims to one architecture both sides see the same one first; the later one is set aside (PRUNED).
A trial that is FAIL with a reason was evaluated in vain; one that is FAIL without was interrupted,
and its architecture is claimed again in a new trial.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.files import damage_told
from ...data.spaces import Space
from ...data.types import Values
from ...errors import ParameterError
from .code import is_other_code
from .identity import CODE, differences, unknown_parts
from .keys import Key, codes_of, keys_of
from .workers import Worker

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

    from .database import Patient

ABOUT = "nasurge"  # user attribute of a study
RETRY = "nasurge:retry"  # system attribute of a study
CLAIM = "nasurge:claim"  # system attribute of a trial
FAILURE = "failure"  # user attributes of a trial
SET_ASIDE = "set aside"

logger = logging.getLogger(__name__)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna distribution of every variable of a space, categorical by name.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> distributions(make_space("nb201"))["edge 0-1"].choices[:2]
    ('none', 'skip_connect')
    """
    from optuna.distributions import CategoricalDistribution

    return {
        name: CategoricalDistribution(choices)
        for name, choices in zip(space.variables, space.choices, strict=True)
    }


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing every study it makes."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def whole_record(study: str) -> Iterator[None]:
    """Say of a study in a database that it is damaged where its parts do not fit together.

    Raises
    ------
    DataFileError
        Instead of what Python raises for a value that is missing or of another kind.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    with damage_told(
        f"study {study!r} in the database is damaged",
        "give another study name, or another database",
        SQLAlchemyError,
        StorageInternalError,
    ):
        yield


@dataclass(frozen=True)
class Asked:
    """What was asked for at once, and the searcher's state after it (None: told from outside)."""

    batch: list[Key]
    state: dict[str, Any] | None = None
    seconds: float = 0.0


class Ledger:
    """What is known of a search that is kept in an Optuna study, and how to add to it.

    Architectures are named by their number in the space, or, in one too large, by their rows.

    Parameters
    ----------
    space : Space
    storage : Patient
    name : str
        Of the study; made if it is missing.
    about : mapping
        What the search is (JSON values). A study that is another search is refused.
    objectives : int
        How many, all maximised.
    retry_failed : bool
        Whether what has failed so far counts as not evaluated, from now on and for every worker
        that joins later.

    Attributes
    ----------
    values : dict from architecture to list of float
        What is known, NaN for failures.
    running : dict from architecture to (trial number, worker)
        What is being evaluated.
    asked : list of Asked
        In the order asked.
    seconds : dict from architecture to float
        The search's own time.
    retried : dict from architecture to None
        What has failed and is to be evaluated again.

    Raises
    ------
    ParameterError
        If the study is another search.
    """

    def __init__(
        self,
        space: Space,
        storage: Patient,
        name: str,
        *,
        about: Mapping[str, Any],
        objectives: int = 1,
        retry_failed: bool = False,
    ) -> None:
        self.space, self.name = space, name
        self.values: dict[Key, list[float]] = {}
        self.running: dict[Key, tuple[int, str]] = {}
        self.asked: list[Asked] = []
        self.seconds: dict[Key, float] = {}
        self._objectives = objectives
        self._storage = storage
        with whole_record(name):
            self._study_id = self._open(about)
        self._distributions = distributions(space)
        self.retried: dict[Key, None] = {}
        self._retry_below = self._first_that_counts(retry=retry_failed)
        self._set_aside: dict[Key, None] = {}
        self._unfinished: dict[int, FrozenTrial] = {}
        self._n_read = 0
        self._mine: dict[Key, int] = {}
        self.worker = Worker(storage, self._study_id)

    def _open(self, about: Mapping[str, Any]) -> int:
        """Study's number in the storage; it is made if it is missing."""
        from optuna.exceptions import DuplicatedStudyError
        from optuna.study import StudyDirection

        directions = [StudyDirection.MAXIMIZE] * self._objectives
        with suppress(DuplicatedStudyError), quiet_optuna():
            self._storage.create_new_study(directions, self.name)
        number: int = self._storage.get_study_id_from_name(self.name)
        if self._storage.get_study_directions(number) != directions:
            raise ParameterError(
                f"study {self.name!r} does not maximise {self._objectives} objective(s), as this "
                "search does: give another study name"
            )
        found = self._storage.get_study_user_attrs(number).get(ABOUT)
        if found is None:
            self._storage.set_study_user_attr(number, ABOUT, dict(about))
            return number
        if changed := differences(found, about):
            raise ParameterError(
                f"study {self.name!r} holds another search (different: {', '.join(changed)}): give "
                "another study name"
            )
        if is_other_code(found.get(CODE), about.get(CODE)):
            logger.warning(
                "study %r goes on with a function whose code is not the one that the study began "
                "with: if it computes other values, give another study name",
                self.name,
            )
        if unknown := unknown_parts(about):
            logger.info(
                "study %r goes on; whether these are the same as before cannot be known: %s",
                self.name,
                ", ".join(unknown),
            )
        return number

    def _first_that_counts(self, *, retry: bool) -> int:
        """Number of the first trial that may have failed for good."""
        if retry:
            number = self._storage.get_n_trials(self._study_id)
            self._storage.set_study_system_attr(self._study_id, RETRY, number)
        return int(self._storage.get_study_system_attrs(self._study_id).get(RETRY, 0))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Be a worker of the search; at the end, give back what was claimed and not evaluated."""
        self.worker.start()
        self._storage.at_work = True  # from here on it is waited for
        try:
            yield
        finally:
            try:
                if not self._storage.lost:
                    self._read()
                    self._release({self.worker.name}, "interrupted")
            finally:
                self.worker.stop()
                self._storage.remove_session()

    # -- reading ----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read what has changed, and give back what dead workers have claimed."""
        self._read()
        if dead := self.worker.dead(self.others):
            self._release(dead, "the worker died")

    @property
    def others(self) -> set[str]:
        """The other workers that are evaluating something, or died doing so."""
        return {worker for _, worker in self.running.values()} - {self.worker.name}

    @property
    def lost(self) -> list[Key]:
        """What was claimed, not evaluated, and is claimed by nobody now."""
        return [k for k in self._set_aside if k not in self.values and k not in self.running]

    @property
    def lost_failures(self) -> list[Key]:
        """What has failed and is to be evaluated again."""
        return [k for k in self.retried if k not in self.values]

    def _read(self) -> None:
        with whole_record(self.name):
            self._read_trials()

    def _read_trials(self) -> None:
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        known = [trials[number] for number in self._unfinished]
        fresh = trials[self._n_read :]
        self._n_read, self._unfinished, self.running = len(trials), {}, {}
        for trial in (*known, *fresh):
            key = self._key(trial)
            if key is not None:
                self._note(trial, key)
        for trial in fresh:
            self._note_claim(trial)
        self.running = {k: claim for k, claim in self.running.items() if k not in self.values}

    def _key(self, trial: FrozenTrial) -> Key | None:
        """Architecture of a trial; None for a trial of something else."""
        try:
            row = [
                distribution.to_internal_repr(trial.params[name])
                for name, distribution in self._distributions.items()
            ]
        except (KeyError, ValueError):
            return None
        codes = np.array([row], dtype=np.int64)
        return keys_of(self.space, codes)[0] if self.space.is_valid(codes)[0] else None

    def _note(self, trial: FrozenTrial, key: Key) -> None:
        """Take the state of a trial into account."""
        from optuna.trial import TrialState

        failed = trial.state == TrialState.FAIL and FAILURE in trial.user_attrs
        if trial.state == TrialState.COMPLETE:
            if np.isnan(self.values.get(key, [np.nan])).any():  # nothing so far, or a failure
                self.values[key] = trial.values
        elif failed and trial.number >= self._retry_below:
            self.values.setdefault(key, [float("nan")] * self._objectives)
        elif trial.state.is_finished():
            self._set_aside[key] = None
            self.retried |= {key: None} if failed else {}
        else:
            self._unfinished[trial.number] = trial
            if CLAIM in trial.system_attrs:
                self.running.setdefault(key, (trial.number, trial.system_attrs[CLAIM]["worker"]))

    def _note_claim(self, trial: FrozenTrial) -> None:
        """Take into account what was asked for with a trial."""
        claim = trial.system_attrs.get(CLAIM, {})
        if not isinstance(claim, dict):
            raise TypeError(f"trial {trial.number} does not say what was asked for with it")
        if "batch" in claim:
            asked = Asked(claim["batch"], claim["state"], claim["seconds"])
            self.asked.append(asked)
            for key in asked.batch:
                self.seconds.setdefault(key, asked.seconds / len(asked.batch))

    # -- writing ----------------------------------------------------------------------------------

    def give(self, keys: Sequence[Key], values: Values) -> None:
        """Add what was evaluated elsewhere, such as a warm start."""
        from optuna.trial import TrialState

        if not len(keys):
            return
        asked: Asked | None = Asked(list(keys))
        for key, value in zip(keys, np.atleast_2d(values.T).T.tolist(), strict=True):
            if np.isnan(value).any():
                self._create(key, TrialState.FAIL, asked, attributes={FAILURE: "NaN"})
            else:
                self._create(key, TrialState.COMPLETE, asked, values=value)
            asked = None
        self._read()

    def claim(self, keys: Sequence[Key], budget: int, asked: Asked | None = None) -> list[Key]:
        """Architectures, of those named, that are now this worker's to evaluate.

        Parameters
        ----------
        keys : sequence of int or str
        budget : int
            Evaluations of the whole search. Of claims that together exceed it the last are void.
        asked : Asked, optional
            Kept with the first claim, in one transaction.
        """
        from optuna.trial import TrialState

        made = {}
        for key in keys:
            made[key] = self._create(key, TrialState.RUNNING, asked)
            asked = None
        self._read()
        for key, number in made.items():
            earlier = sum(n < number for n, _ in self.running.values())
            if self.running.get(key, (None,))[0] != number:
                self._settle(number, TrialState.PRUNED, {SET_ASIDE: "claimed by another worker"})
            elif len(self.values) + earlier >= budget:
                self._settle(number, TrialState.PRUNED, {SET_ASIDE: "beyond the budget"})
            else:
                self._mine[key] = number
        if len(self._mine) < len(made):
            self._read()
        return list(self._mine)

    def record(self, values: Values, reasons: Sequence[str]) -> None:
        """Keep the values of what ``claim`` returned, in its order, and the reasons of NaN."""
        from optuna.trial import TrialState

        rows = np.atleast_2d(values.T).T.tolist()
        late = {}
        for (key, number), value, reason in zip(self._mine.items(), rows, reasons, strict=True):
            if np.isnan(value).any():
                self._settle(number, TrialState.FAIL, {FAILURE: reason})
            elif not self._settle(number, TrialState.COMPLETE, values=value):
                late[key] = value
        self._mine = {}
        self._read()
        # Another worker has taken this one for dead, but an evaluation is not thrown away.
        late = {key: value for key, value in late.items() if key not in self.values}
        self.give(list(late), np.array(list(late.values())))

    def _create(
        self,
        key: Key,
        state: TrialState,
        asked: Asked | None,
        *,
        values: list[float] | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> int:
        """Make a trial and return its number."""
        from optuna.trial import create_trial

        codes = codes_of(self.space, [key])
        params = {
            name: choices[value]
            for (name, choices), value in zip(
                zip(self.space.variables, self.space.choices, strict=True),
                codes[0].tolist(),
                strict=True,
            )
        }
        claim: dict[str, Any] = {"worker": self.worker.name}
        if asked is not None:
            claim |= {"batch": asked.batch, "state": asked.state, "seconds": asked.seconds}
        trial = create_trial(
            state=state,
            values=values,
            params=params,
            distributions=self._distributions,
            user_attrs={"architecture": self.space.format(codes)[0], **(attributes or {})},
            system_attrs={CLAIM: claim},
        )
        made = self._storage.create_new_trial(self._study_id, trial)
        number: int = self._storage.get_trial_number_from_id(made)
        return number

    def _settle(
        self,
        number: int,
        state: TrialState,
        attributes: Mapping[str, str] | None = None,
        *,
        values: list[float] | None = None,
    ) -> bool:
        """Whether a trial is now finished so; one that somebody else has finished stays as it is.

        An answer that was lost on its way counts as somebody else's: the value is then there.
        """
        from optuna.exceptions import UpdateFinishedTrialError

        trial = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        try:
            for name, text in (attributes or {}).items():
                self._storage.set_trial_user_attr(trial, name, text)
            self._storage.set_trial_state_values(trial, state, values)
        except UpdateFinishedTrialError:
            return False
        return True

    def _release(self, workers: set[str], why: str) -> None:
        """Give back what some workers have claimed."""
        from optuna.trial import TrialState

        claimed = [
            number
            for number, trial in self._unfinished.items()
            if trial.system_attrs.get(CLAIM, {}).get("worker") in workers
        ]
        for number in claimed:
            self._settle(number, TrialState.FAIL, {SET_ASIDE: why})
        if claimed:
            self._read()
