"""Recordings from files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfAnnotation, EdfSignal
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import RecordingError
from monitor.formats.chunks import INVALID
from monitor.recordings.files import read_recording
from monitor.recordings.recording import Recording, chunks, from_millivolts, quantise, unique_names
from monitor.recordings.wfdb_records import read_beats, wfdb_library
from tests.support.scan_fakes import fake_recording


def _write_wfdb(folder: Path, ecg_mv: np.ndarray, **changes: object) -> Path:
    leads = ecg_mv.shape[1]
    options: dict[str, object] = {
        "fs": 250,
        "units": ["mV"] * leads,
        "sig_name": [f"lead{index}" for index in range(leads)],
        "p_signal": ecg_mv,
        "fmt": ["16"] * leads,
        "adc_gain": [200.0] * leads,
        "baseline": [0] * leads,
        "write_dir": str(folder),
    }
    with wfdb_library() as wfdb:
        wfdb.wrsamp("rec", **(options | changes))
    return folder / "rec"


def _write_csv(folder: Path, text: str) -> Path:
    path = folder / "rec.csv"
    path.write_text(text, encoding="utf-8")
    return path


def _write_edf(folder: Path, *signals: EdfSignal) -> Path:
    path = folder / "rec.edf"
    Edf(list(signals)).write(path)
    return path


def test_wfdb_keeps_the_integers_of_the_adc(tmp_path: Path) -> None:
    """A sample in mV comes back exactly, with its gain."""
    ecg_mv = np.arange(-400, 600)[:, np.newaxis] / 200
    recording = read_recording(_write_wfdb(tmp_path, ecg_mv))
    assert recording.leads[0].gain == 200
    np.testing.assert_allclose(recording.ecg_mv, ecg_mv, atol=1e-6)


def test_wfdb_nan_is_invalid(tmp_path: Path) -> None:
    """A sample that a WFDB file marks as missing was not measured."""
    ecg_mv = np.ones((500, 2))
    ecg_mv[10:20, 1] = np.nan
    recording = read_recording(_write_wfdb(tmp_path, ecg_mv))
    assert not recording.valid[10:20, 1].any()
    assert recording.valid.sum() == 990


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_wfdb_record_by_any_of_its_names(tmp_path: Path, suffix: str) -> None:
    """The record's header or signal file names the record, too."""
    path = _write_wfdb(tmp_path, np.ones((500, 1)))
    assert len(read_recording(path.with_name(path.name + suffix))) == 500


def test_wfdb_leaves_out_what_is_no_voltage(tmp_path: Path) -> None:
    """A blood pressure is no lead."""
    path = _write_wfdb(tmp_path, np.ones((500, 2)), units=["mmHg", "uV"])
    recording = read_recording(path)
    assert [lead.name for lead in recording.leads] == ["lead1"]
    assert recording.ecg_mv[0, 0] == pytest.approx(1e-3)


def test_wfdb_of_24_bits_fits_a_chunk(tmp_path: Path) -> None:
    """Samples beyond int16 are brought to the finest gain that fits."""
    ecg_mv = np.linspace(-2, 2, 1000)[:, np.newaxis]
    recording = read_recording(_write_wfdb(tmp_path, ecg_mv, fmt=["24"], adc_gain=[1e6]))
    np.testing.assert_allclose(recording.ecg_mv, ecg_mv, atol=1e-3)


def test_wfdb_cut_short_is_refused(tmp_path: Path) -> None:
    """A signal file shorter than its header says is an error that names the record."""
    path = _write_wfdb(tmp_path, np.ones((500, 1)))
    path.with_suffix(".dat").write_bytes(b"\0" * 100)
    with pytest.raises(RecordingError, match=r"rec: not readable as WFDB"):
        read_recording(path)


def test_no_such_recording(tmp_path: Path) -> None:
    """A missing record is told with what was looked for."""
    with pytest.raises(RecordingError, match=r"wanted a WFDB header .*none\.hea"):
        read_recording(tmp_path / "none")


def test_beat_annotations(tmp_path: Path) -> None:
    """Only beats are read, and a record without annotations has none."""
    with wfdb_library() as wfdb:
        wfdb.wrann("rec", "atr", np.array([10, 20, 30]), ["N", "+", "V"], write_dir=str(tmp_path))
    beats = read_beats(tmp_path / "rec.hea")
    assert beats is not None
    assert beats.sample.tolist() == [10, 30]
    assert beats.symbol == ("N", "V")
    assert read_beats(tmp_path / "other") is None


def test_edf_keeps_its_scale(tmp_path: Path) -> None:
    """An EDF signal in µV is the same signal in mV."""
    ecg_uv = 1000 * np.sin(np.arange(2500) / 20)
    signal = EdfSignal(ecg_uv, 250, label="ECG II", physical_dimension="uV", physical_range=(-3000, 3000))
    recording = read_recording(_write_edf(tmp_path, signal))
    assert recording.leads[0].name == "ECG II"
    np.testing.assert_allclose(recording.ecg_mv[:, 0], ecg_uv / 1000, atol=2e-4)


def test_edf_prefers_ecg_to_other_voltages(tmp_path: Path) -> None:
    """Of a sleep recording only the ECG is read, unless another lead is asked for by name."""
    eeg = EdfSignal(np.zeros(1000), 100, label="EEG Fpz-Cz", physical_dimension="uV", physical_range=(-1, 1))
    ecg = EdfSignal(np.zeros(2500), 250, label="ECG", physical_dimension="mV", physical_range=(-1, 1))
    path = _write_edf(tmp_path, eeg, ecg)
    assert [lead.name for lead in read_recording(path).leads] == ["ECG"]
    assert read_recording(path, leads=["EEG Fpz-Cz"]).rate_hz == 100


def test_edf_leads_of_two_rates_are_refused(tmp_path: Path) -> None:
    """A chunk has one rate, so leads of two rates need a choice."""
    one = EdfSignal(np.zeros(1000), 100, label="ECG I", physical_dimension="mV", physical_range=(-1, 1))
    two = EdfSignal(np.zeros(2500), 250, label="ECG II", physical_dimension="mV", physical_range=(-1, 1))
    with pytest.raises(RecordingError, match=r"ECG I 100 Hz, ECG II 250 Hz"):
        read_recording(_write_edf(tmp_path, one, two))


def test_edf_limits_only_where_the_signal_rests_there(tmp_path: Path) -> None:
    """One sample at the limit is the range fitted to the data; two in a row are saturation."""
    ecg_mv = np.zeros(500)
    ecg_mv[100] = -1.0
    ecg_mv[200:205] = 1.0
    signal = EdfSignal(ecg_mv, 250, label="ECG", physical_dimension="mV", physical_range=(-1, 1))
    lead = read_recording(_write_edf(tmp_path, signal)).leads[0]
    assert (lead.low, lead.high) == (-32767, 32767)
    chunk = next(chunks(read_recording(tmp_path / "rec.edf"), 2.0, stream="s"))
    assert chunk.saturated[200:205].all()


def test_edf_upside_down_is_turned(tmp_path: Path) -> None:
    """A signal whose physical range runs the other way keeps its polarity in mV."""
    ecg_mv = np.linspace(-1, 2, 500)
    signal = EdfSignal(ecg_mv, 250, label="ECG", physical_dimension="mV", physical_range=(-2, 2))
    path = _write_edf(tmp_path, signal)
    content = path.read_bytes()
    low, high = slice(360, 368), slice(368, 376)  # the only signal's physical minimum and maximum
    path.write_bytes(content[:360] + content[high] + content[low] + content[376:])
    recording = read_recording(path)
    assert recording.leads[0].gain > 0
    np.testing.assert_allclose(recording.ecg_mv[:, 0], -ecg_mv, atol=1e-3)


def test_edf_without_a_range_is_refused(tmp_path: Path) -> None:
    """A physical range of nothing gives no millivolts."""
    signal = EdfSignal(np.zeros(500), 250, label="ECG", physical_dimension="mV", physical_range=(-2, 2))
    path = _write_edf(tmp_path, signal)
    content = path.read_bytes()
    path.write_bytes(content[:360] + b"2       2       " + content[376:])
    with pytest.raises(RecordingError, match="ECG ranges from 2 to 2 mV"):
        read_recording(path)


def test_edf_with_interruptions_is_refused(tmp_path: Path) -> None:
    """EDF+D would need its gaps put in place."""
    signal = EdfSignal(np.zeros(1250), 250, label="ECG", physical_dimension="mV", physical_range=(-1, 1))
    path = tmp_path / "rec.edf"
    Edf([signal], annotations=[EdfAnnotation(0, None, "begin")], data_record_duration=1).write(path)
    assert len(read_recording(path)) == 1250
    path.write_bytes(path.read_bytes().replace(b"+4\x14\x14", b"+9\x14\x14"))
    with pytest.raises(RecordingError, match=r"EDF\+D with interruptions"):
        read_recording(path)


def test_wfdb_of_several_segments(tmp_path: Path) -> None:
    """A record in pieces is read as one."""
    for name, level in (("part1", 0.5), ("part2", -0.5)):
        with wfdb_library() as wfdb:
            wfdb.wrsamp(
                name, 250, ["mV"], ["II"], np.full((500, 1), level), fmt=["16"], write_dir=str(tmp_path)
            )
    (tmp_path / "whole.hea").write_text("whole/2 1 250 1000\npart1 500\npart2 500\n")
    recording = read_recording(tmp_path / "whole")
    assert len(recording) == 1000
    np.testing.assert_allclose(recording.ecg_mv[[0, 999], 0], [0.5, -0.5], atol=1e-3)


def test_broken_annotations_are_refused(tmp_path: Path) -> None:
    """An annotation file of odd length is none."""
    (tmp_path / "rec.atr").write_bytes(b"\x01\x02\x03")
    with pytest.raises(RecordingError, match=r"rec\.atr: not readable"):
        read_beats(tmp_path / "rec")


def test_edf_that_is_none(tmp_path: Path) -> None:
    """Text with the suffix .edf is refused."""
    path = tmp_path / "rec.edf"
    path.write_text("time,II\n0,1\n")
    with pytest.raises(RecordingError, match=r"not readable as EDF"):
        read_recording(path)


def test_csv_takes_its_rate_from_the_time_column(tmp_path: Path) -> None:
    """Times in seconds say the rate and are no lead."""
    rows = "".join(f"{index / 200:.3f},{index / 1000},0.5\n" for index in range(400))
    recording = read_recording(_write_csv(tmp_path, "time,II,V5\n" + rows))
    assert recording.rate_hz == pytest.approx(200)
    assert [lead.name for lead in recording.leads] == ["II", "V5"]
    assert recording.ecg_mv[10, 0] == pytest.approx(0.01)


def test_csv_times_in_milliseconds_at_360_hz(tmp_path: Path) -> None:
    """Times rounded to 1 ms still give a whole rate and a row for each."""
    rows = "".join(f"{index / 360:.3f},0\n" for index in range(3600))
    recording = read_recording(_write_csv(tmp_path, "t,II\n" + rows))
    assert recording.rate_hz == pytest.approx(360)
    assert len(recording) == 3600


def test_csv_missing_rows_and_fields_are_invalid(tmp_path: Path) -> None:
    """What the file leaves out was not measured."""
    rows = "".join(
        f"{index / 100},{'' if index == 5 else 1}\n" for index in range(100) if not 20 <= index < 30
    )
    recording = read_recording(_write_csv(tmp_path, "time_s,II\n" + rows))
    assert len(recording) == 100
    assert np.flatnonzero(~recording.valid[:, 0]).tolist() == [5, *range(20, 30)]


def test_csv_without_times_needs_a_rate(tmp_path: Path) -> None:
    """A rate comes from --rate where there is no time column."""
    path = _write_csv(tmp_path, "II\n" + "0.1\n" * 300)
    assert read_recording(path, rate_hz=150).duration_s == pytest.approx(2.0)
    with pytest.raises(RecordingError, match=r"wanted one or --rate"):
        read_recording(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows below the header"),
        ("time,II\n\n", "no rows below the header"),
        ("1,2\n3,4\n", "wanted lead names"),
        ("time,II\n0,1\n0.01,1\n0.05,1\n0.06,1\n0.0613,1\n0.09,1\n", "not at one sampling rate"),
        ("time,II\n0,1\n0,1\n", "do not increase"),
        ("time,II\n0,x\n", "not readable as CSV"),
        ("time,II\n0,1,2\n", "3 columns, the header has 2"),
        ("time,II\n0,1\n0.02,1\n", "50 Hz, wanted 100 to 1000"),
    ],
)
def test_csv_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A CSV file that cannot be placed in time and mV says what is wrong."""
    with pytest.raises(RecordingError, match=message):
        read_recording(_write_csv(tmp_path, text))


def test_rate_is_for_csv_alone(tmp_path: Path) -> None:
    """A WFDB header's rate is not to be overruled."""
    with pytest.raises(RecordingError, match="for CSV files alone"):
        read_recording(tmp_path / "rec", rate_hz=200)


def test_unknown_lead_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    """Someone who mistypes a lead sees which there are."""
    with pytest.raises(RecordingError, match="no lead V9; it has II"):
        read_recording(_write_csv(tmp_path, "II\n0\n"), rate_hz=200, leads=["V9"])


def test_more_than_twelve_leads_need_a_choice(tmp_path: Path) -> None:
    """Fifteen leads are refused, two of them are not."""
    path = _write_csv(
        tmp_path, ",".join(f"e{index}" for index in range(15)) + "\n" + ",".join("0" * 15) + "\n"
    )
    with pytest.raises(RecordingError, match="15 leads, wanted 1 to 12"):
        read_recording(path, rate_hz=200)
    assert len(read_recording(path, rate_hz=200, leads=["e3", "e1"]).leads) == 2


@given(st.lists(st.floats(-500, 500) | st.just(float("nan")), min_size=1, max_size=50))
def test_quantised_leads_stay_within_a_step(values: list[float]) -> None:
    """Any baseline fits int16, is wrong by half a step at most, and keeps what is missing."""
    ecg_mv = np.array(values)
    lead, adc = quantise("II", ecg_mv)
    missing = np.isnan(ecg_mv)
    assert ((adc == INVALID) == missing).all()
    back = (adc[~missing].astype(float) - lead.zero) / lead.gain
    assert np.abs(back - ecg_mv[~missing]).max(initial=0) <= 0.501 / lead.gain + 1e-9


def test_repeated_names_are_numbered() -> None:
    """Two leads of one name stay two leads."""
    assert unique_names(["ECG", "ECG", "", "ECG 2"]) == ["ECG", "ECG 2", "lead 3", "ECG 2 2"]


@pytest.mark.parametrize("chunk_s", [0.1, 0.77, 3.0, 60.0])
def test_chunks_hold_every_sample_once(chunk_s: float) -> None:
    """Chunks of any length put together are the recording."""
    recording = fake_recording()
    pieces = list(chunks(recording, chunk_s, stream="s", start_us=1_000_000))
    joined = np.concatenate([piece.ecg_mv for piece in pieces])
    np.testing.assert_array_equal(joined, recording.ecg_mv)
    assert pieces[-1].first_sample + len(pieces[-1]) == len(recording)
    assert all(piece.start_us == 1_000_000 + round(piece.first_sample * 4000) for piece in pieces)


def test_an_empty_recording_is_refused() -> None:
    """There is nothing to scan in no samples."""
    with pytest.raises(RecordingError, match="no samples"):
        from_millivolts("none", 250, ["II"], np.zeros((0, 1)))


def test_a_wrong_shape_is_the_callers_mistake() -> None:
    """Two columns for one lead are a bug, not a bad file."""
    recording = fake_recording()
    with pytest.raises(ValueError, match="need adc"):
        Recording("x", 250, recording.leads, np.zeros((5, 2), np.int16))
