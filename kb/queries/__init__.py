"""Every read. One module for each kind of page, each function a few bounded queries."""
