"""A middleware for both of Django's interfaces."""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def passing(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Says in the answer that it has passed."""
    if iscoroutinefunction(get_response):

        async def pass_async(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = await get_response(request)
            response.headers["x-middleware"] = "passed"
            return response

        return pass_async

    def pass_on(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        response.headers["x-middleware"] = "passed"
        return response

    return pass_on
