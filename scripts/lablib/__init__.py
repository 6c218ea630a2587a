# SPDX-License-Identifier: GPL-2.0-only
"""Boot Linux with KVM in an emulated Intel machine and run tests in it."""
