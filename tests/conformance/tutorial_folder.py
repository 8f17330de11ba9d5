"""Where the tutorial's programs are on this machine, or None."""

import os
import pathlib


def find():
    named = os.environ.get("LINARITE_TUTORIAL")
    if named:
        return pathlib.Path(named)
    above = pathlib.Path(__file__).resolve().parents
    return next((p / "shared" / "tutorial" for p in above if (p / "shared" / "tutorial").is_dir()), None)


TUTORIAL = find()
