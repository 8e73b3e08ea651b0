# SPDX-License-Identifier: Apache-2.0
"""Acts of the log in words: each that the code records has them, in both languages."""

import re
from pathlib import Path

import httpx
import pytest

import healthvision
from healthvision.domains.audit.acts import ACTS, AREAS, act
from healthvision.kernel.security import Actor
from tests.domains.audit.recorded import Source
from tests.support.auth import TableAuthenticator

SOURCE = Path(healthvision.__file__).parent
CHINESE = re.compile(r"[\u3400-\u9fff]")


@pytest.fixture(scope="module")
def recorded() -> dict[str, str]:
    """Every act that the source records, with one place that does it."""
    source = Source()
    for floor in ("domains", "interfaces", "plugins", "app"):
        for file in sorted((SOURCE / floor).rglob("*.py")):
            source.add(file)
    return source.acts()


class TestActs:
    def test_every_act_that_is_recorded_has_words(self, recorded: dict[str, str]) -> None:
        assert len(recorded) > 150
        assert {name: place for name, place in recorded.items() if name not in ACTS} == {}

    def test_every_act_with_words_is_recorded_somewhere(self, recorded: dict[str, str]) -> None:
        assert set(ACTS) - set(recorded) == set()

    def test_words_are_of_their_language_and_tell_acts_apart(self) -> None:
        texts = [*ACTS.values(), *AREAS.values()]
        assert [t for t in texts if CHINESE.search(t.en) or not CHINESE.search(t.zh)] == []
        assert {name.split(".")[0] for name in ACTS} == set(AREAS)
        for words in ([t.zh for t in ACTS.values()], [t.en for t in ACTS.values()]):
            assert sorted({w for w in words if words.count(w) > 1}) == []

    def test_a_run_of_reads_is_the_same_act_and_an_unknown_one_keeps_its_code(self) -> None:
        assert act("archive.pixels_read_total") == ACTS["archive.pixels_read"]
        assert act("bookmarks.bookmark_added").en == "bookmarks.bookmark_added"


class TestListActions:
    async def test_gives_words_by_what_the_filter_takes(self, client: httpx.AsyncClient) -> None:
        listed = (await client.get("/v1/audit/actions")).json()
        words = {entry["action"]: entry["words"] for entry in listed}
        assert list(words) == sorted(words)
        assert words["archive.*"] == {"zh": "影像存档", "en": "Archive"}
        assert words["archive.study_read"] == {"zh": "查看检查", "en": "looked at the study"}
        for action in ("archive.*", "archive.study_read"):
            answer = await client.get("/v1/audit/events", params={"action": action})
            assert answer.status_code == 200

    async def test_needs_the_right_to_read_the_log(
        self, client: httpx.AsyncClient, actor: Actor, authenticator: TableAuthenticator
    ) -> None:
        authenticator.actors["weak"] = Actor(actor.org_id, "weak", "user", frozenset({"a:read"}))
        answer = await client.get("/v1/audit/actions", headers={"x-test-actor": "weak"})
        assert answer.status_code == 403
