"""What spoils the windows of the denoising objective."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support.small_nets import waves
from training.fit.objectives.corruption import DenoisingSettings, add_noise, corrupt

_WINDOW = waves(200, samples=64).inputs.window
_NOISE = torch.sin(torch.arange(500) / 7) + 3.0


def _snr_db(clean: Tensor, noisy: Tensor) -> Tensor:
    return 10 * torch.log10(clean.var(dim=1) / (noisy - clean).var(dim=1))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("noise", ["additive", "records"])
def test_noise_comes_at_the_ratios_asked_for(noise: str) -> None:
    """Between the least and the most, all over the range."""
    settings = DenoisingSettings(noise=noise, least_db=3.0, most_db=9.0)
    snr_db = _snr_db(_WINDOW, corrupt(_WINDOW, settings, _generator(), _NOISE))
    assert float(snr_db.min()) >= 3 - 1e-3
    assert float(snr_db.max()) <= 9 + 1e-3
    assert float(snr_db.max() - snr_db.min()) > 5


def test_record_noise_is_cut_from_the_record() -> None:
    """Every window gets a piece of it, another one each time, without the piece's mean."""
    added = corrupt(_WINDOW, DenoisingSettings(), _generator(), _NOISE) - _WINDOW
    pieces = _NOISE.unfold(0, 64, 1)
    pieces = pieces - pieces.mean(dim=1, keepdim=True)
    likeness = torch.nn.functional.normalize(added) @ torch.nn.functional.normalize(pieces).T
    assert float(likeness.max(dim=1)[0].min()) > 0.999
    assert len(set(likeness.argmax(dim=1).tolist())) > 50


def test_masking_blanks_a_share_of_the_samples() -> None:
    """The others stay as they are."""
    window = _WINDOW + 1
    masked = corrupt(window, DenoisingSettings(noise="masking", masked=0.3), _generator())
    assert float((masked == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(masked[masked != 0], window[masked != 0])


def test_the_generator_decides() -> None:
    """The same one spoils alike, another one differently."""
    one, same, other = (corrupt(_WINDOW, DenoisingSettings(), _generator(s), _NOISE) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_is_flat_stays() -> None:
    """No noise goes on a window without power, and none comes from noise without power."""
    flat, snr_db = torch.full((2, 8), 0.5), torch.zeros(2)
    assert torch.equal(add_noise(flat, _WINDOW[:2, :8], snr_db), flat)
    assert torch.equal(add_noise(_WINDOW[:2, :8], flat, snr_db), _WINDOW[:2, :8])


@pytest.mark.parametrize(("noise", "got"), [(None, "none"), (_NOISE[:63], "63 samples")])
def test_too_little_noise_is_refused(noise: Tensor | None, got: str) -> None:
    """Records' noise must be there, and as long as a window."""
    with pytest.raises(ValueError, match=f"at least 64 samples; got {got}"):
        corrupt(_WINDOW, DenoisingSettings(), _generator(), noise)


@pytest.mark.parametrize("change", [{"noise": "hum"}, {"least_db": 20.0}, {"masked": 0.0}, {"masked": 1.0}])
def test_settings_that_spoil_nothing_are_refused(change: dict[str, float]) -> None:
    """The error tells what is needed."""
    with pytest.raises(ValueError, match="need noise of"):
        DenoisingSettings(**change)  # type: ignore[arg-type]
