"""Two benches that share a store: what one trained, the other only downloads."""

from pathlib import Path

from objectives.chain.workbench import Workbench
from tests.objectives.chain.machines import machines
from tests.objectives.chain.test_workbench import PLAIN, SETUP, Listener


def test_a_student_and_its_teacher_are_trained_on_one_machine_alone(tmp_path: Path) -> None:
    heard = Listener()
    with machines(tmp_path, (tmp_path / "shared").as_uri()) as (one, two, _):
        with Workbench(SETUP, tmp_path / "first", shared=one.shared) as bench:
            teacher = bench.teacher(Listener())
            student = bench.train_student(PLAIN, Listener())
        with Workbench(SETUP, tmp_path / "second", shared=two.shared) as bench:
            assert bench.teacher(heard).accuracy == teacher.accuracy
            again = bench.train_student(PLAIN, heard)
        assert again.weights.read_bytes() == student.weights.read_bytes()
    assert {reused for _, _, reused in heard.seen} == {True}
