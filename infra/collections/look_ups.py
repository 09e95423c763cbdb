"""Returns the rules of look-ups that a folder of collections declares, in the form that a stage records."""

from collections.abc import Iterable

from infra.collections.folder import CollectionSource
from infra.stage.collection_rows import LookUpRules


def rules_of(source: CollectionSource) -> LookUpRules:
    """Return the rules of one collection."""
    settings = source.settings
    return LookUpRules(settings.key, settings.access, settings.unique, settings.indexes, source.types)


def declared_rules(sources: Iterable[CollectionSource]) -> dict[str, LookUpRules]:
    """Return the rules of the collections by name."""
    return {source.name: rules_of(source) for source in sources}
