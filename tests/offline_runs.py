"""Files of Weights & Biases that were written offline, read back."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple


class OfflinePart(NamedTuple):
    """What a file holds of a run: its name, a mapping for each step, the number of artifacts."""

    name: str
    history: list[dict[str, Any]]
    artifacts: int


def offline_part(file: Path) -> OfflinePart:
    """Part of a run that a file is."""
    records = _records(file)
    kinds = [record.WhichOneof("record_type") for record in records]
    [name] = {r.run.display_name for r, kind in zip(records, kinds, strict=True) if kind == "run"}
    history = [
        {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in record.history.item}
        for record, kind in zip(records, kinds, strict=True)
        if kind == "history"
    ]
    return OfflinePart(name, history, kinds.count("artifact"))


def _records(file: Path) -> list[Any]:
    """Records of a run: a log in blocks of 32 KiB, as of LevelDB."""
    from wandb.proto import wandb_internal_pb2

    content, at, records, part = file.read_bytes(), 7, [], b""
    while at + 7 <= len(content):
        if 32_768 - at % 32_768 < 7:
            at += 32_768 - at % 32_768
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        part += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            records.append(record)
            part = b""
    return records
