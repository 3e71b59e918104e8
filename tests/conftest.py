"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# Machines differ in speed by more than any deadline would allow; pytest's own guard ends what hangs.
settings.register_profile("foedus", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("foedus")
