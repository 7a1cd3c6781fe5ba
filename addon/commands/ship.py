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
    from addon.objects.store import Store
    from addon.settling.shipping import Shipper
    from addon.storage.folders import Folders


@click.command(
    short_help="Ship the stored calls to the bucket and to the Iceberg tables.",
    epilog=examples(
        "heliograph ship",
        "heliograph ship --data ./data",
        "heliograph ship --recall",
        "heliograph ship --take-over 0123456789abcdef --data ./taken",
    ),
)
@click.option("--recall", is_flag=True, help="Bring back all files that are in the bucket only, to read them here.")
@click.option(
    "--take-over",
    metavar="ID",
    help="Make the calls that a lost data folder has shipped those of this one, so that forget and reprice reach them.",
)
@data_options
def ship(recall: bool, take_over: str | None, data: Path, config: Path | None) -> None:
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
    if recall and chosen.lake is None:
        raise Failure("no lake in a bucket is set, so all files are here")
    if take_over and chosen.lake is None:
        raise Failure("no lake in a bucket is set; set `lake` to that of the lost folder")
    if recall and take_over:
        raise click.UsageError("--take-over brings no files here; run --recall after it")
    settle(data, config)
    if chosen.lake:
        _in_bucket(data, chosen.lake, recall, take_over)
    if chosen.iceberg and not recall:
        commit_tables(data, chosen.lake, chosen.iceberg)


def _in_bucket(data: Path, url: str, recall: bool, lost: str | None) -> None:
    """Raises Failure."""
    from addon.objects.store import Store, StoreTrouble
    from addon.settling.shipped import Forgotten
    from addon.settling.shipping import Foreign, Shipper
    from addon.settling.take_over import NotLost
    from addon.storage.folders import Folders, make_folder, tried_lock

    folders = Folders(data)
    try:
        make_folder(data)
        with tried_lock(folders.ship_lock) as ours:
            if not ours:
                raise Failure(f"a proxy is shipping {data} just now; run this again when it is done")
            if lost:
                _take_over(folders, Store(url), lost)
            elif recall:
                files = Shipper(folders, Store(url)).recall()
                click.echo(f"{files:,} files are here again; a running proxy releases them within minutes")
            else:
                _ship(Shipper(folders, Store(url)), url)
    except (StoreTrouble, Foreign, Forgotten, NotLost) as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error}; run this again") from error


def _ship(shipper: "Shipper", url: str) -> None:
    done = shipper.round(gathers=True)
    left = shipper.waiting()
    click.echo(f"shipped {done.files:,} files, {size_text(done.size)}, to {url}")
    if left.files:
        raise Failure(f"{left.files:,} files, {size_text(left.size)}, were being merged; run this again")


def _take_over(folders: "Folders", store: "Store", owner: str) -> None:
    from addon.settling.take_over import take_over

    taken = take_over(folders, store, owner)
    click.echo(
        f"{folders.data} has the calls of {taken.host} ({owner}) now: {taken.days:,} days, {taken.files:,} files,"
        f" {size_text(taken.size)}, all in {store.url} only"
    )


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
