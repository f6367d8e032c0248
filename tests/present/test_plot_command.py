"""`kinsim plot`: figures from what is stored."""

from __future__ import annotations

from kinsim.present.cli import main


def test_plot_makes_the_same_files_from_what_is_stored(run_folder, tmp_path, capsys):
    assert main(["plot", str(run_folder), "-o", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (run_folder / "figures" / path.name).read_bytes()


def test_plot_other_figures_sizes_formats(run_folder, sweep_folder, tmp_path, capsys):
    assert main(["plot", str(run_folder.parent), "2", "shard_heat_map", "--format", "pdf", "-o", str(tmp_path)]) == 0
    assert (
        main(["plot", str(sweep_folder), "p99_vs_shards", "--size", "paper", "--format", "svg", "-o", str(tmp_path)])
        == 0
    )
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["02_iterator_age.pdf", "04_age_against_shards_paper.svg", "08_shard_heat_map.pdf"]


def test_plot_of_something_else(fails, run_folder, tmp_path):
    assert "did you mean iterator_age" in fails("plot", str(run_folder), "iteratr_age")
    assert "no such folder" in fails("plot", str(tmp_path / "gone"))
    assert "holds no result" in fails("plot", str(tmp_path))
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    assert "index.json" in fails("plot", str(tmp_path))


def test_plot_of_one_among_many(fails, work, run_folder, sweep_folder):
    assert "name one of them" in fails("plot", str(work / "out"))
