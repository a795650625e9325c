"""Hypothesis strategies: whole arrays of architectures and of labels."""

import numpy as np
from hypothesis import strategies as st

from nasurge.data.spaces import SPACES as NAMES
from nasurge.data.spaces import ProductSpace, make_space

SPACES = {
    **{name: space for name in NAMES if (space := make_space(name)).listed},
    "product": ProductSpace([list("abc"), ["conv", "pool"], ["-1", "1", "0.5"], ["only"]]),
}
_ALL = {name: space.all_codes() for name, space in SPACES.items()}

seeds = st.integers(0, 2**32 - 1)
space_names = st.sampled_from(sorted(SPACES))


def codes_of(name, *, min_rows=1, max_rows=12):
    """Arrays of architectures of one space, rows repeated now and then."""
    rows = st.integers(0, len(_ALL[name]) - 1)
    return st.lists(rows, min_size=min_rows, max_size=max_rows).map(
        lambda chosen: _ALL[name][np.array(chosen, dtype=np.int64)]
    )


@st.composite
def spaces_and_codes(draw, *, min_rows=1, max_rows=12):
    """A space and an array of its architectures."""
    name = draw(space_names)
    return SPACES[name], draw(codes_of(name, min_rows=min_rows, max_rows=max_rows))


@st.composite
def product_spaces(draw):
    """Spaces of strangers: one to six variables of one to five words each."""
    words = st.from_regex(r"-?[A-Za-z0-9_.]{1,6}", fullmatch=True)
    values = st.lists(words, min_size=1, max_size=5, unique=True)
    return ProductSpace(draw(st.lists(values, min_size=1, max_size=6)), name="stranger")


@st.composite
def labels(draw, n, *, ties=True, missing=False):
    """Label arrays of ``n`` architectures; many ties, and NaN where ``missing``."""
    value = st.integers(0, 4).map(float) if ties else st.floats(-1e6, 1e6)
    if missing:
        value = value | st.just(float("nan"))
    return np.array(draw(st.lists(value, min_size=n, max_size=n)))


def accel_networks(count):
    """Contents of the files of Accel-NASBench, made up, of so many networks."""
    space = make_space("mnasnet")
    rows = space.to_dicts(space.sample(count, seed=0))
    kinds = {"latency_zcu102": "latency", "throughput_a100": "throughput"}
    return [
        {
            "architecture": row,
            "metrics": {"val_top1": 60.0 + k, "val_top5": 80.0, "train_time": 1000.0 + k},
            "model_info": {"macs": 300.5, "params": 4},
            "platform_perf": {
                key: {f"{kind}_mean": 5.0 + k, f"{kind}_std": None} for key, kind in kinds.items()
            },
        }
        for k, row in enumerate(rows)
    ]
