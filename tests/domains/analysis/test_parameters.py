# SPDX-License-Identifier: Apache-2.0
"""What a caller states is checked against the manifest, by the API as by the command line."""

import math
from typing import Any
from uuid import uuid4

import pytest

from healthvision.clinical.result import Text
from healthvision.domains.analysis import tasks
from healthvision.domains.analysis.errors import ParameterRefused
from healthvision.domains.analysis.parameters import Stated, check_parameters
from healthvision.domains.analysis.plan import plan_study
from healthvision.domains.analysis.tasks import Wish
from healthvision.domains.modelhub.ports import Parameter
from healthvision.domains.modelhub.service import Installed
from tests.domains.analysis.conftest import TARGET, Ward
from tests.support.applications import BRIGHT

NAMED = Text(zh="某值", en="something")
KNOWN = (
    Parameter(name="view", kind="text", title=NAMED, choices=("PA", "AP")),
    Parameter(name="age", kind="integer", title=NAMED, low=0, high=130),
    Parameter(name="x", kind="number", title=NAMED),
    Parameter(name="uid", kind="text", title=NAMED),
)


class TestCheckParameters:
    def test_values_that_can_be_are_kept_and_choices_are_in_capitals(self) -> None:
        stated: Stated = {"view": "pa", "age": 4, "x": -3, "uid": "1.2"}
        assert check_parameters("film", KNOWN, stated) == {**stated, "view": "PA"}
        assert check_parameters("film", (), {}) == {}

    @pytest.mark.parametrize(
        ("name", "value", "possible"),
        [
            ("view", "LL", "view is PA or AP"),
            ("view", 1, "view is PA or AP"),
            ("age", 131, "age is a whole number from 0 to 130"),
            ("age", "4", "age is a whole number"),
            ("age", 4.0, "age is a whole number"),
            ("age", True, "age is a whole number"),
            ("x", math.nan, "x is a number"),
            ("x", math.inf, "x is a number"),
            ("x", 10**400, "x is a number"),
            ("x", "1", "x is a number"),
            ("uid", 5, "uid is a text"),
        ],
    )
    def test_a_value_that_cannot_be_is_refused_with_those_there_are(
        self, name: str, value: Any, possible: str
    ) -> None:
        with pytest.raises(ParameterRefused, match=possible) as refused:
            check_parameters("film", KNOWN, {name: value})
        assert refused.value.extra == {"field": name}

    def test_an_unknown_name_is_refused_with_the_names_there_are(self) -> None:
        told = r"age_years: film takes view \(PA or AP\), age \(a whole .* 130\), x .*, uid"
        with pytest.raises(ParameterRefused, match=told):
            check_parameters("film", KNOWN, {"view": "PA", "age_years": 4})
        with pytest.raises(ParameterRefused, match="film takes no parameters"):
            check_parameters("film", (), {"view": "PA"})


class TestTasks:
    async def test_the_door_refuses_an_unknown_name_and_makes_no_task(self, ward: Ward) -> None:
        study = str(await ward.bring())
        for stated, told in (
            ({"treshold": 5}, "bright takes behave (a text), threshold (a number)"),
            ({"threshold": "five"}, "threshold is a number"),
        ):
            body = {"study_id": study, "parameters": stated}
            problem = await ward.post("/v1/tasks", body, status=422)
            assert problem["type"].endswith(":analysis-parameter-refused")
            assert told in problem["detail"]
        assert (await ward.get("/v1/tasks", study_id=study))["items"] == []
        await ward.post("/v1/tasks", {"study_id": study, "parameters": {"threshold": 5}})

    async def test_a_wish_of_a_rule_or_a_batch_is_checked_as_well(self, ward: Ward) -> None:
        study = await ward.bring()
        application = Installed(BRIGHT.manifest, TARGET)
        async with ward.db.transaction() as session:
            plan = await plan_study(session, ward.actor, study)
            for source in ("rule", "batch"):
                wish = Wish(application, space_id=uuid4(), source=source, parameters={"no": 1})
                with pytest.raises(ParameterRefused, match="no: bright takes"):
                    await tasks.submit_wish(session, ward.actor, plan, wish)
