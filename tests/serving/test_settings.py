"""The settings file: safe without one, and refused as a whole where anything in it is wrong."""

import pytest

from concertmaster.errors import ConfigError
from concertmaster.serving.settings import Settings, read_settings


def test_without_a_file_everything_is_closed():
    settings = read_settings(None)
    assert (settings.origins, settings.mcp, settings.conflict) == ((), False, "queue")
    assert settings.limits.body == 256 * 1024


def test_a_file_is_read(tmp_path):
    path = tmp_path / "serve.yaml"
    path.write_text("conflict: reject\nlimits: {runs: 7}\norigins: ['https://shop.example']\n")
    settings = read_settings(path)
    assert (settings.conflict, settings.limits.runs) == ("reject", 7)
    path.write_text("")
    assert read_settings(path) == Settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("conflict: ignore", "conflict"),
        ("limits: {body: 1}", "limits.body"),
        ("limits: {runs: 0}", "limits.runs"),
        ("limits: {unknown: 1}", "limits.unknown"),
        ("origins: ['*']", "origins"),
        ("origins: ['https://*.example']", "origins"),
        ("origins: ['shop.example']", "origins"),
        ("sweep: 0", "sweep"),
        ("drain: -1", "drain"),
        ("[a, list]", "file"),
        ("{", "YAML"),
        ("a: !!python/object/apply:os.system ['true']", "YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path, text, named):
    path = tmp_path / "serve.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_settings(path)
    assert named in f"{refused.value.message} {refused.value.hint}"


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.yaml")
