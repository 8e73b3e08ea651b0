# SPDX-License-Identifier: Apache-2.0
r"""Train the lung-field network of chest-xray on real masks and phantoms, on a CPU.

    python scripts/train_chest_xray.py prepare WORK
    python scripts/train_chest_xray.py lungs WORK --fold 0 --epochs 18
    python scripts/train_chest_xray.py lungs WORK --fold 0 --epochs 10 \
        --start WORK/lungs-0-18.pt --out lungs.onnx

Needs torch and onnx (an environment of its own; ``PYTHONPATH=src``). ``WORK`` keeps what was
prepared and a checkpoint after each epoch, so a stopped training goes on. Patients of a fold
are never trained on. Phantom seeds 5000-5059 train; evaluation uses 7000 and up.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import torch
from chest_xray_data import prepare
from torch import nn
from torch.nn import functional as F

BATCH = 8


class Pair(nn.Sequential):
    """Two 3x3 convolutions with batch norm."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(
            nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True),
            nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True),
        )  # fmt: skip


class UNet(nn.Module):
    """Input (n, 1, 256, 256) 0..1; output: two lungs (n, 2, 256, 256) 0..1, embedding (n, 64).

    Works on half the resolution with 2x2 pixels as channels: it learns on one CPU core.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48, 64)) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        before = 4
        for width in widths:
            self.down.append(Pair(before, width))
            before = width
        self.up = nn.ModuleList(
            Pair(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(widths[0], 8, 3, padding=1)

    def logits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (n, 2, 128, 128) of a half-size frame and the pooled deepest layer."""
        x = F.pixel_unshuffle((x - 0.5) * 2, 2)
        kept = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        embedding = x.mean(dim=(2, 3))
        for block, skip in zip(self.up, kept[-2::-1], strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, skip], 1))
        return F.pixel_shuffle(self.last(x), 2), embedding

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return probabilities and the embedding."""
        out, embedding = self.logits(F.avg_pool2d(x, 2))
        out = F.interpolate(out, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.sigmoid(out), embedding


def augment(
    x: torch.Tensor, y: torch.Tensor, g: torch.Generator, k: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn, scale, shift, squeeze, change greys, invert, hide boxes; never mirror.

    ``k``: how much, 0..1.
    """
    n = len(x)

    def u(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(n, *shape, generator=g) * (high - low) + low

    turn, zoom = k * u(-0.3, 0.3), torch.exp(k * u(-0.3, 0.25))
    squeeze = torch.exp(k * u(-0.12, 0.12))
    cos, sin = torch.cos(turn) * zoom, torch.sin(turn) * zoom
    theta = torch.stack(
        [cos * squeeze, -sin, k * u(-0.15, 0.15), sin, cos / squeeze, k * u(-0.15, 0.15)], 1
    ).view(n, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False)
    y = F.grid_sample(y, grid, mode="nearest", align_corners=False)
    x = x.clamp(0, 1) ** torch.exp(k * u(-0.6, 0.6, 1, 1, 1))
    x = (x - 0.5) * u(0.5, 1.2, 1, 1, 1) + 0.5 + u(-0.2, 0.2, 1, 1, 1)
    low = F.interpolate(
        torch.randn(n, 1, 4, 4, generator=g) * 0.12, size=x.shape[-1], mode="bicubic"
    )
    x = x + low * (torch.rand(n, 1, 1, 1, generator=g) < 0.5)
    x = x + torch.randn(x.shape, generator=g) * u(0, 0.05, 1, 1, 1)
    for i in range(n):
        if torch.rand(1, generator=g) < 0.35 * k:
            r, c = (int(v) for v in torch.randint(0, 96, (2,), generator=g))
            h, w = (int(v) for v in torch.randint(8, 32, (2,), generator=g))
            x[i, :, r : r + h, c : c + w] = torch.rand(1, generator=g)
    inverted = torch.rand(n, 1, 1, 1, generator=g) < 0.25
    return torch.where(inverted, 1 - x, x).clamp(0, 1), y


def loss_of(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return cross entropy plus soft Dice, ignoring 2."""
    use = (y != 2).float()
    target = (y == 1).float()
    entropy = (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * use).mean()
    p = torch.sigmoid(logits) * use
    both = (p * target).sum(dim=(2, 3))
    dice = (2 * both + 1) / (p.sum(dim=(2, 3)) + (target * use).sum(dim=(2, 3)) + 1)
    return entropy + 1 - dice.mean()


def train_lungs(work: Path, fold: int, epochs: int, out: Path | None, start: Path | None) -> None:
    """Train with one fold held out, say its Dice, write ONNX.

    ``start``: a checkpoint to go on from, gently: half the augmentation, half the rate, adults
    five times.
    """
    data = np.load(work / "lungs.npz")
    x_all, y_all = data["frames"], data["masks"]
    held = data["fold"] == fold
    use = np.flatnonzero(~held)
    adult = use[data["group"][use] == "adult"]
    pool = np.concatenate([use, *[adult] * (1 if start is None else 4)])  # adults are few
    torch.manual_seed(17 + fold)
    net = UNet().to(memory_format=torch.channels_last)
    if start is not None:
        net.load_state_dict(torch.load(start)["net"])
    rate, strength = (3e-3, 1.0) if start is None else (1.5e-3, 0.5)
    steps = epochs * (len(pool) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    saved = work / f"lungs-{fold}-{epochs}{'' if start is None else '-gentle'}.pt"
    first = 0
    if saved.exists():
        state = torch.load(saved)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        plan.load_state_dict(state["plan"])
        first = state["epoch"] + 1
    for epoch in range(first, epochs):
        g = torch.Generator().manual_seed(1000 * fold + epoch)
        order = pool[torch.randperm(len(pool), generator=g).numpy()]
        net.train()
        total, begin = 0.0, time.time()
        for k in range(len(pool) // BATCH):
            index = order[k * BATCH : (k + 1) * BATCH]
            x = F.avg_pool2d(torch.from_numpy(x_all[index]).float()[:, None] / 255, 2)
            y = torch.from_numpy(y_all[index][..., ::2, ::2].copy()).float()
            x, y = augment(x, y, g, strength)
            optimiser.zero_grad()
            loss = loss_of(net.logits(x.contiguous(memory_format=torch.channels_last))[0], y)
            loss.backward()
            optimiser.step()
            plan.step()
            total += float(loss.detach())
            if k % 40 == 39:
                sys.stderr.write(f"{epoch}:{k} {total / (k + 1):.3f} {time.process_time():.0f} s\n")
        state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(),
                 "plan": plan.state_dict(), "epoch": epoch}  # fmt: skip
        torch.save(state, saved)
        mean = total / (len(pool) // BATCH)
        sys.stderr.write(
            f"fold {fold} epoch {epoch}: loss {mean:.4f}, {time.time() - begin:.0f} s\n"
        )
    told(net, x_all[held], y_all[held], data["group"][held])
    if out is not None:
        write_onnx(net, out, torch.zeros(1, 1, 256, 256), ["lungs", "embedding"])


def told(net: UNet, x: np.ndarray, y: np.ndarray, group: np.ndarray) -> None:
    """Print the Dice of both lungs together per group."""
    net.eval()
    found = []
    with torch.no_grad():
        for k in range(0, len(x), 16):
            p = net(torch.from_numpy(x[k : k + 16]).float()[:, None] / 255)[0].numpy()
            mask = p.max(axis=1) > 0.5
            truth, use = (y[k : k + 16] == 1).any(axis=1), (y[k : k + 16] != 2).all(axis=1)
            for m, t, w in zip(mask, truth, use, strict=True):
                found.append(2 * (m & t & w).sum() / ((m & w).sum() + (t & w).sum()))
    dice = np.array(found)
    for name in sorted(set(group)):
        d = dice[group == name]
        print(f"{name}: n {len(d)} median {np.median(d):.4f} mean {d.mean():.4f} min {d.min():.4f}")


def write_onnx(net: nn.Module, out: Path, example: torch.Tensor, names: list[str]) -> None:
    """Export with a free batch size."""
    net.eval()
    axes = {name: {0: "n"} for name in ["frame", *names]}
    torch.onnx.export(
        net.to(memory_format=torch.contiguous_format), (example,), str(out), dynamo=False,
        input_names=["frame"], output_names=names, dynamic_axes=axes, opset_version=17,
    )  # fmt: skip
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(out, out.stat().st_size, digest)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "lungs"])
    parser.add_argument("work", type=Path)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--start", type=Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if args.what == "prepare":
        prepare(args.work)
    else:
        train_lungs(args.work, args.fold, args.epochs, args.out, args.start)


if __name__ == "__main__":
    main()
