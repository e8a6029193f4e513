"""What the page takes from npm, and how it is made small: `make vendor`."""
