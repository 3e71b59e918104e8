from pathlib import Path

from foedus.surfaces.cli.reference import reference


def test_the_page_is_current():
    page = Path(__file__).parents[3] / "docs" / "cli.md"
    assert page.read_text() == reference(), "run `python -m foedus.surfaces.cli.reference > docs/cli.md`"
