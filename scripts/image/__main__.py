# SPDX-License-Identifier: Apache-2.0
from scripts.image.image import cli

cli()
