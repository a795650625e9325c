"""``compile`` of recipes and supernets: the same training, where torch can compile."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasurge.benchmarks.supernet import Supernet, train_supernet
from nasurge.benchmarks.training import train_network
from nasurge.data.images import Images, load_images
from nasurge.data.spaces import make_space


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=64)


@pytest.fixture(scope="module", autouse=True)
def compiler(tmp_path_factory: pytest.TempPathFactory):
    """Skip where torch cannot compile: no C++ compiler, or a Python it does not know."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        # For four kernels, neither processes that compile nor precompiled headers are worth it.
        patch.setattr("torch._inductor.config.compile_threads", 1)
        patch.setattr("torch._inductor.config.cpp_cache_precompile_headers", False)
        try:
            torch.compile(torch.nn.Linear(2, 2))(torch.ones(3, 2))
        except Exception as error:  # noqa: BLE001 - whatever keeps torch from compiling
            pytest.skip(f"torch cannot compile here: {error}")
        yield
    torch.compiler.reset()


def network() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_compiled_network_trains_as_the_plain_one(few) -> None:
    settings = {"epochs": 2, "device": "cpu", "seed": 0}
    plain, compiled = network(), network()
    expected = train_network(plain, few, **settings)
    result = train_network(compiled, few, compile=True, **settings)
    assert result.curve == pytest.approx(expected.curve, abs=2)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(compiled[1].weight, plain[1].weight, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
# torch's compiler looks at the gradient of what a layer was given.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_a_compiled_supernet_trains_as_the_plain_one(few, monkeypatch) -> None:
    # Every operation is compiled by itself: C++ for all of them would take a minute, so they are
    # traced only.
    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compile_(self, backend="eager"))
    space = make_space("nb201")
    code = [0, 0, 0, 2, 0, 0]
    allowed = np.arange(5) == np.array(code)[:, None]
    found = []
    for choice in (False, True):
        supernet = Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=0)
        settings = {"epochs": 1, "batch_size": 32, "allowed": allowed, "compile": choice}
        history = train_supernet(supernet, few, **settings, seed=0, device="cpu")
        inherited = supernet.evaluate([code], few, limit=50, calibration=1)
        found.append((history.losses[0], inherited.loss[0], list(supernet.state_dict())))
    assert found[1][2] == found[0][2]
    np.testing.assert_allclose(found[1][:2], found[0][:2], rtol=1e-3)
