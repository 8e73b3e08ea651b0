# SPDX-License-Identifier: Apache-2.0
"""Where the parent answers the questions of a sandboxed child (``sandbox_asking``)."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late

from healthvision.kernel.errors import Problem
from healthvision.kernel.sandbox_asking import AskLimits, BadMessage, Values, receive, send
from healthvision.kernel.telemetry import logger

Answerer = Callable[[str, Values], Values]
_log = logger("kernel.sandbox")


class Desk:
    """The parent's side: answers a child's questions in a thread of its own until it is closed.

    ``questions`` and ``answers`` are the child's ends of the pipes, to be handed to it.
    """

    def __init__(self, answerer: Answerer, limits: AskLimits) -> None:
        self._answerer, self.limits = answerer, limits
        mine_in, self.questions = os.pipe()
        self.answers, mine_out = os.pipe()
        self._in, self._out = os.fdopen(mine_in, "rb"), os.fdopen(mine_out, "wb")
        self._pool = ThreadPoolExecutor(1, "hv-answers")
        self._thread = threading.Thread(target=self._serve, name="hv-desk", daemon=True)

    def open(self) -> None:
        """Begin to listen; call it when the child has its ends, which are closed here."""
        os.close(self.questions)
        os.close(self.answers)
        self._thread.start()

    def close(self) -> None:
        """Stop: the child is gone. An answer still being made is thrown away when it comes."""
        self._thread.join(timeout=1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self) -> None:
        try:
            with self._in, self._out:
                for _ in range(self.limits.questions):
                    asked = receive(self._in, self.limits)
                    if asked is None:
                        return
                    self._reply(*asked)
        except (BadMessage, OSError) as error:
            _log.warning("questions of a sandbox refused", reason=str(error))

    def _reply(self, name: str, values: Values) -> None:
        try:
            answer = self._pool.submit(self._answerer, name, values)
            send(self._out, "answer", answer.result(self.limits.seconds), self.limits)
        except Late:
            send(self._out, "refused", {"reason": "timeout"}, self.limits)
            raise BadMessage("no answer in time") from None  # the engine still works: no more
        except Problem as problem:
            send(self._out, "refused", {"reason": problem.code}, self.limits)
        except BadMessage:
            send(self._out, "refused", {"reason": "answer-too-large"}, self.limits)
