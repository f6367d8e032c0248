"""The page on metrics says what the program says."""

import runpy


def test_the_page_is_what_its_script_makes(repository):
    page = runpy.run_path(str(repository / "docs" / "make_metrics.py"))["page"]()
    assert (repository / "docs" / "metrics.md").read_text(encoding="utf-8") == page
