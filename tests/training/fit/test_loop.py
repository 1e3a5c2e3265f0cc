"""The training loop: the same result every time, also after a kill."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.autoencoders.registry import build
from tests.support.normals import KilledError, pickles
from training.fit import loop as fitting
from training.fit.loop import (
    EpochRecord,
    FitResult,
    FitSettings,
    device,
    evaluate_loss,
    fit,
    settings_from,
    to_device,
)
from training.fit.objectives.examples import OBJECTIVES, Examples, Objective
from training.fit.objectives.settings import objective_settings
from training.fit.pretraining import PretrainingSettings

_SETTINGS = FitSettings(epochs=6, batch=16, patience=6, seed=1)
_OBJECTIVE = OBJECTIVES["population"]


def _examples(count: int = 70, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    phase = 6.28 * torch.rand(count, 1, generator=generator)
    return Examples(Inputs(torch.sin(torch.arange(32) / 5 + phase)))


def _network(seed: int = 7) -> EncoderDecoder:
    torch.manual_seed(seed)
    return build("lstm", {"steps": 4, "hidden": 8, "latent": 4, "position": 4})


@dataclass
class _Run:
    """A training run in a folder, and what came of it."""

    folder: Path
    settings: FitSettings = _SETTINGS
    objective: Objective = _OBJECTIVE
    held_out: Examples | None = field(default_factory=lambda: _examples(40, seed=9))
    stop_after: int | None = None
    net: EncoderDecoder = field(default_factory=_network)
    seen: list[int] = field(default_factory=list)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "training" / "net.safetensors"

    def run(self, killed_after: int | None = None) -> FitResult:
        """Train; raises KilledError after an epoch if that is asked for."""

        def on_epoch(record: EpochRecord) -> None:
            self.seen.append(record.epoch)
            if record.epoch == killed_after:
                raise KilledError

        torch.set_num_threads(1)  # a sum's rounding depends on how many share it
        return fit(
            self.net,
            self.objective,
            _examples(),
            self.held_out,
            self.settings,
            self.checkpoint,
            on_epoch,
            self.stop_after,
        )


def _equal(one: EncoderDecoder, other: EncoderDecoder) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _tensors(path: Path, prefix: str) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118


def _scripted(held_out: list[float]) -> Objective:
    """The plain objective, but for its held-out losses."""
    left = iter(held_out)

    def loss(net: EncoderDecoder, batch: Examples, generator: torch.Generator | None) -> Tensor:
        return torch.tensor(next(left)) if generator is None else _OBJECTIVE.loss(net, batch, generator)

    return Objective(_OBJECTIVE.examples, loss)


def test_same_seed_same_network(tmp_path: Path) -> None:
    """Twice the same weights and history, bit for bit; another seed gives others."""
    settings = FitSettings(epochs=6, batch=16, patience=6, seed=2)
    runs = [_Run(tmp_path / "a"), _Run(tmp_path / "b"), _Run(tmp_path / "c", settings)]
    histories = [each.run().history for each in runs]
    assert _equal(runs[0].net, runs[1].net)
    assert histories[0] == histories[1] != histories[2]
    assert not _equal(runs[0].net, runs[2].net)


def test_training_learns(tmp_path: Path) -> None:
    """Both losses fall."""
    history = _Run(tmp_path, FitSettings(epochs=20, batch=16, learning_rate=0.02)).run().history
    assert history[-1].train < history[0].train - 0.5
    assert history[-1].held_out < history[0].held_out - 0.5


@pytest.mark.parametrize("epoch", range(1, 7))
def test_a_killed_run_continues_as_if_nothing_was(tmp_path: Path, epoch: int) -> None:
    """Broken off after any epoch and begun again, training ends in the same weights and history."""
    whole, broken = _Run(tmp_path / "whole"), _Run(tmp_path / "broken")
    expected = whole.run()
    with pytest.raises(KilledError):
        broken.run(killed_after=epoch)
    resumed = _Run(tmp_path / "broken", net=_network(seed=8))
    assert resumed.run() == expected
    assert resumed.seen == list(range(epoch + 1, 7))
    assert _equal(resumed.net, whole.net)


_KILLED = """
import sys, torch
from pathlib import Path
from typing import Any
from tests.training.fit.test_loop import _Run
run = _Run(Path(sys.argv[1]))
run.seen = type("Told", (list,), {"append": lambda self, epoch: print(epoch, flush=True)})()
run.run()
"""


def test_a_run_killed_for_real_continues(tmp_path: Path) -> None:
    """SIGKILL at an arbitrary moment after the second epoch: the rest gives the undisturbed result."""
    command = [sys.executable, "-W", "error", "-c", _KILLED, str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert [child.stdout.readline(), child.stdout.readline()] == ["1\n", "2\n"]
        child.kill()  # SIGKILL
    assert child.returncode == -signal.SIGKILL
    whole, resumed = _Run(tmp_path / "whole"), _Run(tmp_path / "killed")
    assert resumed.run() == whole.run()
    assert 0 < len(resumed.seen) <= 4
    assert _equal(resumed.net, whole.net)


def test_half_a_checkpoint_is_never_read(tmp_path: Path) -> None:
    """What a kill left of a checkpoint being written does no harm."""
    whole, torn = _Run(tmp_path / "whole"), _Run(tmp_path / "torn")
    torn.checkpoint.parent.mkdir(parents=True)
    torn.checkpoint.with_suffix(".partial").write_bytes(b"half")
    assert torn.run() == whole.run()
    assert _equal(torn.net, whole.net)
    assert [path.name for path in torn.checkpoint.parent.iterdir()] == ["net.safetensors"]


def test_early_stopping_restores_the_best_epoch(tmp_path: Path) -> None:
    """Training ends `patience` epochs after the best held-out loss, with the weights of that epoch."""
    settings = FitSettings(epochs=9, batch=16, patience=3)
    stopped = _Run(tmp_path / "a", settings, _scripted([3.0, 2.0, 2.5, 2.0, 2.2, 0.0]))
    result = stopped.run()
    assert (len(result.history), result.best_epoch, result.best_loss) == (5, 2, 2.0)
    two = _Run(tmp_path / "b", settings, held_out=None, stop_after=2)
    two.run()
    assert _equal(stopped.net, two.net)


def test_a_stopped_run_stays_stopped(tmp_path: Path) -> None:
    """Begun again after early stopping, it trains no more and gives the same result."""
    settings = FitSettings(epochs=9, batch=16, patience=2)
    first, again = (_Run(tmp_path, settings, _scripted([1.0, 2.0, 2.0, 0.0])) for _ in range(2))
    assert first.run() == again.run()
    assert (first.seen, again.seen) == ([1, 2, 3], [])
    assert _equal(first.net, again.net)


def test_a_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    """An epoch whose held-out loss is NaN is not taken for better."""
    settings = FitSettings(epochs=3, batch=16)
    assert _Run(tmp_path, settings, _scripted([2.0, math.nan, 3.0])).run().best_epoch == 1


def test_held_out_patients_never_steer_the_weights(tmp_path: Path) -> None:
    """Whoever is held out, or nobody: after the last epoch the weights in training are the same."""
    held = [_examples(40, seed=9), Examples(Inputs(torch.full((5, 32), 3.0))), None]
    runs = [_Run(tmp_path / str(i), held_out=each) for i, each in enumerate(held)]
    histories = [each.run().history for each in runs]
    assert histories[0][-1].held_out != histories[1][-1].held_out
    assert math.isnan(histories[2][-1].held_out)
    first, *others = [_tensors(each.checkpoint, "net.") for each in runs]
    assert all(torch.equal(first[key], other[key]) for other in others for key in first)


def test_training_stops_after_the_epochs_asked_for(tmp_path: Path) -> None:
    """With nobody held out the last epoch's weights stay, on the learning rates of the full length."""
    short = _Run(tmp_path, held_out=None, stop_after=2)
    result = short.run()
    assert (len(result.history), result.best_epoch) == (2, 2)
    last = _tensors(short.checkpoint, "net.")
    assert all(torch.equal(last[f"net.{key}"], value) for key, value in short.net.state_dict().items())
    assert not short.net.training


def test_an_epoch_may_take_a_part_of_the_examples(tmp_path: Path) -> None:
    """`examples_per_epoch` limits the batches, and each epoch takes others."""
    batches: list[Tensor] = []

    def loss(net: EncoderDecoder, batch: Examples, generator: torch.Generator | None) -> Tensor:
        batches.append(batch.inputs.window)
        return _OBJECTIVE.loss(net, batch, generator)

    settings = FitSettings(epochs=2, batch=16, examples_per_epoch=32)
    _Run(tmp_path, settings, Objective(_OBJECTIVE.examples, loss), held_out=None).run()
    assert [len(batch) for batch in batches] == [16] * 4
    assert not torch.equal(torch.cat(batches[:2]).sort(dim=0)[0], torch.cat(batches[2:]).sort(dim=0)[0])


def test_few_examples_make_one_batch(tmp_path: Path) -> None:
    """Fewer examples than a batch holds are still trained on."""
    run = _Run(tmp_path, FitSettings(epochs=2, batch=500), held_out=None)
    assert math.isfinite(run.run().history[-1].train)
    assert not _equal(run.net, _network())


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    """No examples would make weights that are no numbers."""
    none = Examples(Inputs(torch.zeros(0, 32)))
    with pytest.raises(ValueError, match="got 70 and 0"):
        _Run(tmp_path, held_out=none).run()
    with pytest.raises(ValueError, match="got 0 and None"):
        fit(_network(), _OBJECTIVE, none, None, _SETTINGS, tmp_path / "x", lambda record: None)


def test_checkpoints_are_no_pickles(tmp_path: Path) -> None:
    """A checkpoint is a safetensors file of weights, best weights, optimizer state and history."""
    run = _Run(tmp_path)
    result = run.run()
    assert pickles(tmp_path) == []
    for prefix in ("net.", "best.", "optimizer."):
        assert _tensors(run.checkpoint, prefix)
    with safe_open(run.checkpoint, "pt") as file:
        facts = json.loads(file.metadata()["fit"])
    assert [EpochRecord(**epoch) for epoch in facts["history"]] == result.history


@pytest.mark.parametrize("change", [{"epochs": 0}, {"batch": 0}, {"patience": 0}, {"learning_rate": 0.0}])
def test_settings_that_cannot_train_are_refused(change: dict[str, Any]) -> None:
    """The error tells what is needed."""
    with pytest.raises(ValueError, match="need epochs, batch, patience >= 1"):
        FitSettings(**change)


def test_settings_come_back_from_a_manifest() -> None:
    """As they were, those of the objective and of pre-training among them; others are refused."""
    settings = FitSettings(
        epochs=3, objective=objective_settings("sparse", "mae"), pretraining=PretrainingSettings(kind="rbm")
    )
    plain = json.loads(json.dumps(asdict(settings)))
    assert settings_from(plain) == settings
    assert settings_from({"epochs": 3}) == FitSettings(epochs=3)
    with pytest.raises(ValueError, match="l1"):
        settings_from({"objective": {"sparse": {"penalty": "l2"}}})


def test_held_out_loss_counts_every_example_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluated in chunks of any size, the loss is the mean over examples."""
    whole = evaluate_loss(_network(), _OBJECTIVE, _examples(), torch.device("cpu"))
    monkeypatch.setattr(fitting, "CHUNK", 9)
    assert evaluate_loss(_network(), _OBJECTIVE, _examples(), torch.device("cpu")) == pytest.approx(
        whole, rel=1e-5
    )


def test_trains_on_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor otherwise."""
    for there, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device().type == kind


def test_all_parts_of_examples_move() -> None:
    """Every tensor of the contextual form's examples goes to the device, and what is absent stays so."""
    parts = [torch.zeros(2, 3) for _ in range(5)]
    moved = to_device(Examples(Inputs(*parts), torch.zeros(2)), torch.device("meta"))
    tensors = (getattr(moved.inputs, name) for name in ("window", "lengths", "usual", "past", "log_scale"))
    assert all(tensor.is_meta for tensor in (*tensors, moved.log_ratio) if tensor is not None)
    assert to_device(_examples(), torch.device("meta")).log_ratio is None
