"""Spaces whose students have their stages in different orders."""

from spaces import ORDER_KEY, SCHEMES, ChainConfig, Choice, Space, order_in_words

KINDS = ("distill", "prune", "adapt")
ORDERS = (KINDS, ("prune", "distill", "adapt"), ("distill", "adapt", "prune"))
DOMAINS = {
    "network.architecture": Choice(("resnet18",)),
    "distill.method": Choice(("none",)),
    "distill.learning_rate": Choice((0.001,)),
    "distill.pretrained": Choice(("teacher",)),
    "prune.amount": Choice((0, 0.5)),
    "prune.method": Choice(("none",)),
    "prune.learning_rate": Choice((0.001,)),
    "adapt.rank": Choice((0, 8)),
    "adapt.targets": Choice(("dense",)),
    "adapt.lora_alpha": Choice((8,)),
    "adapt.dropout": Choice((0.0,)),
    "adapt.learning_rate": Choice((0.003,)),
}
SPACE = Space(
    KINDS,
    {
        ORDER_KEY: Choice(
            ("distill > prune > adapt", "prune > distill > adapt", "distill > adapt > prune")
        ),
        **DOMAINS,
    },
    seed=1,
    several_orders=ORDERS,
)
PLAIN = Space(KINDS, DOMAINS, seed=1)


def kinds(student):
    return tuple(stage.kind for stage in student.stages)


def test_every_order_is_a_student_of_its_own_and_each_counts_once():
    students = list(SPACE.students())
    assert {kinds(student) for student in students} == {
        *ORDERS,
        ("distill",),
        ("distill", "prune"),
        ("prune", "distill"),
        ("distill", "adapt"),
    }
    assert len(students) == len(set(students)) == SPACE.size == 7
    assert PLAIN.size == len(list(PLAIN.students())) == 4
    assert ORDER_KEY in SPACE.searched
    assert ORDER_KEY not in PLAIN.keys


def test_a_student_is_made_again_from_its_settings():
    for student in SPACE.students():
        params = SPACE.params_of(ChainConfig(student, SCHEMES["fp32"]))
        assert SPACE.chain(lambda name, _, params=params: params[name]).student == student
        order = SPACE.order_of(student)
        assert params[ORDER_KEY] == order_in_words(order)
        assert kinds(student) == tuple(kind for kind in order if kind in kinds(student))


def test_what_can_be_first_begins_with_weights_and_what_is_last_decides_the_files():
    begin = {stage.kind: stage.pretrained for stage in SPACE.tried}
    assert begin == {"distill": "teacher", "prune": "teacher", "adapt": "none"}
    assert {stage.kind: stage.pretrained for stage in PLAIN.tried}["prune"] == "none"
    keys = {network.key for network in SPACE.networks}
    assert keys == {"resnet18@1", "resnet18@1-c0.5x8"}
