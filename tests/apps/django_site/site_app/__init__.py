"""The site's one application."""
