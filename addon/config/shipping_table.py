"""The key `lake` and the section `[shipping]` of `heliograph.toml`. As in models.py."""

from typing import Annotated

from annotated_types import Ge
from pydantic import AfterValidator, Field, Strict

from addon.config.section import Section
from addon.config.shipping import LEAST_DAYS, USUAL_BYTES, USUAL_DAYS, Shipping
from addon.config.values import Bytes, says
from addon.objects.store import checked_url

LakeUrl = Annotated[
    str, Strict(), AfterValidator(checked_url), says('is not the address of a bucket; write e.g. "s3://bucket/prefix"')
]
Days = Annotated[
    int, Strict(), Ge(LEAST_DAYS), says(f"is not a number of days; write {LEAST_DAYS} or more, for budgets of a month")
]


class ShippingTable(Section):
    """
    [shipping]
    max_local_bytes = 21474836480
    """

    max_local_bytes: Bytes = Field(
        default=USUAL_BYTES,
        description="Above it the bodies of shipped days go from this disk, the oldest first. What is not shipped stays.",
    )
    keep_local_days: Days = Field(default=USUAL_DAYS, description="Older days go from this disk once they are shipped.")

    def made(self) -> Shipping:
        return Shipping(self.max_local_bytes, self.keep_local_days)
