"""Where tables come from, one file per format."""
