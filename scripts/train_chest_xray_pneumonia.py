# SPDX-License-Identifier: Apache-2.0
r"""Train the children's pneumonia classifier of chest-xray on lungs laid flat, on a CPU.

    python scripts/reference_chest_xray_pneumonia.py prepare WORK   (the project's environment)
    python scripts/train_chest_xray_pneumonia.py fold WORK --fold 0     (and 1, 2, 3, 4)
    python scripts/train_chest_xray_pneumonia.py export WORK            (then reference_... learn)

Needs torch and onnx (an environment of its own; ``PYTHONPATH=src``). The network of fold k never
sees the patients of fold k. ``WORK`` keeps a checkpoint after each epoch: a stopped one goes on.
Nothing is chosen on the held-out fold: the number of epochs is fixed, the last one is taken.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

EPOCHS, BATCH, RATE = 8, 32, 4e-3
FOLDS = 5
SHIPPED = "src/healthvision/plugins/applications/chest_xray/pneumonia.onnx"
OTHERS = "scripts/chest_xray_folds.onnx"


class Step(nn.Sequential):
    """A 3x3 convolution with batch norm."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(
            nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)
        )


class Evidence(nn.Module):
    """Input: sheets (n, 2, 96, 64). Output: logit (n), evidence (n, 2, 12, 8), features (n, 48).

    Each lung goes through the same network, which is also told side and place. The logit is the
    mean of the evidence of all places: what each place adds can be read off.
    """

    def __init__(self, widths: tuple[int, int, int] = (20, 32, 48)) -> None:
        super().__init__()
        a, b, c = widths
        self.first, self.second = Step(4 + 3, a), Step(a, b)
        self.third, self.fourth = Step(b, c), Step(c, c)
        self.last = nn.Conv2d(c, 1, 1)
        down, across = torch.meshgrid(
            torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 32), indexing="ij"
        )
        place = torch.stack([down, across])[None].expand(2, -1, -1, -1)
        side = torch.tensor([-1.0, 1.0])[:, None, None, None].expand(-1, 1, 48, 32)
        self.register_buffer("place", torch.cat([place, side], 1), persistent=False)

    def forward(self, sheets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logit, evidence and features."""
        n = sheets.shape[0]
        x = F.pixel_unshuffle((sheets.reshape(-1, 1, 96, 64) - 0.5) * 2, 2)
        x = torch.cat([x, self.place.repeat(n, 1, 1, 1)], 1)
        x = F.max_pool2d(self.first(x), 2)
        x = F.max_pool2d(self.second(x), 2)
        x = self.fourth(self.third(x))
        features = x.mean(dim=(2, 3)).reshape(n, 2, -1).mean(dim=1)
        evidence = self.last(F.dropout(x, 0.2, self.training)).reshape(n, 2, 12, 8)
        return evidence.mean(dim=(1, 2, 3)), evidence, features


def augment(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Shift and scale the lungs on the sheet, change greys, blur, add noise; never swap sides."""
    n = len(x)

    def u(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(n, *shape, generator=g) * (high - low) + low

    zero = torch.zeros(n)
    theta = torch.stack(
        [u(0.88, 1.08), u(-0.06, 0.06), u(-0.07, 0.07),
         u(-0.06, 0.06), u(0.88, 1.08), u(-0.07, 0.07)], 1
    ).view(n, 2, 3) + zero[:, None, None]  # fmt: skip
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    x = x * u(0.8, 1.25, 1, 1, 1) + u(-0.15, 0.15, 1, 1, 1)
    bent = (x.clamp(-0.5, 1.5) + 0.5) / 2
    x = bent ** torch.exp(u(-0.35, 0.35, 1, 1, 1)) * 2 - 0.5
    wave = torch.randn(n, 2, 3, 3, generator=g) * 0.08
    x = x + F.interpolate(wave, size=x.shape[-2:], mode="bilinear")
    soft = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    keep = u(0, 1, 1, 1, 1) * (torch.rand(n, 1, 1, 1, generator=g) < 0.5)
    x = x + (soft - x) * keep
    return x + torch.randn(x.shape, generator=g) * u(0, 0.05, 1, 1, 1)


def train(work: Path, fold: int, epochs: int) -> None:
    """Train with one fold held out; keep its logits on that fold for a look."""
    data = np.load(work / "sheets.npz")
    use = data["usable"] & np.isin(data["group"], ["child", "child-original"])
    truth = (data["label"] == "PNEUMONIA").astype(np.float32)
    pool = np.flatnonzero(use & (data["fold"] != fold))
    torch.manual_seed(23 + fold)
    net = Evidence().to(memory_format=torch.channels_last)
    steps = epochs * (len(pool) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=2e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    saved = work / f"pneumonia-{fold}.pt"
    first = 0
    if saved.exists():
        state = torch.load(saved)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        plan.load_state_dict(state["plan"])
        first = state["epoch"] + 1
    sheets = data["sheets"]
    for epoch in range(first, epochs):
        g = torch.Generator().manual_seed(1000 * fold + epoch)
        order = pool[torch.randperm(len(pool), generator=g).numpy()]
        net.train()
        total, begin = 0.0, time.process_time()
        for k in range(len(pool) // BATCH):
            index = order[k * BATCH : (k + 1) * BATCH]
            x = augment(torch.from_numpy(sheets[index].astype(np.float32)), g)
            y = torch.from_numpy(truth[index]) * 0.96 + 0.02
            optimiser.zero_grad()
            loss = F.binary_cross_entropy_with_logits(net(x)[0], y)
            loss.backward()
            optimiser.step()
            plan.step()
            total += float(loss.detach())
        state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(),
                 "plan": plan.state_dict(), "epoch": epoch}  # fmt: skip
        torch.save(state, saved)
        mean, spent = total / (len(pool) // BATCH), time.process_time() - begin
        sys.stderr.write(f"fold {fold} epoch {epoch}: loss {mean:.4f}, {spent:.0f} s CPU\n")
    told(net, sheets, truth, np.flatnonzero(use & (data["fold"] == fold)))


def told(net: Evidence, sheets: np.ndarray, truth: np.ndarray, held: np.ndarray) -> None:
    """Print the area under the ROC on the held-out fold."""
    net.eval()
    with torch.no_grad():
        parts = [
            net(torch.from_numpy(sheets[held[k : k + 64]].astype(np.float32)))[0]
            for k in range(0, len(held), 64)
        ]
    logits = torch.cat(parts).numpy()
    a, b = logits[truth[held] == 0], logits[truth[held] == 1]
    print(f"held out: n {len(held)} AUC {(b[:, None] > a).mean():.4f}")


class Members(nn.Module):
    """Networks side by side: logits (n, m)."""

    def __init__(self, nets: list[Evidence]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, sheets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each."""
        return torch.stack([net(sheets)[0] for net in self.nets], 1)


def export(work: Path) -> None:
    """Write the network of fold 0 for the package, and those of folds 1-4 to repeat the figures."""
    nets = []
    for fold in range(FOLDS):
        net = Evidence()
        net.load_state_dict(torch.load(work / f"pneumonia-{fold}.pt")["net"])
        nets.append(net.eval())
    write(nets[0], Path(SHIPPED), ["logit", "evidence", "features"])
    write(Members(nets[1:]).eval(), Path(OTHERS), ["logits"])


def write(net: nn.Module, out: Path, names: list[str]) -> None:
    """Export with a free batch size."""
    axes = {name: {0: "n"} for name in ["sheets", *names]}
    torch.onnx.export(
        net, (torch.zeros(2, 2, 96, 64),), str(out), dynamo=False,
        input_names=["sheets"], output_names=names, dynamic_axes=axes, opset_version=17,
    )  # fmt: skip
    print(out, out.stat().st_size, hashlib.sha256(out.read_bytes()).hexdigest())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fold", "export"])
    parser.add_argument("work", type=Path)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "fold":
        train(args.work, args.fold, args.epochs)
    else:
        export(args.work)


if __name__ == "__main__":
    main()
