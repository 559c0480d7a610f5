"""Makes every process that has this folder on its path know what `made_up` adds."""

import made_up

made_up.register()
