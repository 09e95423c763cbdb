"""The emulator of this process is empty for each file that uses it, whatever ran before."""

from __future__ import annotations

from jobpipe.domain.documents.item import Created
from tests.contract.collection_stores import document, opened
from tests.faults.schedules.injection import Injector
from tests.faults.stage.emulator import Emulator, open_emulator
from tests.faults.stage.lambdas import Lambdas
from tests.faults.stage.reindexed import fresh_stage
from tests.faults.stage.shelves import is_document
from tests.faults.stage.world import World


def used() -> Emulator:
    """Return the emulator after a test of the stores has used it."""
    emulator = open_emulator()
    with opened("aws") as shelf:
        shelf.commit(Created(document()))
    emulator.clock.sleep(1)
    assert is_used(emulator)
    return emulator


def is_used(emulator: Emulator) -> bool:
    """Return whether there are documents or jobs, or the clock has moved."""
    rows = {
        name: emulator.call("Scan", TableName=emulator.outputs[name])["Items"]
        for name in ("CollectionsTable", "JobsTable")
    }
    return any(map(is_document, rows["CollectionsTable"])) or bool(rows["JobsTable"] or emulator.clock.elapsed)


def test_the_scenarios_begin_with_an_empty_stage() -> None:
    emulator = used()
    injector = Injector(emulator)
    world = World(emulator, injector, Lambdas(emulator, injector))
    assert not is_used(emulator)
    used()
    world.begin()
    assert not is_used(emulator)


def test_the_tests_of_reindexing_begin_with_an_empty_stage() -> None:
    emulator = used()
    fresh_stage()
    assert not is_used(emulator)


def test_the_tests_of_the_stores_begin_with_an_empty_stage() -> None:
    emulator = used()
    with opened("aws"):
        assert not is_used(emulator)
