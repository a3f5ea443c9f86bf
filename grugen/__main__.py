"""`python -m grugen`: the command line."""

from grugen.cli import main

raise SystemExit(main())
