"""Training may multiply in bfloat16; what is measured and served never does."""

import pytest
import torch

from triage.encoder import networks
from triage.encoder.networks import Router, adapted

IDS = torch.tensor([[101, 2026, 3108, 13403, 102], [101, 5227, 1037, 2128, 102]])


@pytest.fixture(scope="module")
def router() -> Router:
    torch.manual_seed(3)
    return Router(adapted(layers=1), 11)


@pytest.mark.parametrize("able", [False, True])
def test_only_training_on_an_able_machine_uses_it(
    router: Router, monkeypatch: pytest.MonkeyPatch, *, able: bool
) -> None:
    monkeypatch.setattr(networks, "_has_bfloat16", lambda kind: able)
    seen: list[bool] = []
    hook = router.encoder.register_forward_pre_hook(
        lambda *_: seen.append(torch.is_autocast_enabled("cpu"))
    )
    for training in (True, False):
        router.train(training)
        hidden = router.encode(input_ids=IDS, attention_mask=torch.ones_like(IDS))
        assert hidden.dtype is torch.float32
    hook.remove()
    assert seen == [able, False]


def test_it_changes_the_states_little(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    def states(*, able: bool) -> torch.Tensor:
        monkeypatch.setattr(networks, "_has_bfloat16", lambda kind: able)
        router.train()
        return router.encode(input_ids=IDS, attention_mask=torch.ones_like(IDS))

    exact, rough = states(able=False), states(able=True)
    assert (exact - rough).abs().max() < 0.05 * exact.abs().max()
    rough.sum().backward()
    assert any(one.grad is not None for one in router.encoder.parameters())
