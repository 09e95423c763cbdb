"""The endpoints of a collection, which are served under /<name of the collection>."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobpipe.domain import etags
from jobpipe.domain.commands.command import (
    COMMON_MEMBERS,
    RESERVED_MEMBERS,
    Command,
    CreateItem,
    DeleteItem,
    MergePatch,
    RunOperation,
    SetFields,
)
from jobpipe.domain.commands.command_parsing import bind_to_collection
from jobpipe.domain.documents.collection import Collection
from jobpipe.domain.documents.item import item_json
from jobpipe.domain.errors import InvalidRequest, NotFound
from jobpipe.domain.item_reader import read_item

from ..http import request_fields
from ..http.job_responses import JSON
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from .submit_and_respond import new_item_id, submit_and_respond

if TYPE_CHECKING:
    from jobpipe.domain.ports import ItemStore


_MAX_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class CollectionEndpoints:
    """The endpoints of one collection."""

    collection: Collection

    def create(self, request: HttpRequest, services: Services) -> HttpResponse:
        """Queue the creation of a document. The response contains the document's id."""
        request_fields.refuse_preconditions(request)
        document = request_fields.json_body(request, self.collection.check_new)
        scope = self.collection.scope(request.owner)
        item_id = self.collection.derived_id(document, scope) or new_item_id()
        return self._submit(CreateItem(item_id, document), request, services)

    def put(self, request: HttpRequest, services: Services) -> HttpResponse:
        """Queue a command that sets the given fields of a document."""
        fields = request_fields.json_body(request, self.collection.check_fields)
        command = SetFields(request_fields.item_id(request), fields, request_fields.if_match(request))
        return self._submit(command, request, services)

    def patch(self, request: HttpRequest, services: Services) -> HttpResponse:
        """Queue an RFC 7396 merge patch to a document."""
        patch = request_fields.json_body(request, self.collection.check_patch, request_fields.JSON_OR_MERGE_PATCH)
        command = MergePatch(request_fields.item_id(request), patch, request_fields.if_match(request))
        return self._submit(command, request, services)

    def delete(self, request: HttpRequest, services: Services) -> HttpResponse:
        """Queue the deletion of a document."""
        command = DeleteItem(request_fields.item_id(request), request_fields.if_match(request))
        return self._submit(command, request, services)

    def run(self, request: HttpRequest, services: Services) -> HttpResponse:
        """Queue one of the collection's operations for a document. The body contains the arguments."""
        operation = request.path_parameters["operation"]
        if operation not in self.collection.operations:
            raise NotFound(
                f"The collection {self.collection.name} has no operation {operation[:_MAX_SHOWN_CHARACTERS]!r}."
            )

        def parse(members: object) -> RunOperation:
            if not isinstance(members, dict):
                raise InvalidRequest("The body of an operation must be a JSON object.")
            for name in members:
                if name in COMMON_MEMBERS:
                    detail = f"The member {name} is allowed only in raw commands (POST /jobs)."
                    raise InvalidRequest(detail, pointer=f"#/{name}")
                if name in RESERVED_MEMBERS:
                    detail = f"The value of {name} is taken from the path or a header. It must not be in the body."
                    raise InvalidRequest(detail, pointer=f"#/{name}")
            self.collection.check_members(operation, members)
            return RunOperation(
                operation=operation,
                item_id=request_fields.item_id(request),
                arguments=members,
                if_match=request_fields.if_match(request),
            )

        return self._submit(request_fields.json_body(request, parse, empty_as="{}"), request, services)

    def get(self, request: HttpRequest, services: Services) -> HttpResponse:
        """Return the latest committed version of a document."""
        item, text = read_item(
            self._items(request, services),
            services.documents,
            request_fields.item_id(request),
            title=self.collection.title,
        )
        return HttpResponse(
            200,
            item_json(item.item_id, text),
            {"Content-Type": JSON, "ETag": etags.etag(item.version)},
            {"collection": self.collection.name, "item_id": item.item_id},
        )

    def list(self, request: HttpRequest, services: Services) -> HttpResponse:
        """Return a page of documents in no particular order. The header Unreadable-Items names omitted ones."""
        from .document_lists import list_documents  # noqa: PLC0415  # most requests do not need it

        return list_documents(self.collection, request, services)

    def _items(self, request: HttpRequest, services: Services) -> ItemStore:
        return services.items_of(self.collection.name, self.collection.scope(request.owner))

    def _submit(self, command: Command, request: HttpRequest, services: Services) -> HttpResponse:
        bound = bind_to_collection(command, self.collection, request.owner)
        return submit_and_respond(bound, request, services)
