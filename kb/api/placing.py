"""The curators' queue and visitors' suggestions, under the rules of their pages."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.accounts.throttle import address
from kb.models import Decision, Kind, Offer, VisitorNote
from kb.placing import decisions, notes
from kb.queries import papers
from taxonomy.operations import Invalid
from taxonomy.operations.actions import require

from .base import Listing, only_known
from .edits import IF_MATCH, asked, etag, expected
from .papers import whole


class OfferedRisk(s.Serializer[Any]):
    """A risk and how sure the placer is of it."""

    risk = s.SlugField()
    confidence = s.FloatField()


class Neighbour(s.Serializer[Any]):
    """A curated paper that is near, and where it stands."""

    key = s.CharField()
    title = s.CharField()
    cosine = s.FloatField()
    risks = s.ListField(child=s.SlugField())


class OfferOut(s.Serializer[Any]):
    """A paper that waits, with what is offered for it."""

    key = s.CharField(source="paper.key")
    title = s.CharField(source="paper.title")
    version = s.IntegerField(source="paper.version")
    risks = OfferedRisk(many=True)
    ticked = s.SerializerMethodField()
    kind = s.ChoiceField(choices=Kind.choices)
    neighbours = Neighbour(many=True)
    gain = s.FloatField()
    skipped = s.BooleanField()

    def get_ticked(self, offer: Offer) -> list[str]:
        """What accepting it as it is means."""
        return decisions.ticked(offer)


class ShareOut(s.Serializer[Any]):
    """A share with its 95 % interval."""

    value = s.FloatField()
    low = s.FloatField()
    high = s.FloatField()


class PrecisionOut(s.Serializer[Any]):
    """How good offers were, by what curators made of them."""

    decided = s.IntegerField()
    accepted = ShareOut(allow_null=True)
    first = ShareOut(allow_null=True)
    three = ShareOut(allow_null=True)
    kind = ShareOut(allow_null=True)


class QueueOut(s.Serializer[Any]):
    """The first of those who wait."""

    count = s.IntegerField()
    precision = PrecisionOut()
    results = OfferOut(many=True)


class DecisionIn(s.Serializer[Any]):
    """Accept (with risks and a kind), reject or skip."""

    verdict = s.ChoiceField(choices=["accept", "reject", "skip"])
    risks = s.ListField(child=s.CharField(max_length=80), required=False, default=list)
    kind = s.ChoiceField(choices=Kind.choices, required=False, default="")
    note = s.CharField(required=False, default="", allow_blank=True, max_length=2000)


class DecisionOut(s.ModelSerializer[Decision]):
    """What was written."""

    paper = s.CharField(source="paper.key")

    class Meta:
        model = Decision
        fields = ("paper", "verdict", "chosen", "kind", "changeset", "at")


class Queue(GenericAPIView[Any]):
    """Papers that nobody has placed, by what helps coverage most."""

    serializer_class = QueueOut

    @extend_schema(
        operation_id="queue_list",
        parameters=[OpenApiParameter("limit", int, description="1 to 50.")],
    )
    def get(self, request: Request) -> Response:
        """The first of them, and how good the offers have been."""
        only_known(request, {"limit"})
        asked(request, lambda: require(request.user, "edit_live"))
        found = decisions.queue(request.user).select_related("paper").defer("paper__search")
        shares = decisions.precision()
        precision = {k: v._asdict() if v and k != "decided" else v for k, v in shares.items()}
        limit = whole(request, "limit", 10, 50)
        data = {"count": found.count(), "precision": precision, "results": found[:limit]}
        return Response(QueueOut(data).data)


class QueueOne(GenericAPIView[Any]):
    """The offer for one paper, and the decision on it."""

    serializer_class = OfferOut

    @extend_schema(responses=OfferOut)
    def get(self, request: Request, key: str) -> Response:
        """The offer, with the ETag that a decision has to send."""
        only_known(request, set())
        asked(request, lambda: require(request.user, "edit_live"))
        found = decisions.queue(request.user).select_related("paper").filter(paper__key=key)
        offer = found.first()
        if offer is None:
            raise NotFound(f"No paper {key[:80]!r} waits in the queue.")
        data = OfferOut(offer).data
        return Response(data, headers={"ETag": etag(offer.paper.version, data)})

    @extend_schema(parameters=[IF_MATCH], request=DecisionIn, responses=DecisionOut)
    def post(self, request: Request, key: str) -> Response:
        """Decide; what is written can be undone through its change set."""
        only_known(request, set())
        body = DecisionIn(data=request.data)
        body.is_valid(raise_exception=True)
        paper = papers.paper(key)
        if paper is None:
            raise NotFound(f"No paper has the key {key[:80]!r}.")

        def work() -> Decision:
            require(request.user, "edit_live")
            version = expected(request, paper)
            given = dict(body.validated_data)
            return decisions.decide(paper=paper, by=request.user, version=version, **given)

        return Response(DecisionOut(asked(request, work)).data)


class Enough(APIException):
    """Too many suggestions from one sender, or from all."""

    status_code = 429

    def __init__(self, error: notes.TooMany) -> None:
        super().__init__(str(error))
        self.wait = error.minutes * 60
        self.hint = "Put what you have into one suggestion, and send it later."


class NoteIn(s.Serializer[Any]):
    """A suggestion: what it is about, and the text."""

    topic = s.ChoiceField(choices=VisitorNote.Topic.choices)
    about = s.CharField(max_length=notes.ABOUT)
    text = s.CharField(min_length=notes.SHORTEST, max_length=notes.TEXT)


class NoteOut(s.ModelSerializer[VisitorNote]):
    """What has become of a suggestion."""

    class Meta:
        model = VisitorNote
        fields = ("id", "topic", "about", "text", "state", "answer", "at", "answered_at", "version")


class NoteMade(NoteOut):
    """The same with its secret, which is shown this once."""

    secret = s.CharField()

    class Meta(NoteOut.Meta):
        fields = (*NoteOut.Meta.fields, "secret")


class NoteAnswer(s.Serializer[Any]):
    """What becomes of it, in a word and a text."""

    state = s.ChoiceField(choices=VisitorNote.State.choices)
    answer = s.CharField(required=False, default="", allow_blank=True, max_length=notes.TEXT)


class Suggestions(Listing):
    """What visitors have sent, newest first (curators); POST sends one (anybody)."""

    serializer_class = NoteOut
    queryset = VisitorNote.objects.none()
    order = ("-pk",)
    known = {"state"}

    def get_queryset(self) -> Any:
        """Those in the ``state`` asked for; all without one."""
        state = self.request.query_params.get("state", "")
        return asked(self.request, lambda: notes.listed(by=self.request.user, state=state))

    @extend_schema(request=NoteIn, responses={201: NoteMade})
    def post(self, request: Request) -> Response:
        """Keep it; the answer has the secret by which it can be followed."""
        only_known(request, set())
        body = NoteIn(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            made, secret = notes.send(**body.validated_data, address=address(request._request))
        except notes.TooMany as error:
            raise Enough(error) from None
        except Invalid as error:
            raise ValidationError(error.errors) from None
        return Response({**NoteOut(made).data, "secret": secret}, status=201)


class Followed(GenericAPIView[Any]):
    """One suggestion, by its secret."""

    serializer_class = NoteOut

    def get(self, request: Request, secret: str) -> Response:
        """What has become of it."""
        only_known(request, set())
        found = notes.followed(secret)
        if found is None:
            raise NotFound("This secret opens no suggestion.")
        return Response(NoteOut(found).data)


class Answer(GenericAPIView[Any]):
    """A curator's answer to a suggestion."""

    serializer_class = NoteAnswer

    @extend_schema(parameters=[IF_MATCH], request=NoteAnswer, responses=NoteOut)
    def post(self, request: Request, pk: int) -> Response:
        """Answer it; ``If-Match`` names the version that was read, as ``"VERSION-0"``."""
        only_known(request, set())
        body = NoteAnswer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data

        def work() -> VisitorNote:
            found = notes.listed(by=request.user).filter(pk=pk).first()
            if found is None:
                raise NotFound(f"There is no suggestion {pk}.")
            version = expected(request, found)
            state, text = given["state"], given["answer"]
            return notes.answer(pk=pk, by=request.user, state=state, text=text, version=version)

        return Response(NoteOut(asked(request, work)).data)
