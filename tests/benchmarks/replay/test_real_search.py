"""Real searches beside their replays: what they share with the table, and what they do not."""

from benchmarks.replay.real_search import with_seed
from spaces import student_key
from tests.benchmarks.tiny_table import table


def test_students_of_another_seed_are_others_and_all_else_is_the_tables():
    own = table()
    other = with_seed(own, 11)
    space = other.config.search_space()
    assert {student.seed for student in space.students()} == {11}
    assert own.config.search_space().seed == own.config.seed == 7
    assert not set(map(student_key, space.students())) & set(own.students)
    assert space.domains == own.config.search_space().domains
    assert (other.costs, other.reference) == (own.costs, own.reference)
