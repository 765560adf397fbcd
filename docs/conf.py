"""Settings of the docs site. Built by docs/build_site.py, which copies docs/ beside links to the rest of the tree."""

import os

project = "libgrpo"
author = "the libgrpo authors"
copyright = "the libgrpo authors, MIT licence"
release = os.environ.get("LIBGRPO_VERSION", "")
version = release

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["api/*.md"]
nitpicky = True

# Headings can be linked to, as on the pages of a forge. Code without a language is what people type or see.
myst_heading_anchors = 3
highlight_language = "none"

html_theme = "furo"
html_title = f"libgrpo {release}".strip()
html_show_sphinx = False
html_copy_source = False
