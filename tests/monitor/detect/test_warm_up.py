"""What is compiled before the worker joins its group."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import gc
from itertools import islice
from numba.core.dispatcher import Dispatcher
from monitor.detect.detector import Detector
from monitor.recordings.excerpt import read_excerpt
from monitor.model.model import load_model
from monitor.recordings.recording import chunks
from monitor.detect.warm_up import warm_up

def compiled():
    kernels = [each for each in gc.get_objects() if isinstance(each, Dispatcher)]
    return {(each.py_func.__module__, each.py_func.__name__): len(each.signatures) for each in kernels}

model = load_model()
warm_up(model)
before = compiled()
detector = Detector(model)
for chunk in islice(chunks(read_excerpt(), 1.0, stream="208"), 60):
    detector.process([chunk])
detector.finish("208")
after = compiled()
print(sum(after.values()), {kernel for kernel in after if after[kernel] != before.get(kernel, 0)})
"""


def test_nothing_is_left_to_compile() -> None:
    """A minute of record 208, ventricular beats and runs in it, compiles nothing that made-up ECG has not."""
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    count, late = done.stdout.strip().split(maxsplit=1)
    assert int(count) > 10
    assert late == "set()"
