"""Speed and quality measurements; each module is a command. See README.md."""
