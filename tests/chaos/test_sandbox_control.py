"""Changes of chaos outside of a stack are undone, whatever happens meanwhile."""

import pytest

from deploy.chaos.sandbox_control import NORMAL, SandboxControl


def test_sites_and_providers_are_well_again_when_a_fault_is_over_and_when_it_fails(
    outside: SandboxControl,
) -> None:
    def modes() -> list[str]:
        return [*map(outside.site_mode_now, ("93", "91")), outside.provider_mode_now("email")]

    def fails() -> None:
        with outside.sites_in(["93", "91"], "drip"), outside.provider_in("email", "slow", seconds=2):
            assert modes() == ["drip", "drip", "slow"]
            raise TimeoutError("what a fault waits for does not come")

    with pytest.raises(TimeoutError, match="does not come"):
        fails()
    assert modes() == [NORMAL] * 3
