"""What holds for all tests."""

from hypothesis import settings

# A busy machine, or a kernel compiled on first use, is no reason to fail a property.
settings.register_profile("finescan", deadline=None)
settings.load_profile("finescan")
