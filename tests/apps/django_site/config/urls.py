"""Where everything is."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.static import serve
from site_app import async_views, views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("notes/", views.notes),
    path("upload/", views.upload),
    path("stream/<int:count>/", views.stream),
    path("file/<str:name>/", views.file),
    path("visits/", views.visits),
    path("fail/", views.fail),
    path("", include(async_views)),
    re_path(r"^static/(?P<path>.*)$", serve, {"document_root": settings.STATIC_ROOT}),
]
