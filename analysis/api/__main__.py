import sys

from analysis.api.serve import main

sys.exit(main())
