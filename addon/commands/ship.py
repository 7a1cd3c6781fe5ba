"""`heliograph ship`: ships the stored files to the bucket by hand. What it needs is imported when it runs."""

from pathlib import Path

import click

from addon.commands.options import Failure, data_options, examples, read_settings
from addon.commands.tables import settle


@click.command(
    short_help="Ship the stored calls to the lake in a bucket.",
    epilog=examples("heliograph ship", "heliograph ship --data ./data", "heliograph ship --recall"),
)
@click.option(
    "--recall", is_flag=True, help="Bring back the files that are in the bucket only, for forget and reprice."
)
@data_options
def ship(recall: bool, data: Path, config: Path | None) -> None:
    """Ship what is stored here to the bucket that `lake` in heliograph.toml names.

    A running proxy does this by itself. Use it for a folder whose proxy has ended before all was shipped, or to fill a new
    bucket. It can be run again at any time: each call counts once.
    """
    from addon.objects.store import Store, StoreTrouble
    from addon.settling.shipped import Forgotten
    from addon.settling.shipping import Foreign, Shipper
    from addon.storage.folders import Folders, refuse_unsafe, tried_lock

    refuse_unsafe(data)
    url = read_settings(data, config).lake
    if url is None:
        raise Failure(
            f'{config or data / "heliograph.toml"} has no lake = "s3://bucket/prefix" above its first section'
        )
    settle(data, config)
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
    click.echo(f"shipped {done.files:,} files, {done.size / 1e6:,.1f} MB, to {url}")
    if left.files:
        raise Failure(f"{left.files:,} files, {left.size / 1e6:,.1f} MB, were being merged; run this again")
