"""`ecg-monitor warm-up`: compile the signal path ahead, so that the first start is as quick as the next."""

from __future__ import annotations

from monitor.commands.scan import Model


def warm_up(*, model: Model = None) -> None:
    """Compile the signal path for this processor and keep the code where every later start finds it."""
    import time

    from monitor.detect.warm_up import warm_up as run_once
    from monitor.ecg.kernels import USE, processor
    from monitor.errors import MonitorError
    from monitor.model.model import load_model

    loaded = load_model(model)
    began = time.perf_counter()
    run_once(loaded)
    if USE.unkept:
        raise MonitorError(f"{USE.unkept} of {USE.compiled} compiled functions could not be kept")
    done = f"compiled in {time.perf_counter() - began:.0f} s" if USE.compiled else "compiled already"
    folders = ", ".join(sorted(map(str, USE.folders)))
    print(f"signal path for {processor()} {done}, kept in {folders}")
