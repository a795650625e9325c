"""What the page on models of one's own shows works word for word, in its order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pages import shown

BLOCKED = (
    "import sys; sys.modules.update(nasurge=None, my_model=None); "
    "exec(open('use.py', encoding='utf-8').read()); "
    "assert not [name for name in sys.modules if name.startswith('nasurge.')]"
)


@pytest.mark.timeout(600)
def test_the_journey_runs_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_model", raising=False)
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    try:
        _, names = shown("your-model.md")
    finally:
        sys.modules.pop("my_model", None)
    space, network, result = names["space"], names["network"], names["result"]
    assert space.n_variables == 7
    assert space.costs([names["found"].best().code])["flops"][0] <= 1
    assert names["found"].best().value > 15
    assert set(names["both"].to_frame()) >= {"accuracy", "latency", "width"}
    assert not [m for m in network.modules() if "nasurge" in type(m).__module__]
    alone = subprocess.run(
        [sys.executable, "-I", "-c", BLOCKED], capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0, alone.stderr
    assert float(alone.stdout) == pytest.approx(result.test_accuracy, abs=1e-6)
    reloaded = torch.export.load("digits.pt2").module()
    x = torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(reloaded(x), network.eval()(x))
