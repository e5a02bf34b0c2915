"""Change sets by REST: begin, fill, review, publish, revert."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.curation import effects
from kb.curation.verbs import VERBS
from kb.search import EmbedderError
from taxonomy.models import ChangeItem, ChangeSet, Comment
from taxonomy.operations import Conflict, WrongState, changesets
from taxonomy.operations.actions import Action, require
from taxonomy.operations.revert import revert

from .base import Listing, only_known
from .edits import ANSWERS, DRY_RUN, ChangeOut, CountOut, asked, outcome
from .papers import SearchUnavailable
from .rows import ChangeSetRow


class CommentOut(s.ModelSerializer[Comment]):
    author = s.CharField(source="author.username", allow_null=True, default=None)
    item = s.IntegerField(source="item.position", allow_null=True, default=None)

    class Meta:
        model = Comment
        fields = ("author", "item", "text", "created_at")


class ItemOut(s.ModelSerializer[ChangeItem]):
    item = s.IntegerField(source="position")
    reverted_in = s.IntegerField(source="reverted_in_id", allow_null=True)

    class Meta:
        model = ChangeItem
        fields = ("item", "op", "kind", "key", "fields", "base_version", "changes", "reverted_in")


class ChangeSetFull(ChangeSetRow):
    """A set with its edits and what was said of them."""

    items = ItemOut(many=True)
    comments = CommentOut(many=True)

    class Meta(ChangeSetRow.Meta):
        fields = (*ChangeSetRow.Meta.fields, "items", "comments")


class SetIn(s.Serializer[Any]):
    title = s.CharField(max_length=200)
    rationale = s.CharField(required=False, allow_blank=True, default="", max_length=10_000)


class ItemIn(s.Serializer[Any]):
    """An edit for a set; ``version`` is the one that was read."""

    op = s.CharField(max_length=10)
    kind = s.CharField(max_length=20)
    key = s.CharField(required=False, allow_blank=True, default="", max_length=200)
    version = s.IntegerField(required=False, allow_null=True, default=None, min_value=1)
    given = s.DictField(required=False, default=dict)

    def get_fields(self) -> dict[str, Any]:
        """The name ``fields`` is taken by the library, so it is put in here."""
        found = super().get_fields()
        given = found.pop("given")
        given.source = "given"
        return {**found, "fields": given}


class FieldsIn(s.Serializer[Any]):
    """The fields of an edit, and the version of the row that was read."""

    version = s.IntegerField(min_value=1)
    given = s.DictField()

    def get_fields(self) -> dict[str, Any]:
        """See ItemIn."""
        found = super().get_fields()
        given = found.pop("given")
        given.source = "given"
        return {**found, "fields": given}


class TextIn(s.Serializer[Any]):
    text = s.CharField(required=False, allow_blank=True, default="", max_length=10_000)


class RevertIn(s.Serializer[Any]):
    """Why, which item (all of them if left out), and a choice for each conflict."""

    note = s.CharField(required=False, allow_blank=True, default="", max_length=2000)
    item = s.IntegerField(required=False, allow_null=True, default=None)
    choices = s.DictField(child=s.ChoiceField(choices=["back", "keep"]), required=False)


class PreviewItem(s.Serializer[Any]):
    item = s.IntegerField()
    changes = ChangeOut(many=True)
    moved_on = s.BooleanField()
    error = s.CharField(allow_null=True)
    conflict = s.DictField(allow_null=True)


class PreviewOut(s.Serializer[Any]):
    """What publishing would do at this moment."""

    clean = s.BooleanField()
    items = PreviewItem(many=True)
    counts = CountOut(many=True)


def found(pk: int) -> ChangeSet:
    """A set with what its JSON shows; raises NotFound."""
    known = ChangeSet.objects.select_related("author", "reviewer")
    row = known.prefetch_related("items", "comments__author", "comments__item").filter(pk=pk)
    if (one := row.first()) is None:
        raise NotFound(f"There is no change set {pk}.")
    return one


class ChangeSets(Listing):
    """Proposals and what became of them, newest first; POST begins one."""

    queryset = ChangeSet.objects.select_related("author", "reviewer")
    serializer_class = ChangeSetRow
    order = ("-id",)
    known = {"state", "author", "direct"}

    @extend_schema(
        parameters=[
            OpenApiParameter("state", str, enum=ChangeSet.State.values),
            OpenApiParameter("author", str, description="The name of who proposed it."),
            OpenApiParameter("direct", bool, description="Edits made at once, or proposals."),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of sets."""
        return super().get(request, *args, **kwargs)

    def filter_queryset(self, queryset: Any) -> Any:
        """Sets in a state, of an author, made at once or proposed."""
        asked_for = self.request.query_params
        if state := asked_for.get("state"):
            if state not in ChangeSet.State.values:
                known = ", ".join(ChangeSet.State.values)
                raise ValidationError({"state": [f"Not {state[:40]!r}. One of: {known}."]})
            queryset = queryset.filter(state=state)
        if author := asked_for.get("author"):
            queryset = queryset.filter(author__username=author)
        if direct := asked_for.get("direct", "").lower():
            queryset = queryset.filter(direct=direct in {"1", "true"})
        return queryset

    @extend_schema(request=SetIn, responses={201: ChangeSetFull})
    def post(self, request: Request) -> Response:
        """Begin a set."""
        body = SetIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = asked(request, lambda: changesets.draft(by=request.user, **body.validated_data))
        return Response(ChangeSetFull(found(made.pk)).data, status=201)


class ChangeSetOne(GenericAPIView[Any]):
    """One set with its edits and comments."""

    serializer_class = ChangeSetFull

    def get(self, request: Request, pk: int) -> Response:
        """The set."""
        only_known(request, set())
        return Response(ChangeSetFull(found(pk)).data)

    @extend_schema(request=SetIn, responses=ChangeSetFull)
    def put(self, request: Request, pk: int) -> Response:
        """Another title and rationale."""
        body = SetIn(data=request.data)
        body.is_valid(raise_exception=True)
        one = found(pk)
        asked(
            request,
            lambda: changesets.describe(changeset=one, by=request.user, **body.validated_data),
        )
        return Response(ChangeSetFull(found(pk)).data)


class Items(GenericAPIView[Any]):
    """The edits of a set."""

    serializer_class = ItemIn

    @extend_schema(request=ItemIn, responses={201: ItemOut})
    def post(self, request: Request, pk: int) -> Response:
        """Put an edit in, once it has been tried and found to work."""
        body = ItemIn(data=request.data)
        body.is_valid(raise_exception=True)
        one, given = found(pk), body.validated_data
        action = Action(given["op"], given["kind"], given["key"], given["given"], given["version"])
        made = asked(request, lambda: changesets.add(changeset=one, action=action, by=request.user))
        return Response(ItemOut(made).data, status=201)


class ItemOne(GenericAPIView[Any]):
    """One edit of a set."""

    serializer_class = ItemOut

    def _item(self, pk: int, position: int) -> ChangeItem:
        item = ChangeItem.objects.filter(changeset=pk, position=position).first()
        if item is None:
            raise NotFound(f"Set {pk} has no item {position}.")
        return item

    @extend_schema(
        operation_id="changesets_items_put_anew", request=FieldsIn, responses={200: ItemOut}
    )
    def put(self, request: Request, pk: int, position: int) -> Response:
        """What its author wants now, having seen the row at ``version`` (412 where it moved on)."""
        item = self._item(pk, position)
        body = FieldsIn(data=request.data)
        body.is_valid(raise_exception=True)
        fields, version = body.validated_data["given"], body.validated_data["version"]
        made = asked(
            request,
            lambda: changesets.rebase(item=item, fields=fields, by=request.user, version=version),
        )
        return Response(ItemOut(made).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int, position: int) -> Response:
        """Take it out."""
        item = self._item(pk, position)
        asked(request, lambda: changesets.drop(item=item, by=request.user))
        return Response(status=204)

    @extend_schema(
        operation_id="changesets_items_comment", request=TextIn, responses={201: CommentOut}
    )
    def post(self, request: Request, pk: int, position: int) -> Response:
        """Comment on it."""
        item, one = self._item(pk, position), found(pk)
        body = TextIn(data=request.data)
        body.is_valid(raise_exception=True)
        text = body.validated_data["text"]
        made = asked(
            request,
            lambda: changesets.comment(changeset=one, item=item, by=request.user, text=text),
        )
        return Response(CommentOut(made).data, status=201)


class Preview(GenericAPIView[Any]):
    """The whole difference of a set to what is live now."""

    serializer_class = PreviewOut

    def get(self, request: Request, pk: int) -> Response:
        """Performed and taken back."""
        only_known(request, set())
        shown = asked(request, lambda: changesets.preview(changeset=found(pk), by=request.user))
        items = [
            {
                "item": one.item.position,
                "changes": [change.to_dict() for change in one.changes],
                "moved_on": one.moved_on,
                "error": str(one.error) if one.error else None,
                "conflict": _both(one.error),
            }
            for one in shown.items
        ]
        counts = [vars(count) for count in shown.counts]
        return Response({"clean": shown.clean, "items": items, "counts": counts})


def _both(error: Any) -> dict[str, Any] | None:
    if not isinstance(error, Conflict):
        return None
    return {c.field: {"base": c.base, "theirs": c.theirs, "yours": c.yours} for c in error.fields}


class MoveOut(s.Serializer[Any]):
    """A paper's rank before and after; null is outside the first ten."""

    paper = s.CharField(source="paper.key")
    before = s.IntegerField(allow_null=True)
    after = s.IntegerField(allow_null=True)


class RankingOut(s.Serializer[Any]):
    """The neighbours of a paper (its key) or a query's answers (its id), as far as they move."""

    of = s.CharField(source="name")
    text = s.CharField(source="label")
    moves = MoveOut(many=True)


class EffectOut(s.Serializer[Any]):
    """Rankings that publishing would change, and how many were looked at."""

    neighbours = RankingOut(many=True)
    queries = RankingOut(many=True)
    papers_looked_at = s.IntegerField()
    queries_looked_at = s.IntegerField()
    queries_known = s.IntegerField()
    left_out = s.IntegerField()


class EffectOf(GenericAPIView[Any]):
    """What a set would do to search by meaning and words; nothing is written."""

    serializer_class = EffectOut

    def get(self, request: Request, pk: int) -> Response:
        """Ranked as it is and as it would be."""
        only_known(request, set())

        def work() -> effects.Effects:
            require(request.user, "propose")
            one = found(pk)
            if one.state == ChangeSet.State.PUBLISHED:
                raise WrongState("This set is live already: search shows its effect.")
            return effects.of(one, request.user)

        try:
            return Response(EffectOut(asked(request, work)).data)
        except EmbedderError as error:
            raise SearchUnavailable(str(error)) from None


class Verb(GenericAPIView[Any]):
    """Submit, take back, approve, publish, ask for changes, reject, comment."""

    serializer_class = TextIn
    verb = ""

    @extend_schema(request=TextIn, responses=ChangeSetFull)
    def post(self, request: Request, pk: int) -> Response:
        """Do it; the set as it is then."""
        body = TextIn(data=request.data)
        body.is_valid(raise_exception=True)
        one, text = found(pk), body.validated_data["text"]
        asked(request, lambda: VERBS[self.verb](one, request.user, text))
        return Response(ChangeSetFull(found(pk)).data)


class Revert(GenericAPIView[Any]):
    """Undo a published set or one item of it."""

    serializer_class = RevertIn

    @extend_schema(
        parameters=[DRY_RUN],
        request=RevertIn,
        responses={**ANSWERS, 409: OpenApiResponse(description="Later edits stand in the way.")},
    )
    def post(self, request: Request, pk: int) -> Response:
        """A new set that undoes it; 409 names each conflict, to be decided in ``choices``."""
        only_known(request, {"dry_run"})
        body = RevertIn(data=request.data)
        body.is_valid(raise_exception=True)
        one, given = found(pk), body.validated_data
        dry = request.query_params.get("dry_run", "").lower() in {"1", "true"}
        item = None
        if given["item"] is not None:
            item = ItemOne()._item(pk, given["item"])
        done = asked(
            request,
            lambda: revert(
                changeset=one,
                item=item,
                by=request.user,
                note=given["note"],
                choices=given.get("choices", {}),
                dry_run=dry,
            ),
        )
        return outcome(done, dry)
