"""A page, its patients and a browser for the tests of the page."""
