"""Whether two descriptions are of one study, and what both ask for together."""

from __future__ import annotations

from typing import Any

from ...data.devices import device_kind


def alike(key: str, before: Any, now: Any) -> bool:
    """Whether two studies agree in an entry; in the device if it is of one kind, or was left open.

    Workers on several GPUs share a study, and older folders name the one GPU that they were on.
    """
    if key == "device" and isinstance(before, str) and isinstance(now, str):
        kinds = {device_kind(before), device_kind(now)}
        return len(kinds) == 1 or "auto" in kinds
    return bool(before == now)


def together(before: Any, now: Any) -> Any:
    """Larger of two numbers, or all elements of two lists or mappings; None adds nothing."""
    if before is None or now is None:
        return now if before is None else before
    if isinstance(now, dict):
        return before | now
    return list(dict.fromkeys([*before, *now])) if isinstance(now, list) else max(before, now)


def disagree(before: Any, now: Any) -> bool:
    """Whether two mappings, of which each may have more, say different things of one name."""
    both = isinstance(before, dict) and isinstance(now, dict)
    return both and any(before[key] != now[key] for key in before.keys() & now.keys())
