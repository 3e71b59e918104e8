"""Both clients are typed, though their methods are written once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


@pytest.mark.slow
def test_a_type_checker_knows_what_each_client_returns():
    sample = Path(__file__).with_name("typed.py")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", str(sample)],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
