"""`squeezenas predict`: label maps and pictures of images, folders and videos.

The network is what takes time: images are read, and results written, by threads beside it.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from squeezenas.cli.results import Results, VideoResults
from squeezenas.cli.sources import VIDEOS, Item, Unread, Video, batches, find_images, read_ahead
from squeezenas.cli.trained import trained_network
from squeezenas.core.predict_config import PredictConfig
from squeezenas.data.decode import Pixels
from squeezenas.runtimes.runtime import Array, Run, compile, usable
from squeezenas.zoo.deployed import Deployed
from squeezenas.zoo.graph import TRACED, Graph

READERS, WRITERS = 2, 2
UNREAD = 1  # exit code: something was left out
SHOWN = 20  # files named at the end
ANY: tuple[int, ...] = ()

Write = Callable[[str, Pixels, Pixels], None]


def main(config: PredictConfig, folder: Path) -> int:
    """Predicts; 0, or 1 if something could not be read and the rest is done.

    Args:
        config: the resolved configuration.
        folder: where the weights of the model card are.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
    """
    usable(config.backend, "fp32" if config.precision == "auto" else config.precision)
    if config.threads:
        torch.set_num_threads(config.threads)
    cv2.setNumThreads(1)  # it would take the network's cores
    path = Path(config.input)
    video = Video(path) if path.suffix.lower() in VIDEOS and path.is_file() else None
    files = {} if video else find_images(config.input)
    run = _network(config, folder)
    results = Results(config)
    unread: list[str] = []
    with ThreadPoolExecutor(READERS) as readers:
        if video is None:
            items = read_ahead(files, readers, READERS + config.batch)
            done = _predict(items, run, results.write, config, len(files), WRITERS, unread)
        else:
            pictures = VideoResults(results, path.stem, video.rate)
            try:
                items = video.items(readers)
                done = _predict(items, run, pictures.write, config, video.count, 1, unread)
            except BaseException:
                pictures.close(keep=False)
                raise
            pictures.close()
    print(f"{done} {'frames' if video else 'images'} predicted; results are in {config.output}")
    for reason in unread[:SHOWN]:
        print(f"squeezenas: left out: {reason}", file=sys.stderr)
    if len(unread) > SHOWN:
        print(f"squeezenas: left out: {len(unread) - SHOWN} more", file=sys.stderr)
    return UNREAD if unread else 0


def _predict(
    items: Iterator[Item | Unread],
    run: Run,
    write: Write,
    config: PredictConfig,
    total: int,
    writers: int,
    unread: list[str],
) -> int:
    """Runs the network over all images and waits for what is written of them; their number."""
    done, waiting = 0, deque[Future[None]]()
    with (
        ThreadPoolExecutor(writers) as pool,
        tqdm(total=total, desc="predicting", unit="image", leave=False, disable=None) as bar,
    ):
        for batch in batches(items, config.batch, unread):
            # What a runtime returns may be overwritten by its next call.
            labels = run(_stacked(batch)).copy()
            for item, found in zip(batch, labels, strict=True):
                waiting.append(pool.submit(write, item.name, item.image, found))
            while len(waiting) > 2 * writers + config.batch:  # memory stays bounded
                waiting.popleft().result()
            done += len(batch)
            bar.update(len(batch))
        for future in waiting:
            future.result()
    return done


def _stacked(batch: Sequence[Item]) -> Array:
    if len(batch) == 1:
        return batch[0].image[None]
    return np.stack([item.image for item in batch])


def _network(config: PredictConfig, folder: Path) -> Run:
    """Images `(N, H, W, 3)` of any size to labels `(N, H, W)`.

    Raises:
        ValueError: a device or precision that is not there, or weights that do not fit.
    """
    card, network = config.datasets, trained_network(config.models, folder, config.weights)
    if config.backend == "torch":
        if config.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device=cuda: PyTorch sees no GPU here; use device=cpu")
        gpu = config.device != "cpu" and torch.cuda.is_available()
        device = torch.device("cuda" if gpu else "cpu")
        deployed = Deployed(network, card.mean, card.std, precision=config.precision, device=device)
        return compile("torch", deployed, torch.zeros(0, dtype=torch.uint8))
    if config.device == "cuda":
        raise ValueError(f"device=cuda: backend={config.backend} runs on the CPU; use torch")
    graph = Graph(network, card.mean, card.std).eval()
    return _of_any_size(graph, config)


def _of_any_size(graph: Graph, config: PredictConfig) -> Run:
    """A graph compiled for the first shape it meets, and for all when it meets a second."""
    precision = "fp32" if config.precision == "auto" else config.precision
    known: dict[tuple[int, ...], Run] = {}

    def run(images: Array) -> Array:
        key = images.shape if not known or images.shape in known else ANY
        if key not in known:
            shape, dynamic = (TRACED, True) if key is ANY else (images.shape, False)
            known[key] = compile(
                config.backend, graph, torch.zeros((*shape[:3], 3), dtype=torch.uint8), precision,
                config.threads, dynamic,
            )  # fmt: skip
        return known[key](images)

    return run
