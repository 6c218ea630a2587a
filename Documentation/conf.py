# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx settings: make docs."""
project = "nvx and refresh"
copyright = "the nvx developers"  # pylint: disable=redefined-builtin # Sphinx's name
extensions = []
# Most blocks are commands.
highlight_language = "none"
html_theme = "alabaster"
# custom.css, which the theme loads by itself.
html_static_path = ["_static"]
exclude_patterns = []
