"""The command ``nasurge meta warm-start``: of one new task, and of the study that measures it."""

from __future__ import annotations

from typing import Any

from ..benchmarks.studies import refuse_unused
from ..progress import progress_bar
from ..search.studies.options import NewTaskOptions
from .common import emit
from .options import command_of, run_and_print
from .printing import print_table, say

_OF_ONE = ("images", "name", "start", "strength", "keep", "device", "seed")
_OF_STUDY = ("tasks", "seeds", "shared", "jobs", "out")


def _warm_start(options: NewTaskOptions, as_json: bool) -> None:
    if options.store is None:
        from ..search.studies import WarmStartStudy

        refuse_unused(options, _OF_ONE, "without --from, by the study of --tasks")
        run_and_print(WarmStartStudy(options), as_json=as_json)
        return
    from ..search.studies import start_task

    refuse_unused(options, _OF_STUDY, "with --from, which searches one task")
    with progress_bar("warm start") as progress:
        found = start_task(options, lambda done, total: progress(done, total, "epochs"))
    if as_json:
        emit(found)
        return
    [row] = found["summary"]
    say(row["architecture"])
    _say_earlier(found, row)
    print_table(
        ("trained alone", "architecture", "valid accuracy", "test accuracy"),
        [
            (
                {"search": "found by the search", "start": "of the start itself"}[each["of"]],
                each["architecture"],
                f"{each['valid_accuracy']:.1f}",
                f"{each['accuracy']:.1f}",
            )
            for each in found["trained"]
        ],
    )
    if row["collapsed"]:
        say(f"collapsed: {row['skip_share']:.0%} of the choices are skips; take another --method")
    say(
        f"{row['task']}: {row['classes']} classes, {row['images']} training images; {row['steps']} "
        f"steps in {row['search_seconds']:.1f} s, {row['start_seconds']:.2f} s for the start; seed "
        f"{row['seed']}"
    )
    if found["kept"]:
        say(f"kept for later tasks: {found['kept']} (--no-keep leaves the store as it is)")
    elif row["diverged"]:
        say("the loss became infinite: stopped, and not kept")
    else:
        say(f"not kept: {options.store} is as it was")


def _say_earlier(found: dict[str, Any], row: dict[str, Any]) -> None:
    """Say how near the earlier tasks are, and what became of the start that they gave."""
    if found["earlier"]:
        print_table(
            ("earlier task", "distance", "by Fisher", "share", "its architecture", "its accuracy"),
            [
                (
                    each["task"],
                    f"{each['transport']:.3f}",
                    f"{each['fisher']:.3f}",
                    f"{each['share']:.2f}",
                    each["architecture"],
                    f"{each['accuracy']:.1f}",
                )
                for each in found["earlier"]
            ],
        )
    if found["left_out"]:
        say(f"left out of the store: {', '.join(found['left_out'])}")
    if row["start"] == "cold":
        why = "" if found["earlier"] else f": the store has no other task of {row['space']}"
        say(f"start: cold{why}")
        return
    verdict = "taken" if row["accepted"] else "refused, and searched cold"
    say(
        f"start: {row['start']}; {verdict}: its architecture was at least as good as "
        f"{round(row['beaten'] * row['rivals'])} of {row['rivals']} random ones"
    )


_warm_start.__doc__ = NewTaskOptions.__doc__
warm_start = command_of(NewTaskOptions, _warm_start)
