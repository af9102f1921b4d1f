"""Ids of the protocol's objects."""

import pytest

from concertmaster.errors import UnknownRun
from concertmaster.serving.openai.names import ResponseName, completion_id, run_of_completion


@pytest.mark.parametrize(
    "name", [ResponseName("run-5f0c5f0c"), ResponseName("run-5f0c5f0c", "apr-1a2b3c4d")]
)
def test_a_responses_id_tells_what_it_is_of(name):
    assert ResponseName.read(str(name)) == name
    assert name.message == str(name).replace("resp_", "msg_")


def test_a_completions_id_tells_its_run():
    assert run_of_completion(completion_id("run-5f0c5f0c")) == "run-5f0c5f0c"


@pytest.mark.parametrize(
    "id", ["", "resp_", "run-5f0c5f0c", "resp_run-5f0c5f0c_", "resp_run-5f0c5f0c\n", "resp_RUN-1"]
)
def test_what_is_no_id_is_unknown(id):
    with pytest.raises(UnknownRun):
        ResponseName.read(id)
    with pytest.raises(UnknownRun):
        run_of_completion(id)
