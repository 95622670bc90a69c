"""The static site: notes in an index -> a folder of pages that searches in the browser, without a server."""
