import asyncio
import fcntl

import pytest

from concertmaster.cli.places import home_of
from concertmaster.errors import HomeBusy
from concertmaster.orchestrator.backup import back_up


def test_backup_is_a_home_that_works(ask, waiting, workspace, home, tmp_path):
    target = tmp_path / "backups" / "monday"
    made, code = ask("backup", home / "refunds", target)
    assert (code, made["target"]) == (0, str(target))
    assert made["bytes"] > 10_000
    done, code = ask(
        "run",
        workspace,
        "refund 20 euros for order 7",
        "--as",
        "ana",
        "--home",
        target,
    )
    assert (done["outcome"]["text"], code) == ("Refunded 20.00 EUR for order 7.", 0)
    assert ask("run", "x", "y", "--as", "ana")[1] == 3


def test_approval_in_a_backup_is_no_reason_to_pay_again(ask, waiting, home, tmp_path):
    _, id_ = waiting
    target = tmp_path / "monday"
    ask("backup", home / "refunds", target)
    # It may have been given, and the money paid, after the backup was made.
    done, code = ask("approvals", "approve", id_, "--as", "li", "--home", target)
    assert (done["outcome"]["status"], code) == ("escalated", 0)
    assert "whether refund took effect is unknown" in done["outcome"]["cause"]
    # The original knows nothing of it.
    assert ask("approvals", "show", id_, "--home", home / "refunds")[0]["status"] == "pending"


def test_home_is_found_by_its_workspace_and_the_way_back_is_told(cli, waiting, workspace, tmp_path):
    result = cli("backup", workspace, tmp_path / "copy")
    assert result.exit_code == 0
    assert f"cp -a {tmp_path / 'copy'} {home_of(workspace)}" in " ".join(result.stderr.split())


def test_nothing_is_written_over(cli, waiting, home, tmp_path):
    (tmp_path / "there").mkdir()
    result = cli("backup", home / "refunds", tmp_path / "there")
    assert result.exit_code == 2
    assert list((tmp_path / "there").iterdir()) == []
    inside = cli("backup", home / "refunds", home / "refunds" / "copy")
    assert inside.exit_code == 2
    assert not (home / "refunds" / "copy").exists()


def test_home_in_use_is_not_copied(waiting, home, tmp_path):
    with (home / "refunds" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HomeBusy):
            asyncio.run(back_up(home / "refunds", tmp_path / "copy", wait=0.1))
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("source", ["nowhere", "."])
def test_what_is_no_home_is_told(cli, tmp_path, source):
    assert cli("backup", tmp_path / source, tmp_path / "copy").exit_code in (3, 4)
