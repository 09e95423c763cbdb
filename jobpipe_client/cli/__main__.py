"""`python -m jobpipe_client.cli`."""

import sys

from jobpipe_client.cli import main

sys.exit(main())
