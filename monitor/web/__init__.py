"""The bedside page: its server, and what a browser is served."""
