"""`python -m analysis costs --by user_id` is `heliograph report costs --by user_id`."""

from addon.commands.report import report

if __name__ == "__main__":
    report(prog_name="python -m analysis")
