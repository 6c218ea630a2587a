# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx settings: make docs."""
project = "nvx"
copyright = "the nvx developers"  # pylint: disable=redefined-builtin # Sphinx's name
extensions = []
html_theme = "alabaster"
exclude_patterns = []
