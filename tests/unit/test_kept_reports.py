"""Which reports a run's folder keeps."""

from pathlib import Path

from pipeline.kept_reports import MOST_KEPT, keep


def test_the_newest_is_on_top_the_earlier_ones_stay_and_no_more_than_ten(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "mine.html").write_text("a copy under a name of one's own")
    for second in range(MOST_KEPT + 3):
        path = keep(f"page {second}", tmp_path, f"2026-11-25T09:30:{second:02d}.5")
    assert path == tmp_path / "report.html" and path.read_text() == f"page {MOST_KEPT + 2}"
    kept = sorted((tmp_path / "reports").glob("2*"))
    assert [file.read_text() for file in kept] == [f"page {second}" for second in range(3, MOST_KEPT + 3)]
    assert kept[0].name == "2026-11-25T093003.5.html"
    assert (tmp_path / "reports" / "mine.html").exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "reports"]


def test_a_name_that_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    assert keep("\udcff", tmp_path, "2026-11-25T09:30:00.5").read_text() == "\\udcff"
