"""The Content-Security-Policy of the admin: what a page may load and run, should hostile text ever get into one."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

# The admin's theme sets inline styles, and its Alpine.js evaluates the expressions that stand in attributes: hence
# 'unsafe-inline' for styles and 'unsafe-eval'. Inline scripts, and scripts from elsewhere, stay forbidden.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(reverse("admin:index")):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
