"""Concertmaster as a server: chat protocols, an API, a console for reviewers."""
