"""The stores on AWS that both Lambdas use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from jobpipe.domain.documents.collection import ONLY_ITEMS, Registry
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.documents.dynamodb_items import DynamoDbItems
from jobpipe.stores.documents.item_transactions import ItemTable
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs

if TYPE_CHECKING:
    from jobpipe.domain.ports import CollectionStore, DocumentStore, GroupStore, ItemStore, JobStore


def _no_collections(collection: str, scope: str) -> CollectionStore:
    raise KeyError((collection, scope))


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of jobs, items and documents, and the collections of the release."""

    jobs: JobStore
    items: ItemStore
    documents: DocumentStore
    registry: Registry = field(default=ONLY_ITEMS, kw_only=True)
    open_collection: Callable[[str, str], CollectionStore] = field(default=_no_collections, kw_only=True)

    def items_of(self, collection: str, scope: str) -> ItemStore:
        """Return the store of a collection in a scope."""
        return self.items if collection == ITEMS else self.open_collection(collection, scope)


def open_stores(settings: Settings, clients: AwsClients, registry: Registry = ONLY_ITEMS) -> Stores:
    """Return the stores on the tables and the bucket that the settings name."""
    jobs = DynamoDbJobs(clients, settings.jobs_table, settings.job_retention)
    tables = (settings.collections_table, settings.lookups_table)

    def open_collection(name: str, scope: str) -> CollectionStore:
        from jobpipe.stores.documents.dynamodb_collections import DynamoDbCollection  # noqa: PLC0415  # items do not need it

        return DynamoDbCollection(clients, tables, jobs, name, scope)

    return Stores(
        jobs=jobs,
        items=DynamoDbItems(clients, settings.items_table, settings.names_table, jobs),
        documents=S3Documents(clients, settings.documents_bucket),
        registry=registry,
        open_collection=open_collection,
    )


def open_groups(settings: Settings, clients: AwsClients, stores: Stores) -> GroupStore:
    """Return the store that commits several documents together, on the same tables as `stores`."""
    from jobpipe.stores.documents.dynamodb_groups import DynamoDbGroups  # noqa: PLC0415  # the API does not need it

    def table_of(ref: ItemRef) -> ItemTable:
        return cast("ItemTable", stores.items_of(ref.collection, ref.scope))

    keys = {
        settings.jobs_table: ("job_id",),
        settings.items_table: ("item_id",),
        settings.names_table: ("name",),
        settings.collections_table: ("partition", "item_id"),
        settings.lookups_table: ("value", "entry"),
    }
    return DynamoDbGroups(clients, cast("DynamoDbJobs", stores.jobs), table_of, keys)
