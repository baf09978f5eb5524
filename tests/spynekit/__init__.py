"""Tests of the kit. Spyne imports cleanly in every module here because the kit is imported first."""

import gateway.spynekit  # noqa: F401  (for its effect)
