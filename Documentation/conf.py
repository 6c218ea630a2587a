# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx settings: make docs."""
project = "nvx"
copyright = "the nvx developers"
extensions = []
html_theme = "alabaster"
exclude_patterns = []
