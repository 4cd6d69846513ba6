"""`python -m selftaught`, which is how torchrun starts the command line in several processes."""

from selftaught.cli import main

main()
