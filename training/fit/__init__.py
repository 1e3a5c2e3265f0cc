"""Recipe to networks, calibration and model folder."""
