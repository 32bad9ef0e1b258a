"""What an application writes to becomes a volume: of each pod, or one that all pods share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from delivery.deployment.chart.folders import Folders, find_folders
from delivery.deployment.errors import DeploymentError
from delivery.detection.description import Description, Found
from tests.deployment.fakes import described, setting, written

SQLITE = "SQLite database"


def folders(
    description: Description,
    *,
    development: bool = True,
    has_database: bool = False,
    given_settings: Mapping[str, str] | None = None,
) -> Folders:
    return find_folders(description, development=development, has_database=has_database, given=given_settings)


def given(found: Folders) -> dict[str, Any]:
    return {".".join(each.path): each.value for each in found.values("shop-data", "shop")}


def paths(found: Folders) -> list[str]:
    return [str(each.path) for each in found.folders]


@pytest.mark.parametrize(
    ("path", "what", "mounted"),
    [
        ("instance", "instance folder", ["/srv/instance"]),
        ("instance/shop.db", SQLITE, ["/srv/instance"]),
        ("logs/shop.log", "log file", ["/srv/logs"]),
        ("data/counter", "file", ["/srv/data"]),
        ("./cache/../files", "cache", ["/srv/files"]),
        ("/var/lib/shop", "upload folder", ["/var/lib/shop"]),
        ("~/.cache", "cache", []),
        ("/tmp/shop", "cache", []),
        ("uploads.d", "upload folder", ["/srv/uploads.d"]),
    ],
)
def test_a_path_is_mounted_as_its_folder(path: str, what: str, mounted: list[str]) -> None:
    assert paths(folders(described(writes=(written(path, what),)))) == mounted


def test_a_folder_of_each_pod_changes_nothing_else() -> None:
    assert given(folders(described(writes=(written("cache"),)))) == {
        "volumes": [{"name": "folder-1", "emptyDir": {}}],
        "volumeMounts": [{"name": "folder-1", "mountPath": "/srv/cache"}],
    }


def test_a_shared_folder_is_on_the_claim_and_has_one_replica_with_a_word_why() -> None:
    found = folders(described(writes=(written("instance/shop.db", SQLITE, shared=True), written("cache"))))
    assert (
        given(found).items() >= {"autoscaling.mode": "fixed", "replicaCount": 1, "rollout.strategy": "Recreate"}.items()
    )
    mounts = given(found)["volumeMounts"]
    assert {"name": "shared", "mountPath": "/srv/instance", "subPath": "instance"} in mounts
    (why,) = {each.comment for each in found.values("shop-data", "shop") if each.path == ("replicaCount",)}
    assert "SQLite database instance/shop.db, shop.py:9" in why


def test_pods_that_share_a_claim_are_on_one_node_and_others_anywhere() -> None:
    """A migration on another node could not mount it while the server runs."""
    key = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution"
    ((term),) = given(folders(described(writes=(written("uploads", shared=True),))))[key]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == {"app.kubernetes.io/instance": "shop"}
    assert key not in given(folders(described(writes=(written("cache"),))))


def test_what_the_image_has_in_a_folder_is_copied_into_the_volume(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "logo.png").touch()
    found = given(folders(described(tmp_path, writes=(written("uploads", shared=True), written("cache")))))
    (container,) = found["initContainers"]
    assert "cp -R -n /srv/uploads/. /copy/folder-2/" in container["command"][-1]
    assert container["volumeMounts"] == [{"name": "shared", "mountPath": "/copy/folder-2", "subPath": "uploads"}]


def test_a_repository_that_is_itself_a_package_is_in_a_folder_of_its_name(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").touch()
    assert paths(folders(described(shop, writes=(written("instance"),)))) == ["/srv/shop/instance"]


def test_a_stray_init_file_moves_no_folder(tmp_path: Path) -> None:
    """The image has the repository where the package that is served says, and nowhere else."""
    repository = tmp_path / "shop"
    (repository / "shop").mkdir(parents=True)
    (repository / "__init__.py").touch()
    assert paths(folders(described(repository, writes=(written("instance"),)))) == ["/srv/instance"]


def test_folders_in_a_folder_that_is_mounted_are_part_of_it() -> None:
    found = folders(described(writes=(written("var/cache"), written("var"), written("var/uploads", shared=True))))
    assert paths(found) == ["/srv/var", "/srv/var/uploads"]


def test_sqlite_is_not_used_where_another_database_is_configured() -> None:
    writes = (written("instance/shop.db", SQLITE, shared=True),)
    assert folders(described(writes=writes), has_database=True).folders == ()


def test_a_database_beside_the_code_is_moved_by_the_setting_that_says_where_it_is() -> None:
    found = folders(
        described(
            writes=(written("app.db", SQLITE, shared=True, setting="DATABASE_URL"),),
            settings=(setting("DEV_DATABASE_URL"), setting("DATABASE_URL")),
        ),
        development=False,
    )
    assert given(found)["config.DATABASE_URL"] == "sqlite:////data/app.db"
    assert paths(found) == ["/data"]
    assert given(found)["replicaCount"] == 1


def test_a_database_is_not_moved_by_a_setting_that_is_not_its_own() -> None:
    hard_coded = described(writes=(written("app.db", SQLITE, shared=True),), settings=(setting("DATABASE_URL"),))
    with pytest.raises(DeploymentError, match="is in the folder of the code"):
        folders(hard_coded, development=False)


def test_a_setting_that_is_given_is_not_set_and_the_database_that_it_gives_is_kept() -> None:
    """The one in the code is not used then."""
    in_code = described(writes=(written("app.db", SQLITE, shared=True, setting="DATABASE_URL"),))
    found = folders(in_code, development=False, given_settings={"DATABASE_URL": "sqlite:////var/lib/shop/shop.db"})
    assert (paths(found), found.settings) == (["/var/lib/shop"], ())
    assert given(found)["replicaCount"] == 1


@pytest.mark.parametrize(
    ("declared", "mounted"), [("flask-sqlalchemy==3.1", ["/srv/instance"]), ("sqlalchemy", ["/srv"])]
)
def test_a_relative_address_is_taken_from_where_the_library_does(
    tmp_path: Path, declared: str, mounted: list[str]
) -> None:
    (tmp_path / "requirements.txt").write_text(f"flask\n{declared}\n")
    shop = described(tmp_path, ["requirements.txt"])
    found = folders(shop, given_settings={"SHOP_DB": "sqlite:///shop.db"})
    assert [each["mountPath"] for each in given(found)["volumeMounts"]] == mounted


def test_a_log_beside_the_code_is_written_to_a_copy_of_the_code() -> None:
    found = given(folders(described(writes=(written("shop.log", "log file"),)), development=False))
    assert found["volumeMounts"] == [{"name": "code", "mountPath": "/srv"}]
    assert "/srv/. /copy/code/" in found["initContainers"][0]["command"][-1]
    assert "replicaCount" not in found


def test_production_does_not_lose_a_database_beside_the_code() -> None:
    hard_coded = described(writes=(written("app.db", SQLITE, shared=True),))
    with pytest.raises(DeploymentError, match=r"shop.py:9: app.db \(SQLite database\) is in the folder of the code"):
        folders(hard_coded, development=False)
    found = given(folders(hard_coded))
    assert (found["replicaCount"], found["volumeMounts"]) == (1, [{"name": "code", "mountPath": "/srv"}])


def test_production_does_not_lose_a_file_that_the_application_reads_again() -> None:
    with pytest.raises(DeploymentError, match=r'may be lost, write scratch = \["visits.csv"\] in flask-app.toml'):
        folders(described(writes=(written("visits.csv", "file", shared=True),)), development=False)


def test_a_migration_could_not_see_a_database_in_the_pods_copy_of_the_code() -> None:
    hard_coded = described(
        writes=(written("app.db", SQLITE, shared=True),), migration=Found("flask db upgrade", "migrations")
    )
    with pytest.raises(DeploymentError, match="Move it to its own folder"):
        folders(hard_coded)
