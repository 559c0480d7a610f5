"""`search.run --dry-run`: the study as it would run, and nothing done."""

from pathlib import Path

from tests.search.commands_run import run_here, tree

MINIMAL = """
name = "mine"
[data]
name = "digits"
image_size = 16
train_limit = 100
[teacher]
architecture = "cifar_resnet20"
[teacher.training]
epochs = 2
learning_rate = 0.01
[space.network]
architecture = "cifar_resnet20"
[space.distill]
epochs = [2, 4]
"""


def lines_of(output: str) -> dict[str, str]:
    """Return the rest of every line by its first word."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in output.splitlines() if line}


def test_a_dry_run_says_every_setting_with_its_domain_and_origin_and_writes_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.toml").write_text(MINIMAL)
    before = tree(tmp_path)
    changed = ("--set", "space.adapt.rank=[0,4]", "--trials", 12)
    done = run_here("run", "--study", "mine.toml", "--dry-run", *changed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = lines_of(done.stdout)
    assert said["space.distill.epochs"] == "2, 4 file"
    assert said["space.distill.alpha"] == "0 to 1 in steps of 0.1 default"
    assert said["space.network.image_size"] == "16 default"
    assert said["space.adapt.rank"] == "0, 4 --set"
    assert not any(key.startswith("space.distill.dkd") for key in said)
    assert said["trials"] == "12 --set"
    assert said["teacher.training.epochs"] == "2 file"
    assert "teacher → distill → adapt → quantize" in done.stdout
    # 4 widths x (1 + 10 alphas x 10 temperatures) x 2 epochs x 4 rates, and as many adapters as
    # 1 + 1 rank x 3 alphas x 2 dropouts x 4 targets x 3 rates.
    assert f"{4 * 101 * 2 * 4 * 73:,} students on 4 networks" in done.stdout
    assert "all 12 trials to their ends about" in done.stdout
    assert tree(tmp_path) == before


def test_what_a_search_would_refuse_a_dry_run_refuses(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINIMAL + 'methd = "logit"\n')
    done = run_here("run", "--study", "mine.toml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    assert "space.distill.methd: unknown key: known are method, alpha" in done.stderr
