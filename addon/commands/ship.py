"""`heliograph ship`: ships the stored files to the bucket by hand. What it needs is imported when it runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.options import Failure, data_options, examples, read_settings
from addon.commands.tables import settle
from addon.storage.sizes import size_text

if TYPE_CHECKING:
    from addon.config.iceberg import Iceberg


@click.command(
    short_help="Ship the stored calls to the bucket and to the Iceberg tables.",
    epilog=examples("heliograph ship", "heliograph ship --data ./data", "heliograph ship --recall"),
)
@click.option("--recall", is_flag=True, help="Bring back all files that are in the bucket only, to read them here.")
@data_options
def ship(recall: bool, data: Path, config: Path | None) -> None:
    """Ship what is stored here to the bucket that `lake` in heliograph.toml names, and commit it to the tables of `[iceberg]`.

    A running proxy does this by itself. Use it for a folder whose proxy has ended before all was shipped, or to fill a new
    bucket. It can be run again at any time: each call counts once.
    """
    from addon.storage.folders import refuse_unsafe

    refuse_unsafe(data)
    chosen = read_settings(data, config)
    if chosen.lake is None and chosen.iceberg is None:
        raise Failure(
            f'{config or data / "heliograph.toml"} has no lake = "s3://bucket/prefix" above its first section, and no [iceberg]'
        )
    settle(data, config)
    if recall and chosen.lake is None:
        raise Failure("no lake in a bucket is set, so all files are here")
    if chosen.lake:
        _ship(data, chosen.lake, recall)
    if chosen.iceberg and not recall:
        commit_tables(data, chosen.lake, chosen.iceberg)


def _ship(data: Path, url: str, recall: bool) -> None:
    from addon.objects.store import Store, StoreTrouble
    from addon.settling.shipped import Forgotten
    from addon.settling.shipping import Foreign, Shipper
    from addon.storage.folders import Folders, tried_lock

    folders = Folders(data)
    try:
        with tried_lock(folders.ship_lock) as ours:
            if not ours:
                raise Failure(f"a proxy is shipping {data} just now; run this again when it is done")
            shipper = Shipper(folders, Store(url))
            if recall:
                click.echo(f"{shipper.recall():,} files are here again; a running proxy releases them within minutes")
                return
            done = shipper.round(gathers=True)
            left = shipper.waiting()
    except (StoreTrouble, Foreign, Forgotten) as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error}; run this again") from error
    click.echo(f"shipped {done.files:,} files, {size_text(done.size)}, to {url}")
    if left.files:
        raise Failure(f"{left.files:,} files, {size_text(left.size)}, were being merged; run this again")


def commit_tables(data: Path, lake: str | None, chosen: "Iceberg") -> None:
    """Raises Failure."""
    from addon.settling.iceberg_catalog import CatalogTrouble, shown
    from addon.settling.iceberg_process import Busy, commit_once
    from addon.settling.shipped import Forgotten
    from addon.storage.folders import Folders

    try:
        done = commit_once(Folders(data), chosen, lake, os.environ)
    except Busy as error:
        raise Failure(f"a proxy is committing the files of {data} just now; run this again when it is done") from error
    except (CatalogTrouble, Forgotten) as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error}; run this again") from error
    told = f"{done.added:,} files added, {done.removed:,} removed" if done.commits else "up to date"
    click.echo(f"Iceberg tables of {shown(chosen, os.environ)}: {told}")
    if done.refused:
        raise Failure("\n".join(done.refused))
