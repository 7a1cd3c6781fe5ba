import sys

from analysis.serving.serve import main

sys.exit(main())
