"""Ways to damage a file, and files that claim more than they hold."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np

Variant = tuple[str, bytes]

DEEP = 100_000
DOCUMENTS: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "object": b"{}",
    "number": b"3",
    "text": b'"text"',
    "no-json": b"not JSON at all",
    "0xff": b'{"kind": "compare", \xff}',
    "utf-16": '{"kind": "compare"}'.encode("utf-16"),
    "nul": b"\0" * 64,
    "deep-list": b"[" * DEEP,
    "deep-closed": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep-object": b'{"a":' * DEEP,
    "deep-below-the-parser": b'{"kind":' * 400 + b"1" + b"}" * 400,
    "long-number": b'{"kind": ' + b"9" * 10_000 + b"}",
    "infinite": b'{"kind": 1e999, "n": NaN}',
    "other-kind": b'{"kind": "nothing-of-ours"}',
    "wrong-kinds": b'{"kind": ["compare"], "about": 3, "summary": {"a": []}}',
    "surrogate": b'{"kind": "\\ud800"}',
}
"""What is found where a JSON object should be."""


def damaged(content: bytes, rng: np.random.Generator, flips: int = 3) -> Iterator[Variant]:
    """Yield a file cut, overwritten and with flipped bits."""
    yield "empty", b""
    yield "one-byte", content[:1]
    yield "half", content[: len(content) // 2]
    yield "last-byte-gone", content[:-1]
    yield "zeros", content[: len(content) // 3] + bytes(len(content) - len(content) // 3)
    yield "random", rng.bytes(min(len(content), 5000))
    yield "random-behind-the-head", content[:16] + rng.bytes(2000)
    for number in range(flips):
        yield f"flipped-{number}", flipped(content, rng)


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """A file with one to four bits turned over."""
    changed = bytearray(content)
    for place in rng.integers(0, len(changed), rng.integers(1, 5)):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def packed(kind: str, content: bytes) -> bytes:
    """Content, compressed."""
    return {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[kind](content)


@cache
def zeros(kind: str, megabytes: int) -> bytes:
    """A small file that holds so many megabytes of zeros."""
    block = bytes(1 << 20)
    out = io.BytesIO()
    with {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}[kind](out, "wb") as file:
        for _ in range(megabytes):
            file.write(block)
    return out.getvalue()


def tar(members: Mapping[str, bytes], kind: str = "") -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{kind}") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tar_that_claims(name: str, size: int) -> bytes:
    """A tar archive whose only member says that it is so large, and holds nothing."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse_tar(name: str, size: int) -> bytes:
    """A tar archive with a sparse member of so many bytes, all of them holes."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[483:495] = b"%011o\0" % size
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + bytes(1024)


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def npy(descr: str, shape: str, content: bytes = b"") -> bytes:
    """An npy file with any header."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


def png(width: int, height: int, *, real: bool = True) -> bytes:
    """A grey picture of zeros, or only what claims to be one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    pixels = zlib.compress(bytes((width + 1) * height)) if real else zlib.compress(b"")
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


class Call:
    """A pickle that calls a function when it is read."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


class Forged:
    """An array whose bytes are taken for addresses of objects, where its type is believed."""

    def __init__(self, flags: int) -> None:
        self.flags = flags

    def __reduce__(self) -> tuple[object, ...]:
        state = (3, "|", None, ("f",), {"f": (np.dtype("O"), 0)}, 8, 8, self.flags)
        return np.dtype, ("V8", False, True), state


class ForgedArray:
    """An array of forged type."""

    def __init__(self, flags: int) -> None:
        self.flags = flags

    def __reduce__(self) -> tuple[object, ...]:
        state = (1, (3,), Forged(self.flags), False, b"\x41" * 24)
        return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b"b"), state


def pickles(canary: str) -> dict[str, bytes]:
    """Pickles that run something, claim too much, or nest without end."""
    import builtins
    import os
    import subprocess

    touch = f"touch {canary}"
    made = f"open({canary!r}, 'w').close()"
    calls = {
        "system": Call(os.system, touch),
        "eval": Call(builtins.eval, made),
        "exec": Call(builtins.exec, made),
        "open": Call(builtins.open, canary, "w"),
        "popen": Call(subprocess.Popen, ["touch", canary]),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "mkdir": Call(os.mkdir, canary),
    }
    files = {
        f"calls-{name}-{protocol}": pickle.dumps({b"data": call, "perf": [call]}, protocol)
        for name, call in calls.items()
        for protocol in (0, 2, 4)
    }
    files |= {
        f"forged-type-{flags}": pickle.dumps({b"data": ForgedArray(flags), b"labels": [1, 1, 1]}, 2)
        for flags in (0, 1, 63, -1)
    }
    shell = canary.encode()
    return files | {
        "inst": b"(S'touch " + shell + b"'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\nS'touch " + shell + b"'\no.",
        "stack-global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        "dotted": b"cnumpy\nndarray.__init__.__globals__\n.",
        "persistent": b"\x80\x04P1\n.",
        "extension": b"\x80\x04\x82\x01.",
        "far-memo": b"\x80\x02Nr\x00\x00\x00\x10.",
        "farther-memo": b"\x80\x02Nr\xff\xff\xff\xff.",
        "long-bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "long-text": b"\x80\x04\x8d\x00\x00\x00\x00\x00\x01\x00\x00.",
        "long-frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
        "long-integer": b"\x8b\xff\xff\xff\x7f" + b"\xff" * 1000 + b".",
        "digits": b"I" + b"9" * 100_000 + b"\n.",
        "nested-lists": b"]" * DEEP + b"a" * (DEEP - 1) + b".",
        "nested-tuples": b"\x80\x04)" + b"\x85" * 2 * DEEP + b".",
        "nested-tuple-key": b"\x80\x04})" + b"\x85" * 2 * DEEP + b"Ns.",
        "laughs": b"\x80\x04)" + b"\x94h\x00\x86" * 40 + b".",
        "laughing-key": b"\x80\x04})" + b"".join(b"\x94h%c\x86" % k for k in range(60)) + b"Ns.",
        "laughing-list": b"\x80\x04]"
        + b"".join(b"\x94]h%ch%c\x87" % (k, k) for k in range(40))
        + b".",
        "colliding-keys": pickle.dumps(dict.fromkeys(k * (2**61 - 1) for k in range(20_000))),
        "many-dictionaries": b"(" + b"}" * 5_000_000 + b"l.",
        "own-list": b"]q\x00h\x00a.",
    }
