"""One paper = one file. The registry reads this folder; nothing needs to be listed here."""
