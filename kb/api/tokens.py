"""One's own tokens by REST."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import NotAuthenticated, NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.accounts import tokens
from kb.models import ApiToken

from .base import Listing


class TokenRow(s.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ("id", "name", "start", "created_at", "expires_at", "last_used_at")


class TokenIn(s.Serializer[Any]):
    name = s.CharField(max_length=80)
    days = s.IntegerField(min_value=1, max_value=3650, required=False, allow_null=True)


class TokenMade(TokenRow):
    """With the token itself, shown this once."""

    token = s.CharField()

    class Meta(TokenRow.Meta):
        fields = (*TokenRow.Meta.fields, "token")


def owner(request: Request) -> User:
    """Who asks; raises NotAuthenticated."""
    if not request.user.is_authenticated:
        raise NotAuthenticated("Sign in, or send a token.")
    return request.user


class Tokens(Listing):
    """One's own tokens; POST makes one."""

    serializer_class = TokenRow
    queryset = ApiToken.objects.none()
    order = ("-created_at", "pk")

    def get_queryset(self) -> Any:
        """The owner's."""
        return ApiToken.objects.filter(user=owner(self.request))

    @extend_schema(request=TokenIn, responses={201: TokenMade})
    def post(self, request: Request) -> Response:
        """A new token, shown this once."""
        body = TokenIn(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            row, text = tokens.make(by=owner(request), **body.validated_data)
        except tokens.TooManyTokens as error:
            raise ValidationError({"name": [str(error)]}) from None
        return Response({**TokenRow(row).data, "token": text}, status=201)


class TokenOne(GenericAPIView[Any]):
    """One of one's own tokens."""

    serializer_class = TokenRow

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke it."""
        if not tokens.revoke(pk=pk, by=owner(request)):
            raise NotFound("You have no such token.")
        return Response(status=204)
